"""What a custom classifier sees of a text: what the shared encoder makes of it, and its n-grams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from ..encoder import Encoder
from . import ngrams
from .ngrams import Rows

LAYERS = (2, 4, 6)
"""Of the encoder: the early ones know the words, the late ones what its analyses are about."""
HEADS = ("sentiment", "toxicity")
LOGIT = 0.05
"""What a logit is multiplied by, so that it is of the size of a normalised state's values."""
READ = 4_000
"""Characters of a text that the encoder reads: some windows. The n-grams are of more."""


def states(encoder: Encoder, texts: Sequence[str]) -> numpy.ndarray:
    """[texts, features]: the encoder's states, each part of length 1, and the logits of its heads."""
    found = encoder.summaries([text[:READ] for text in texts], LAYERS, HEADS)
    if not found.size:  # no text has a token
        return numpy.zeros((len(texts), width(encoder)), numpy.float32)
    logits = sum(len(encoder.heads[head].classes) for head in HEADS)
    parts = numpy.split(found[:, :-logits], len(LAYERS) + 1, 1)
    lengths = [numpy.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    normal = [
        part / numpy.maximum(length, 1e-6) for part, length in zip(parts, lengths, strict=True)
    ]
    return numpy.concatenate([*normal, LOGIT * found[:, -logits:]], 1)


def width(encoder: Encoder) -> int:
    """How many features `states` has."""
    logits = sum(len(encoder.heads[head].classes) for head in HEADS)
    return (len(LAYERS) + 1) * encoder.width + logits


def grams(texts: Sequence[str], rarity: numpy.ndarray) -> Rows:
    """The n-grams of each text, weighed by the rarity of each bucket."""
    return ngrams.weighed(ngrams.counted(texts, len(rarity).bit_length() - 2), rarity)
