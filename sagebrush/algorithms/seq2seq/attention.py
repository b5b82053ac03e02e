"""How the decoder weighs the encoder's outputs.

Sources: Bahdanau et al. 2015 (mlp, over the concatenation), Luong et al. 2015 (dot, bilinear there
called general); the names are those of Sockeye (Hieber et al. 2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from .stepwise import Shared, additive_scores, product, shared


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

    def over(self, memory: Memory) -> Look:
        """What answers the queries of one step after another."""
        outputs = shared(memory.outputs)
        if self.kind == "mlp":
            query, score = shared(self.query.weight.t()), shared(self.score.weight[0])
            return Look(memory.mask, outputs, shared(memory.keys), query, score)
        if self.kind == "fixed":
            return Look(memory.mask, outputs, None)
        return Look(memory.mask, outputs, shared(memory.keys.transpose(1, 2)))


@dataclass(frozen=True)
class Look:
    """An attention over one batch's memory."""

    mask: Tensor
    outputs: Shared
    keys: Shared | None
    """None for `fixed`."""
    query: Shared | None = None
    score: Shared | None = None
    """Both of `mlp` alone."""

    def __call__(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """(context, weights) of one query a sequence: (sequences, units), (sequences, length)."""
        if self.keys is None:
            last = self.mask.sum(1, keepdim=True) - 1
            weights = torch.zeros_like(self.mask, dtype=query.dtype).scatter_(1, last, 1.0)
        else:
            scores = self._scores(query, self.keys)
            weights = scores.masked_fill(~self.mask, -math.inf).softmax(1)
        return product(weights.unsqueeze(1), self.outputs).squeeze(1), weights

    def _scores(self, query: Tensor, keys: Shared) -> Tensor:
        if self.query is not None and self.score is not None:
            return additive_scores(keys, product(query, self.query), self.score)
        return product(query.unsqueeze(1), keys).squeeze(1)
