"""The encoders: from embedded source tokens to one output a token.

Sources: Bahdanau et al. 2015 (rnn), Gehring et al. 2017 (cnn), in the layout of Sockeye 1 (Hieber et
al. 2017): the rnn's first layer reads in both directions with half of the units each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]


def reversed_within(values: Tensor, lengths: Tensor) -> Tensor:
    """`values` (sequences, length, …) with each sequence's own tokens in reverse, padding behind."""
    positions = torch.arange(values.shape[1], device=values.device).expand(values.shape[:2])
    ends = lengths.unsqueeze(1)
    order = torch.where(positions < ends, ends - 1 - positions, positions)
    return values.gather(1, order.unsqueeze(2).expand(-1, -1, values.shape[2]))


def layer(kind: str, inputs: int, units: int) -> nn.Module:
    """One recurrent layer, batch first."""
    return (nn.LSTM if kind == "lstm" else nn.GRU)(inputs, units, batch_first=True)


class Recurrent(nn.Module):
    """`encoder_type=rnn`."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.units = settings["rnn_num_hidden"]
        kind = settings["rnn_cell_type"]
        self.residual_from = (
            settings["rnn_first_residual_layer"] if settings["rnn_residual_connections"] else 0
        )
        embedded = settings["num_embed_source"]
        self.forwards = layer(kind, embedded, self.units // 2)
        self.backwards = layer(kind, embedded, self.units // 2)
        more = settings["num_layers_encoder"] - 1
        self.upper = nn.ModuleList(layer(kind, self.units, self.units) for _ in range(more))

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """(sequences, length, units); what stands at padding has no meaning."""
        ahead = self.forwards(embedded)[0]
        back = self.backwards(reversed_within(embedded, lengths))[0]
        outputs = torch.cat((ahead, reversed_within(back, lengths)), 2)
        for number, upper in enumerate(self.upper, 2):
            higher = upper(outputs)[0]
            outputs = higher + outputs if 0 < self.residual_from <= number else higher
        return outputs

    def last(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """(sequences, units): the end of each sequence, and for the direction that reads backwards
        its beginning, where there is only the first layer."""
        rows = torch.arange(len(outputs), device=outputs.device)
        ends = outputs[rows, lengths - 1]
        if len(self.upper):
            return ends
        half = self.units // 2
        return torch.cat((ends[:, :half], outputs[:, 0, half:]), 1)


class Activation(nn.Module):
    """A `cnn_activation_type`; glu takes twice the channels."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.times = 2 if kind == "glu" else 1

    def forward(self, values: Tensor) -> Tensor:
        """The activated values, channels last."""
        if self.kind == "glu":
            return nn.functional.glu(values, -1)
        if self.kind == "softrelu":
            return nn.functional.softplus(values)
        return {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}[self.kind](values)


class Convolution(nn.Module):
    """One convolutional layer with its activation over (sequences, length, units)."""

    def __init__(self, units: int, width: int, activation: str, causal: bool) -> None:
        super().__init__()
        self.activation = Activation(activation)
        self.around = (width - 1, 0) if causal else ((width - 1) // 2, width // 2)
        self.filter = nn.Conv1d(units, units * self.activation.times, width)

    def forward(self, values: Tensor) -> Tensor:
        """The same shape; causal layers see nothing of what comes later."""
        return self.within(nn.functional.pad(values, (0, 0, *self.around)))

    def within(self, values: Tensor) -> Tensor:
        """The layer over `values` alone, whose length shrinks by the filter's width - 1."""
        return self.activation(self.filter(values.transpose(1, 2)).transpose(1, 2))


class Positioned(nn.Module):
    """Embedded tokens with their positions, as wide as the layers."""

    def __init__(self, embedded: int, longest: int, units: int, dropout: float) -> None:
        super().__init__()
        self.positions = nn.Embedding(longest, embedded)
        self.wide = nn.Linear(embedded, units)
        self.dropout = nn.Dropout(dropout)

    def forward(self, embedded: Tensor, start: int = 0) -> Tensor:
        """(sequences, length, units); the first token's position is `start`."""
        last = self.positions.num_embeddings - 1
        at = torch.arange(start, start + embedded.shape[1], device=embedded.device).clamp(max=last)
        return self.wide(self.dropout(embedded + self.positions(at)))


class Convolutional(nn.Module):
    """`encoder_type=cnn`."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.units = settings["cnn_num_hidden"]
        self.begin = Positioned(
            settings["num_embed_source"],
            settings["max_seq_len_source"],
            self.units,
            settings["cnn_hidden_dropout"],
        )
        self.dropout = nn.Dropout(settings["cnn_hidden_dropout"])
        self.layers = nn.ModuleList(
            Convolution(
                self.units,
                settings["cnn_kernel_width_encoder"],
                settings["cnn_activation_type"],
                causal=False,
            )
            for _ in range(settings["num_layers_encoder"])
        )

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """(sequences, length, units); padding is zeros for every layer."""
        within = torch.arange(embedded.shape[1], device=embedded.device) < lengths.unsqueeze(1)
        mask = within.unsqueeze(2).to(embedded.dtype)
        values = self.begin(embedded) * mask
        for each in self.layers:
            values = (values + each(self.dropout(values))) * mask * math.sqrt(0.5)
        return values

    def last(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """(sequences, units): the output of each sequence's last token."""
        return outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1]
