"""Recurrent cells step by step, with the weights of PyTorch's LSTMCell and GRUCell and their results.

What a batch's steps share is done once: the products with inputs that are known beforehand, and the
gradients of the weights (see `stepwise`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from .stepwise import Shared, product, shared


@dataclass(frozen=True)
class Cell:
    """An LSTMCell or a GRUCell over one batch."""

    module: nn.Module
    inputs: Shared
    states: Shared
    known: Sequence[Tensor] | None
    """For each step the gates of the inputs that were known; the others are given to `step`."""

    def step(self, inputs: Tensor, at: int, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The state after the step `at`: (hidden, memory) of an LSTM, (hidden,) of a GRU."""
        module: Any = self.module
        count = len(inputs)
        gates = module.bias_ih.expand(count, -1) if self.known is None else self.known[at]
        gates = product(inputs, self.inputs, gates)
        if isinstance(module, nn.LSTMCell):
            hidden, memory = state
            gates = product(hidden, self.states, gates) + module.bias_hh
            entry, forget, new, out = gates.chunk(4, 1)
            memory = torch.sigmoid(forget) * memory + torch.sigmoid(entry) * torch.tanh(new)
            return torch.sigmoid(out) * torch.tanh(memory), memory
        (hidden,) = state
        own = product(hidden, self.states, module.bias_hh.expand(count, -1))
        units = hidden.shape[1]
        reset, update = torch.sigmoid(gates[:, : 2 * units] + own[:, : 2 * units]).chunk(2, 1)
        new = torch.tanh(gates[:, 2 * units :] + reset * own[:, 2 * units :])
        return (torch.lerp(new, hidden, update),)


def over(module: nn.Module, known: Tensor | None = None) -> Cell:
    """The cell over a batch whose first inputs `known` (sequences, length, …) are there for all
    steps."""
    cell: Any = module
    weight, states = cell.weight_ih, shared(cell.weight_hh.t())
    if known is None:
        return Cell(module, shared(weight.t()), states, None)
    width = known.shape[2]
    gates = nn.functional.linear(known.transpose(0, 1), weight[:, :width], cell.bias_ih)
    return Cell(module, shared(weight[:, width:].contiguous().t()), states, gates.unbind(0))
