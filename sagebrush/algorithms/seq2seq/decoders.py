"""The decoders: from the tokens so far and the encoder's outputs to what the next token follows from.

Sources: Luong et al. 2015 (input feeding), Wu et al. 2016 (attention in upper layers), Gehring et al.
2017 (cnn), in the layout of Sockeye 1 (Hieber et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from . import recurrence
from .attention import Attention, Look, Memory
from .encoders import Convolution, Positioned
from .recurrence import Cell
from .stepwise import Shared, product, shared

State = tuple[Tensor, ...]
"""What a decoder keeps from token to token; the first dimension is that of the sequences."""


class Recurrent(nn.Module):
    """`decoder_type=rnn`: each step reads the last token and the last hidden state, which joined the
    recurrent output and its context."""

    def __init__(self, settings: Mapping[str, Any], outputs: int) -> None:
        super().__init__()
        units, embedded = settings["rnn_num_hidden"], settings["num_embed_target"]
        count = settings["num_layers_decoder"]
        self.units, self.from_encoder = units, settings["rnn_decoder_state_init"]
        self.residual_from = (
            settings["rnn_first_residual_layer"] if settings["rnn_residual_connections"] else 0
        )
        self.upper_attention = count > 1 and settings["rnn_attention_in_upper_layers"]
        self.memory_cell = settings["rnn_cell_type"] == "lstm"
        cell = nn.LSTMCell if self.memory_cell else nn.GRUCell
        wide = units + (outputs if self.upper_attention else 0)
        self.cells = nn.ModuleList(
            cell(embedded + units if number == 0 else wide, units) for number in range(count)
        )
        states = count * (2 if self.memory_cell else 1)
        self.begin = nn.ModuleList(
            nn.Linear(outputs, units) for _ in range(0 if self.from_encoder == "zero" else states)
        )
        self.attention = Attention(
            settings["rnn_attention_type"], units, outputs, settings["rnn_attention_num_hidden"]
        )
        self.join = nn.Linear(units + outputs, units)
        self.dropout = nn.Dropout(settings["rnn_decoder_hidden_dropout"])

    def start(self, memory: Memory, last: Tensor) -> State:
        """The state before the first token; `last` is the encoder's at the sequences' ends."""
        zeros = memory.outputs.new_zeros(len(last), self.units)
        if self.from_encoder == "avg":
            mask = memory.mask.unsqueeze(2).to(memory.outputs.dtype)
            last = (memory.outputs * mask).sum(1) / mask.sum(1)
        if self.from_encoder == "zero":
            count = len(self.cells) * (2 if self.memory_cell else 1)
            return (zeros, *[zeros] * count)
        return (zeros, *(torch.tanh(each(last)) for each in self.begin))

    def step(self, memory: Memory, embedded: Tensor, state: State) -> tuple[Tensor, State, Tensor]:
        """(hidden, the state after it, weights) for one token a sequence."""
        return self._pass(memory).step(torch.cat((embedded, state[0]), 1), 0, state)

    def forward(self, memory: Memory, last: Tensor, embedded: Tensor) -> Tensor:
        """(sequences, length, units): the hidden states of a whole target."""
        state = self.start(memory, last)
        over = self._pass(memory, embedded)
        found = []
        for at in range(embedded.shape[1]):
            hidden, state, _ = over.step(state[0], at, state)
            found.append(hidden)
        return self.dropout(torch.stack(found, 1))

    def _pass(self, memory: Memory, known: Tensor | None = None) -> Pass:
        """The decoder over one batch; `known` are the first inputs of all its steps."""
        lowest, *upper = self.cells
        cells = (recurrence.over(lowest, known), *(recurrence.over(each) for each in upper))
        return Pass(self, cells, self.attention.over(memory), shared(self.join.weight.t()))


@dataclass(frozen=True)
class Pass:
    """A recurrent decoder over one batch, its matrices at hand."""

    decoder: Recurrent
    cells: Sequence[Cell]
    attention: Look
    join: Shared

    def step(self, inputs: Tensor, at: int, state: State) -> tuple[Tensor, State, Tensor]:
        """(hidden, the state after it, weights) of the step `at`."""
        upper, residual_from = self.decoder.upper_attention, self.decoder.residual_from
        _, *held = state
        size = len(held) // len(self.cells)
        kept: list[Tensor] = []
        values, context, weights = inputs, None, None
        for number, cell in enumerate(self.cells):
            read = values if context is None else torch.cat((values, context), 1)
            after = cell.step(read, at, held[size * number : size * (number + 1)])
            kept += after
            raised = number and 0 < residual_from <= number + 1
            values = after[0] + values if raised else after[0]
            if upper and number == 0:
                context, weights = self.attention(values)
        if context is None or weights is None:
            context, weights = self.attention(values)
        joined = torch.cat((values, context), 1)
        bias = self.decoder.join.bias.expand(len(joined), -1)
        hidden = torch.tanh(product(joined, self.join, bias))
        return hidden, (hidden, *kept), weights


class Convolutional(nn.Module):
    """`decoder_type=cnn`: each layer looks at the tokens so far, then at the encoder's outputs."""

    def __init__(self, settings: Mapping[str, Any], outputs: int) -> None:
        super().__init__()
        self.units = settings["cnn_num_hidden"]
        self.width = settings["cnn_kernel_width_decoder"]
        self.begin = Positioned(
            settings["num_embed_target"],
            settings["max_seq_len_target"] + 1,
            self.units,
            settings["cnn_hidden_dropout"],
        )
        self.dropout = nn.Dropout(settings["cnn_hidden_dropout"])
        self.layers = nn.ModuleList(
            Convolution(self.units, self.width, settings["cnn_activation_type"], causal=True)
            for _ in range(settings["num_layers_decoder"])
        )
        self.attention = Attention("dot", self.units, outputs, 0)

    def start(self, memory: Memory, last: Tensor) -> State:
        """The state before the first token: its position, and what each layer saw."""
        count = len(last)
        nothing = memory.outputs.new_zeros(count, self.width - 1, self.units)
        return (memory.mask.new_zeros(count, dtype=torch.int64), *[nothing] * len(self.layers))

    def step(self, memory: Memory, embedded: Tensor, state: State) -> tuple[Tensor, State, Tensor]:
        """(hidden, the state after it, weights) for one token a sequence."""
        position, *seen = state
        values = self.begin(embedded.unsqueeze(1), int(position[0]))
        weights = memory.mask.to(values.dtype)
        kept = []
        for number, each in enumerate(self.layers):
            window = torch.cat((seen[number], self.dropout(values)), 1)
            kept.append(window[:, 1:])
            values, weights = self._attended(values, each.within(window), memory)
        return values.squeeze(1), (position + 1, *kept), weights.squeeze(1)

    def _attended(self, below: Tensor, values: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(the layer's output, weights): its values, their context and what is below it."""
        scores = torch.bmm(values, memory.keys.transpose(1, 2)) / math.sqrt(self.units)
        weights = scores.masked_fill(~memory.mask.unsqueeze(1), -math.inf).softmax(2)
        context = torch.bmm(weights, memory.keys)
        return (below + (values + context) * math.sqrt(0.5)) * math.sqrt(0.5), weights

    def forward(self, memory: Memory, last: Tensor, embedded: Tensor) -> Tensor:
        """(sequences, length, units): the hidden states of a whole target."""
        del last
        values = self.begin(embedded)
        for each in self.layers:
            values, _ = self._attended(values, each(self.dropout(values)), memory)
        return values
