"""How the decoder weighs the encoder's outputs.

Sources: Bahdanau et al. 2015 (mlp, over the concatenation), Luong et al. 2015 (dot, bilinear there
called general); the names are those of Sockeye (Hieber et al. 2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]


@dataclass(frozen=True)
class Memory:
    """What the encoder says of a batch of sequences."""

    outputs: Tensor
    """(sequences, length, units)"""
    mask: Tensor
    """(sequences, length): True where a token is"""
    keys: Tensor
    """What the attention compares with, computed once."""

    def repeated(self, times: int) -> Memory:
        """Each sequence `times` times, one after the other."""
        return Memory(*(each.repeat_interleave(times, 0) for each in self._parts()))

    def selected(self, rows: Tensor) -> Memory:
        """The sequences with these numbers."""
        return Memory(*(each.index_select(0, rows) for each in self._parts()))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.outputs, self.mask, self.keys


class Attention(nn.Module):
    """A `rnn_attention_type`: from queries to weights of the encoder's outputs."""

    def __init__(self, kind: str, query: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "mlp":
            self.key = nn.Linear(outputs, hidden)
            self.query = nn.Linear(query, hidden, bias=False)
            self.score = nn.Linear(hidden, 1, bias=False)
        elif kind == "bilinear" or (kind == "dot" and query != outputs):
            self.key = nn.Linear(outputs, query, bias=False)

    def keys(self, outputs: Tensor) -> Tensor:
        """What the queries are compared with."""
        return self.key(outputs) if hasattr(self, "key") else outputs

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(context, weights) of one query a sequence: (sequences, units), (sequences, length)."""
        if self.kind == "fixed":
            last = memory.mask.sum(1, keepdim=True) - 1
            weights = torch.zeros_like(memory.mask, dtype=query.dtype).scatter_(1, last, 1.0)
        else:
            scores = self._scores(query, memory.keys)
            weights = scores.masked_fill(~memory.mask, -math.inf).softmax(1)
        return torch.bmm(weights.unsqueeze(1), memory.outputs).squeeze(1), weights

    def _scores(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.kind == "mlp":
            return self.score(torch.tanh(keys + self.query(query).unsqueeze(1))).squeeze(2)
        return torch.bmm(keys, query.unsqueeze(2)).squeeze(2)
