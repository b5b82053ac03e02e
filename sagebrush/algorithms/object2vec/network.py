"""Object2Vec's network: two encoders, the comparator, a multilayer perceptron and the output layer.

Source: Amazon SageMaker AI Developer Guide, How Object2Vec Works, and Object2Vec Hyperparameters. What
the guide leaves open is that of InferSent (Conneau et al. 2017, arXiv 1705.02364), which AWS's notebook
compares itself with and whose sizes are AWS's defaults: `hcnn` is its hierarchical ConvNet, `bilstm` its
BiLSTM with max pooling.
"""

# pyright: reportMissingImports=false
# (the packages are those of the pytorch environment)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from .parameters import Encoder, Parameters

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "linear": nn.Identity}


class Ragged(NamedTuple):
    """Sequences of token ids, one behind the other: `lengths[i]` ids belong to sequence i."""

    ids: torch.Tensor
    """int64, all ids."""
    lengths: torch.Tensor
    """int64, one per sequence; each at least 1. On the CPU."""

    def padded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(ids, mask), both (sequences, longest). Padding is told by the mask alone: id 0 is a token."""
        lengths = self.lengths.to(self.ids.device)
        places = torch.arange(int(self.lengths.max()), device=self.ids.device)
        mask = places[None, :] < lengths[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.int64, device=self.ids.device)
        ids[mask] = self.ids
        return ids, mask


class Pooled(nn.Module):
    """The mean of the embeddings of a sequence's tokens (`pooled_embedding`)."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.table = table
        self.dim = table.embedding_dim

    def forward(self, sequences: Ragged) -> torch.Tensor:
        lengths = sequences.lengths.to(sequences.ids.device)
        return functional.embedding_bag(
            sequences.ids,
            self.table.weight,
            lengths.cumsum(0) - lengths,
            mode="mean",
            sparse=self.table.sparse,
        )


class HierarchicalCnn(nn.Module):
    """Layers of convolutions; the largest value of each filter of each layer, side by side (`hcnn`)."""

    def __init__(self, table: nn.Embedding, dim: int, layers: int, width: int) -> None:
        super().__init__()
        self.table = table
        self.dim = dim
        self.around = ((width - 1) // 2, width // 2)
        sizes = shares(dim, layers)
        inputs = [table.embedding_dim, *sizes[:-1]]
        self.layers = nn.ModuleList(
            nn.Conv1d(given, size, width) for given, size in zip(inputs, sizes)
        )
        for layer in self.layers:
            # So that values neither fade nor grow from layer to layer behind a ReLU (He et al. 2015).
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, sequences: Ragged) -> torch.Tensor:
        ids, mask = sequences.padded()
        keep = mask[:, None, :].to(self.table.weight.dtype)
        values = self.table(ids).transpose(1, 2) * keep
        levels = []
        for layer in self.layers:
            # What lies behind a sequence's end is 0 in every layer: the padding changes nothing, and
            # as no value is below 0, it is not the largest either.
            values = functional.relu(layer(functional.pad(values, self.around))) * keep
            levels.append(values.amax(2))
        return torch.cat(levels, 1)


