"""The trained encoder as one ONNX graph with all heads as outputs, in float32 or with int8 weights.

Written node by node with ONNX Runtime's fused operators (`com.microsoft`): a traced graph would be cut
into some hundred small ones. With int8, each matrix has a scale for every column, word vectors one for
every row, and ONNX Runtime rounds activations while it runs (DynamicQuantizeMatMul).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
from onnx import TensorProto, checker, helper, numpy_helper  # pyright: ignore[reportMissingImports]

from .model import Encoder
from .tasks import Kind, Task

OPSET = 18
FUSED = "com.microsoft"
INPUTS = ("ids", "types", "shapes")
"""int32, [texts, tokens]; 0 in `ids` is padding."""
STATES = {f"states.{layer}": layer for layer in (2, 4, 6)}
"""Further outputs, [texts, tokens, width]: the states after so many layers, from which other models learn."""
POSITIONS = 258
"""Tokens of the longest text that the graph takes."""
BITS = 63
"""The greatest weight as a whole number: 7 bits, since sums of two products of 8-bit weights overflow on x86
CPUs without VNNI, and answers would depend on the CPU. Of 460 answers 98.0 % were those of float32 with 7
bits, 98.3 % with 8."""


@dataclass
class Graph:
    """A graph as it is written: nodes, weights, and the names of its outputs."""

    rounded: bool
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    count: int = 0

    def add(
        self, kind: str, inputs: Sequence[str], out: str = "", domain: str = "", **given: Any
    ) -> str:
        """The name of the output of a node that is new."""
        self.count += 1
        out = out or f"{kind}_{self.count}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [out], f"n{self.count}", domain=domain, **given)
        )
        return out

    def weight(self, name: str, value: numpy.ndarray) -> str:
        """The name of a constant."""
        self.weights.append(numpy_helper.from_array(numpy.require(value, requirements="C"), name))
        return name

    def linear(
        self, x: str, name: str, weight: numpy.ndarray, bias: numpy.ndarray, out: str = ""
    ) -> str:
        """x times the transpose of `weight` [outputs, inputs], with `bias` added."""
        matrix = weight.T
        kept = self.weight(f"{name}.bias", bias)
        if not self.rounded:
            product = self.add("MatMul", (x, self.weight(f"{name}.weight", matrix)))
            return self.add("Add", (product, kept), out)
        scale = numpy.maximum(numpy.abs(matrix).max(0), 1e-12) / BITS
        whole = numpy.clip(numpy.round(matrix / scale), -BITS, BITS).astype(numpy.int8)
        given = (
            x,
            self.weight(f"{name}.weight", whole),
            self.weight(f"{name}.scale", scale.astype(numpy.float32)),
            "",
            kept,
        )
        return self.add("DynamicQuantizeMatMul", given, out, FUSED)

    def rows(self, ids: str, name: str, table: numpy.ndarray) -> str:
        """The rows of a table that ids name."""
        if not self.rounded:
            return self.add("Gather", (self.weight(name, table), ids))
        scale = numpy.maximum(numpy.abs(table).max(1, keepdims=True), 1e-12) / 127
        whole = numpy.round(table / scale).astype(numpy.int8)
        found = self.add("Gather", (self.weight(name, whole), ids))
        found = self.add("Cast", (found,), to=TensorProto.FLOAT)
        scales = self.weight(f"{name}.scale", scale.astype(numpy.float32))
        return self.add("Mul", (found, self.add("Gather", (scales, ids))))


def write(model: Encoder, tasks: Sequence[Task], file: Path, rounded: bool) -> None:
    """The graph lies in `file`; an output `NAME` for each task, logits as the model's."""
    values = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    graph = Graph(rounded)
    x, real = _embedded(graph, values)
    kept = model.size.layers - model.size.own
    after = dict[int, str]()
    for at in range(kept):
        x = _layer(graph, values, f"layers.{at}", x, real, model.size.heads)
        after[at + 1] = x
    texts = tokens = x
    for at in range(kept, model.size.layers):
        texts = _layer(graph, values, f"layers.{at}", texts, real, model.size.heads)
        tokens = _layer(graph, values, f"branch.{at - kept}", tokens, real, model.size.heads)
        after[at + 1] = tokens
    if not model.size.own:
        tokens = texts
    for task in tasks:
        by_text = task.kind in (Kind.SINGLE, Kind.MULTIPLE)
        _head(graph, values, task, texts if by_text else tokens, real)
    shapes = [helper.make_tensor_value_info(name, TensorProto.INT32, ["n", "l"]) for name in INPUTS]
    outputs = [
        helper.make_tensor_value_info(
            task.name,
            TensorProto.FLOAT,
            ["n", "l", len(task.classes)] if task.kind is Kind.TOKENS else ["n", len(task.classes)],
        )
        for task in tasks
    ]
    for name, layer in STATES.items():
        if layer in after:  # a tiny encoder has fewer
            graph.nodes.append(helper.make_node("Identity", [after[layer]], [name], name))
            size = ["n", "l", model.size.width]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, size))
    made = helper.make_model(
        helper.make_graph(graph.nodes, "encoder", shapes, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)],
        producer_name="sagebrush",
    )
    made.ir_version = 9
    checker.check_model(made)
    file.write_bytes(made.SerializeToString())


