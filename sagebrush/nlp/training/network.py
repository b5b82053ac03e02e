"""The network of syntax in torch, and as an ONNX graph: tags and noun phrases of tokens.

A token is the encoder's states for it beside vectors of its looks; two convolutions see its neighbours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

    def __init__(self, width: int, tags: int, phrases: int = 3, inner: int = 192) -> None:
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


def write(model: Network, file: Path) -> None:
    """The graph lies in `file`: inputs `looks`, `states`, `real`, outputs `tags`, `phrases`; half
    precision in the file, float32 as it runs."""
    nodes: list[Any] = []
    weights: list[Any] = []

    def weight(name: str, value: numpy.ndarray) -> str:
        weights.append(
            numpy_helper.from_array(numpy.ascontiguousarray(value.astype(numpy.float16)), name)
        )
        nodes.append(helper.make_node("Cast", [name], [f"{name}.full"], to=TensorProto.FLOAT))
        return f"{name}.full"

    def shape(name: str, *value: int) -> str:
        weights.append(numpy_helper.from_array(numpy.array(value, numpy.int64), name))
        return name

    def add(kind: str, inputs: list[str], out: str, **given: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [out], **given))
        return out

    def linear(given: str, layer: nn.Linear, out: str) -> str:
        matrix = weight(f"{out}.weight", layer.weight.detach().numpy().T)
        product = add("MatMul", [given, matrix], f"{out}.product")
        return add("Add", [product, weight(f"{out}.bias", layer.bias.detach().numpy())], out)

    found = add("Gather", [weight("table", model.looks.weight.detach().numpy()), "looks"], "found")
    flat = add("Reshape", [found, shape("flat.shape", -1, COUNT * LOOK)], "flat")
    both = add(
        "Add",
        [linear("states", model.states, "known"), linear(flat, model.looked, "looked")],
        "both",
    )
    x = add("Mul", [add("Relu", [both], "both.relu"), "real"], "x")
    for at, each in enumerate(model.near):
        turned = add(
            "Unsqueeze", [add("Transpose", [x], f"turn.{at}"), shape(f"first.{at}", 0)], f"in.{at}"
        )
        kernel = weight(f"near.{at}.weight", each.weight.detach().numpy())
        bias = weight(f"near.{at}.bias", each.bias.detach().numpy())
        seen = add("Conv", [turned, kernel, bias], f"conv.{at}", pads=[1, 1])
        seen = add("Relu", [add("Squeeze", [seen, f"first.{at}"], f"out.{at}")], f"relu.{at}")
        summed = add("Add", [x, add("Transpose", [seen], f"back.{at}")], f"sum.{at}")
        x = add("Mul", [summed, "real"], f"x.{at}")
    linear(x, model.tags, "tags")
    linear(x, model.phrases, "phrases")
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
        helper.make_graph(nodes, "syntax", inputs, outputs, weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="sagebrush",
    )
    made.ir_version = 9
    checker.check_model(made)
    file.write_bytes(made.SerializeToString())
