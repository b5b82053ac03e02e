"""The network of syntax in torch, and as an ONNX graph: tags and noun phrases of tokens.

A token is the encoder's states for it beside vectors of its looks; two convolutions see its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy
import torch  # pyright: ignore[reportMissingImports]
from onnx import TensorProto, checker, helper, numpy_helper  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from ..syntax.features import COUNT, ROWS

LOOK = 24
"""Width of the vector of each look."""
OPSET = 18


class Network(nn.Module):
    """Tokens of texts one after the other to logits of tags and of noun phrases."""

    def __init__(self, width: int, tags: int, phrases: int = 3, inner: int = 256) -> None:
        super().__init__()
        self.looks = nn.Embedding(ROWS, LOOK)
        nn.init.normal_(self.looks.weight, std=0.1)
        self.hide = nn.Dropout(0.3)
        self.states = nn.Linear(width, inner)
        self.looked = nn.Linear(COUNT * LOOK, inner)
        self.near = nn.ModuleList(nn.Conv1d(inner, inner, 3, padding=1) for _ in range(2))
        self.tags = nn.Linear(inner, tags)
        self.phrases = nn.Linear(inner, phrases)

    def forward(self, looks: Tensor, states: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """int [tokens, COUNT], [tokens, width], [tokens, 1] (0 between texts) to two [tokens, labels]."""
        seen = self.looks(looks)
        if self.training:  # a look is hidden as a whole
            seen = seen * (torch.rand(seen.shape[:2]) > 0.15).unsqueeze(-1) / 0.85
        x = (
            torch.relu(self.states(self.hide(states)) + self.looked(self.hide(seen.flatten(1))))
            * real
        )
        for each in self.near:
            x = (x + self.hide(torch.relu(each(x.T.unsqueeze(0)).squeeze(0).T))) * real
        x = self.hide(x)
        return self.tags(x), self.phrases(x)


@dataclass
class _Graph:
    """A graph as it is written."""

    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    def weight(self, name: str, value: Tensor) -> str:
        """A constant: half precision in the file, float32 as it runs."""
        half = numpy.ascontiguousarray(value.detach().numpy().astype(numpy.float16))
        self.weights.append(numpy_helper.from_array(half, name))
        return self.add("Cast", [name], f"{name}.full", to=TensorProto.FLOAT)

    def whole(self, name: str, *value: int) -> str:
        """A constant of whole numbers."""
        self.weights.append(numpy_helper.from_array(numpy.array(value, numpy.int64), name))
        return name

    def add(self, kind: str, inputs: list[str], out: str, **given: Any) -> str:
        """The output of a node that is new."""
        self.nodes.append(helper.make_node(kind, inputs, [out], **given))
        return out

    def linear(self, given: str, layer: nn.Linear, out: str) -> str:
        """A linear layer."""
        product = self.add("MatMul", [given, self.weight(f"{out}.w", layer.weight.T)], f"{out}.x")
        return self.add("Add", [product, self.weight(f"{out}.b", layer.bias)], out)

    def near(self, x: str, layer: nn.Conv1d, name: str) -> str:
        """x and what a convolution sees around it, 0 between texts."""
        one = self.whole(f"{name}.one", 0)
        turned = self.add("Unsqueeze", [self.add("Transpose", [x], f"{name}.t"), one], f"{name}.in")
        weights = self.weight(f"{name}.w", layer.weight), self.weight(f"{name}.b", layer.bias)
        seen = self.add("Conv", [turned, *weights], f"{name}.seen", pads=[1, 1])
        seen = self.add("Relu", [self.add("Squeeze", [seen, one], f"{name}.out")], f"{name}.relu")
        summed = self.add("Add", [x, self.add("Transpose", [seen], f"{name}.back")], f"{name}.sum")
        return self.add("Mul", [summed, "real"], name)


def write(model: Network, file: Path) -> None:
    """The graph lies in `file`: inputs `looks`, `states`, `real`, outputs `tags`, `phrases`."""
    graph = _Graph()
    found = graph.add("Gather", [graph.weight("table", model.looks.weight), "looks"], "found")
    flat = graph.add("Reshape", [found, graph.whole("shape", -1, COUNT * LOOK)], "flat")
    known = graph.linear("states", model.states, "known")
    both = graph.add("Add", [known, graph.linear(flat, model.looked, "looked")], "both")
    x = graph.add("Mul", [graph.add("Relu", [both], "seen"), "real"], "x")
    for at, each in enumerate(model.near):
        x = graph.near(x, cast(nn.Conv1d, each), f"near{at}")
    graph.linear(x, model.tags, "tags")
    graph.linear(x, model.phrases, "phrases")
    inputs = [
        helper.make_tensor_value_info("looks", TensorProto.INT32, ["n", COUNT]),
        helper.make_tensor_value_info("states", TensorProto.FLOAT, ["n", model.states.in_features]),
        helper.make_tensor_value_info("real", TensorProto.FLOAT, ["n", 1]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", layer.out_features])
        for name, layer in (("tags", model.tags), ("phrases", model.phrases))
    ]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "syntax", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="sagebrush",
    )
    made.ir_version = 9
    checker.check_model(made)
    file.write_bytes(made.SerializeToString())
