"""The whole network: embeddings, encoder, decoder, and the logits of the next token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from . import decoders, encoders
from .attention import Memory


class Network(nn.Module):
    """An encoder-decoder network of two vocabularies of these sizes."""

    def __init__(self, settings: Mapping[str, Any], source_words: int, target_words: int) -> None:
        super().__init__()
        self.source = nn.Embedding(source_words, settings["num_embed_source"], padding_idx=0)
        self.target = nn.Embedding(target_words, settings["num_embed_target"], padding_idx=0)
        self.source_dropout = nn.Dropout(settings["embed_dropout_source"])
        self.target_dropout = nn.Dropout(settings["embed_dropout_target"])
        recurrent = settings["encoder_type"] == "rnn"
        self.encoder = (encoders.Recurrent if recurrent else encoders.Convolutional)(settings)
        recurrent = settings["decoder_type"] == "rnn"
        decoder = decoders.Recurrent if recurrent else decoders.Convolutional
        self.decoder = decoder(settings, self.encoder.units)
        self.logits = nn.Linear(self.decoder.units, target_words)
        initialize(self, settings)

    def encode(self, sources: Tensor, lengths: Tensor) -> tuple[Memory, Tensor]:
        """What the decoder needs of these sources: all outputs, and those of their ends."""
        outputs = self.encoder(self.source_dropout(self.source(sources)), lengths)
        mask = torch.arange(sources.shape[1], device=sources.device) < lengths.unsqueeze(1)
        memory = Memory(outputs, mask, self.decoder.attention.keys(outputs))
        return memory, self.encoder.last(outputs, lengths)

    def forward(self, sources: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """The logits (sequences, target's length, words) of the token after each of `inputs`."""
        return self.logits(self.hidden(sources, lengths, inputs))

    def hidden(self, sources: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """(sequences, target's length, units): what `logits` makes the next tokens' scores of."""
        memory, last = self.encode(sources, lengths)
        return self.decoder(memory, last, self.embedded(inputs))

    def embedded(self, tokens: Tensor) -> Tensor:
        """Target tokens as the decoder reads them."""
        return self.target_dropout(self.target(tokens))


def initialize(network: nn.Module, settings: Mapping[str, Any]) -> None:
    """All weights are drawn as `weight_init_type` says, biases are zeros.

    xavier: uniform within sqrt(`weight_init_scale` / factor), the factor a matrix' inputs, outputs or
    their mean (MXNet's Xavier); uniform: within `weight_init_scale`.
    """
    scale = settings["weight_init_scale"]
    for name, values in network.named_parameters():
        if values.dim() < 2:
            nn.init.zeros_(values)
            continue
        if settings["weight_init_type"] == "uniform":
            bound = abs(scale)
        else:
            outputs, inputs = values.shape[0], values[0].numel()
            factor = {"in": inputs, "out": outputs, "avg": (inputs + outputs) / 2}
            bound = math.sqrt(abs(scale) / factor[settings["xavier_factor_type"]])
        nn.init.uniform_(values, -bound, bound)
        if name in ("source.weight", "target.weight"):
            with torch.no_grad():
                values[0] = 0