def _embedded(graph: Graph, values: dict[str, numpy.ndarray]) -> tuple[str, str]:
    """The normalised sum of all embeddings, and which tokens are real (int32, [texts, tokens])."""
    zero = graph.weight("zero", numpy.array(0, numpy.int32))
    is_real = graph.add("Greater", ("ids", zero))
    real = graph.add("Cast", (is_real,), to=TensorProto.INT32)
    length = graph.add("Shape", ("ids",), start=1, end=2)
    first = graph.weight("first", numpy.array([0], numpy.int64))
    places = graph.weight("positions", values["positions.weight"][:POSITIONS])
    places = graph.add("Slice", (places, first, length))
    x = graph.add("Add", (graph.rows("ids", "words", values["words.weight"]), places))
    for name in ("types", "shapes"):
        table = graph.weight(f"table.{name}", values[f"{name}.weight"])
        x = graph.add("Add", (x, graph.add("Gather", (table, name))))
    norms = (graph.weight(f"norm.{part}", values[f"norm.{part}"]) for part in ("weight", "bias"))
    return graph.add("LayerNormalization", (x, *norms), axis=-1, epsilon=1e-12), real


def _layer(
    graph: Graph, values: dict[str, numpy.ndarray], prefix: str, x: str, real: str, heads: int
) -> str:
    def linear(name: str, given: str) -> str:
        full = f"{prefix}.{name}"
        return graph.linear(given, full, values[f"{full}.weight"], values[f"{full}.bias"])

    def added(name: str, given: str, skip: str) -> str:
        norms = [
            graph.weight(f"{prefix}.{name}.{part}", values[f"{prefix}.{name}.{part}"])
            for part in ("weight", "bias")
        ]
        return graph.add("SkipLayerNormalization", (given, skip, *norms), "", FUSED, epsilon=1e-12)

    three = linear("qkv", x)
    names = [f"{prefix}.{each}" for each in "qkv"]
    graph.nodes.append(helper.make_node("Split", [three], names, axis=-1, num_outputs=3))
    seen = graph.add(
        "MultiHeadAttention", (*names, "", real), "", FUSED, num_heads=heads, mask_filter_value=-1e4
    )
    x = added("norm", linear("out", seen), x)
    inner = graph.add("Gelu", (linear("up", x),), "", FUSED)
    return added("last", linear("down", inner), x)


def _head(graph: Graph, values: dict[str, numpy.ndarray], task: Task, x: str, real: str) -> None:
    """The logits of a task, as model.Head computes them; small, and so never rounded."""
    prefix = f"heads.{task.name}"
    plain = Graph(False, graph.nodes, graph.weights, graph.count)

    def linear(name: str, given: str, out: str = "") -> str:
        full = f"{prefix}.{name}"
        return plain.linear(given, full, values[f"{full}.weight"], values[f"{full}.bias"], out)

    if task.kind is Kind.TOKENS:
        linear("logits", x, task.name)
        graph.count = plain.count
        return
    among = "types" if task.kind is Kind.TARGET else real
    keep = plain.add("Cast", (among,), to=TensorProto.FLOAT)
    last = plain.weight(f"{prefix}.last", numpy.array([2], numpy.int64))
    keep = plain.add("Unsqueeze", (keep, last))
    less = plain.add("Sub", (keep, plain.weight(f"{prefix}.one", numpy.array(1, numpy.float32))))
    less = plain.add("Mul", (less, plain.weight(f"{prefix}.far", numpy.array(1e4, numpy.float32))))
    scores = plain.add("Add", (linear("query", x), less))
    weights = plain.add("Softmax", (scores,), axis=1)
    middle = plain.weight(f"{prefix}.axis", numpy.array([1], numpy.int64))
    pooled = plain.add("ReduceSum", (plain.add("Mul", (weights, x)), middle), keepdims=0)
    zero = plain.weight(f"{prefix}.zero", numpy.array(0, numpy.int64))
    first = plain.add("Gather", (x, zero), axis=1)
    both = plain.add("Concat", (first, pooled), axis=-1)
    linear("logits", plain.add("Tanh", (linear("dense", both),)), task.name)
    graph.count = plain.count
