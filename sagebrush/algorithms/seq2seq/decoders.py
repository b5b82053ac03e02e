"""The decoders: from the tokens so far and the encoder's outputs to what the next token follows from.

Sources: Luong et al. 2015 (input feeding), Wu et al. 2016 (attention in upper layers), Gehring et al.
2017 (cnn), in the layout of Sockeye 1 (Hieber et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from .attention import Attention, Memory
from .encoders import Convolution, Positioned

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
        hidden, *held = state
        kept: list[Tensor] = []
        values = torch.cat((embedded, hidden), 1)
        context = weights = None
        for number, cell in enumerate(self.cells):
            if number and self.upper_attention:
                assert context is not None
                inputs = torch.cat((values, context), 1)
            else:
                inputs = values
            output = self._run(cell, number, inputs, held, kept)
            if number and 0 < self.residual_from <= number + 1:
                output = output + values
            values = output
            if self.upper_attention and number == 0:
                context, weights = self.attention(output, memory)
        if context is None or weights is None:
            context, weights = self.attention(values, memory)
        hidden = torch.tanh(self.join(torch.cat((values, context), 1)))
        return self.dropout(hidden), (hidden, *kept), weights

    def _run(
        self,
        cell: nn.Module,
        number: int,
        inputs: Tensor,
        held: Sequence[Tensor],
        kept: list[Tensor],
    ) -> Tensor:
        """The cell's output; its state is added to `kept`."""
        if self.memory_cell:
            output, memory = cell(inputs, (held[2 * number], held[2 * number + 1]))
            kept += [output, memory]
            return output
        output = cell(inputs, held[number])
        kept.append(output)
        return output

    def forward(self, memory: Memory, last: Tensor, embedded: Tensor) -> Tensor:
        """(sequences, length, units): the hidden states of a whole target."""
        state = self.start(memory, last)
        found = []
        for token in embedded.unbind(1):
            hidden, state, _ = self.step(memory, token, state)
            found.append(hidden)
        return torch.stack(found, 1)


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