class BiLstm(nn.Module):
    """A bidirectional LSTM; the largest value of each unit over the sequence (`bilstm`)."""

    def __init__(self, table: nn.Embedding, dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.table = table
        self.dim = dim
        self.lstm = nn.LSTM(
            *(table.embedding_dim, (dim + 1) // 2, layers),
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, sequences: Ragged) -> torch.Tensor:
        ids, mask = sequences.padded()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.table(ids), sequences.lengths, batch_first=True, enforce_sorted=False
        )
        values, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return values.masked_fill(~mask[:, :, None], -torch.inf).amax(1)[:, : self.dim]


class Projected(nn.Module):
    """An encoder whose encodings are brought to another size."""

    def __init__(self, encoder: nn.Module, dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dim = dim
        self.projection = nn.Linear(int(encoder.dim), dim)  # pyright: ignore[reportArgumentType]

    def forward(self, sequences: Ragged) -> torch.Tensor:
        return self.projection(self.encoder(sequences))


class Network(nn.Module):
    """The whole: scores of pairs, and the encodings of single objects."""

    def __init__(self, wanted: Parameters, one_table: bool = False) -> None:
        """`one_table`: both encoders read the same token embeddings, because they are tied, or frozen
        ones of the same file."""
        super().__init__()
        sparse = wanted.token_embedding_storage_type == "row_sparse"
        tables = [_table(each, sparse) for each in wanted.encoders[: 1 if one_table else 2]]
        encoders: list[Any] = [
            _encoder(each, table, wanted)
            for each, table in zip(wanted.encoders, tables * 2 if one_table else tables)
        ]
        self.dim = encoding_size(wanted)
        self.encoders = nn.ModuleList(
            each if each.dim == self.dim else Projected(each, self.dim) for each in encoders
        )
        self.comparators = wanted.comparators
        self.dropout = nn.Dropout(wanted.dropout)
        size = sum(2 if name == "concat" else 1 for name in self.comparators) * self.dim
        layers: list[nn.Module] = []
        for _ in range(wanted.mlp_layers):
            layers += [
                nn.Linear(size, wanted.mlp_dim),
                ACTIVATIONS[wanted.mlp_activation](),
                nn.Dropout(wanted.dropout),
            ]
            size = wanted.mlp_dim
        self.mlp = nn.Sequential(*layers)
        self.output = nn.Linear(size, wanted.outputs)

    def encode(self, which: int, sequences: Ragged) -> torch.Tensor:
        """(sequences, dim): the encodings by encoder 0 or 1."""
        return self.encoders[which](sequences)

    def forward(self, in0: Ragged, in1: Ragged) -> torch.Tensor:
        """(pairs, outputs): logits of the classes, or the score of a regression."""
        return self.compare(self.encode(0, in0), self.encode(1, in1))

    def compare(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """As `forward`, of encodings."""
        parts: list[torch.Tensor] = []
        for name in self.comparators:
            if name == "hadamard":
                parts.append(left * right)
            elif name == "abs_diff":
                parts.append((left - right).abs())
            else:
                parts += [left, right]
        # Not on the encodings: their difference would be that of what was dropped.
        return self.output(self.mlp(self.dropout(torch.cat(parts, 1))))

    def tables(self) -> list[nn.Embedding]:
        """The tables of token embeddings, one or two."""
        return [each for each in self.modules() if isinstance(each, nn.Embedding)]


def shares(total: int, parts: int) -> Sequence[int]:
    """`parts` whole numbers, as equal as they can be, whose sum is `total`."""
    return [total // parts + (number < total % parts) for number in range(parts)]


def encoding_size(wanted: Parameters) -> int:
    """The size of an object's encoding: the token embeddings' where both encoders only pool those of
    the same size, else `enc_dim`."""
    own = {each.token_embedding_dim for each in wanted.encoders}
    pooled = all(each.network == "pooled_embedding" for each in wanted.encoders)
    return own.pop() if pooled and len(own) == 1 else wanted.enc_dim


def _table(encoder: Encoder, sparse: bool) -> nn.Embedding:
    # Not by nn.Embedding(): its normal_ takes a second of imports where a network is only described.
    weight = torch.empty(encoder.vocab_size, encoder.token_embedding_dim)
    table = nn.Embedding.from_pretrained(weight, freeze=False, sparse=sparse)
    nn.init.uniform_(table.weight, -0.1, 0.1)
    return table


def _encoder(encoder: Encoder, table: nn.Embedding, wanted: Parameters) -> nn.Module:
    if encoder.network == "pooled_embedding":
        return Pooled(table)
    if encoder.network == "hcnn":
        return HierarchicalCnn(table, wanted.enc_dim, encoder.layers, encoder.cnn_filter_width)
    return BiLstm(table, wanted.enc_dim, encoder.layers, wanted.dropout)
