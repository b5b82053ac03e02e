"""The model of languages: a sparse table of hashed n-grams, read by numpy alone.

A row of the table (a bucket of the hash) holds, for each language in which its n-grams were seen, how
much they speak for it, beyond what an unseen n-gram says of that language. That is naive Bayes' sum of
logarithms with nothing stored for what was never seen; training then moves the numbers so that they
tell languages apart (`training/language.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy

from .letters import SPACE, Letters
from .ngrams import ngrams

FILE = "language.npz"


@dataclass(frozen=True)
class LanguageModel:
    """The table and what turns its sums into chances.

    `languages`: names of the classes. `widths` [2**bits]: how many entries a bucket has. `owners`,
    `weights`: class and weight (in units of `step`) of each entry, bucket by bucket. `unseen`, `bias`:
    what each known n-gram, and each text, adds to a class. `scale`: (a, b) of the chances,
    softmax(sums · a / n**b + prior) for n known n-grams. `prior`: see there. `kinds`: run lengths and values of
    `letters.kinds_of_unicode`. `blocks`: the blocks of 128 code points that training knew.
    `traditional`, `simplified`: Chinese characters of one form alone.
    """

    languages: numpy.ndarray
    widths: numpy.ndarray
    owners: numpy.ndarray
    weights: numpy.ndarray
    step: numpy.ndarray
    unseen: numpy.ndarray
    bias: numpy.ndarray
    scale: numpy.ndarray
    prior: numpy.ndarray
    kinds: numpy.ndarray
    blocks: numpy.ndarray
    traditional: numpy.ndarray
    simplified: numpy.ndarray

    def save(self, file: Path) -> None:
        """The file holds the model."""
        with file.open("wb") as opened:
            numpy.savez_compressed(
                opened, **{each.name: getattr(self, each.name) for each in fields(self)}
            )


def load(file: Path) -> LanguageModel:
    """The model of a file. Raises FileNotFoundError."""
    with numpy.load(file, allow_pickle=False) as kept:
        return LanguageModel(**{each.name: kept[each.name] for each in fields(LanguageModel)})


def runs_of(values: numpy.ndarray) -> numpy.ndarray:
    """[2, runs]: the length and the value of each run of equal values."""
    begins = numpy.flatnonzero(numpy.concatenate(([True], values[1:] != values[:-1])))
    lengths = numpy.diff(numpy.concatenate((begins, [len(values)])))
    return numpy.stack((lengths, values[begins])).astype(numpy.int32)


class Scorer:
    """A model made ready: sums and chances of pieces of texts."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.kinds = numpy.repeat(model.kinds[1], model.kinds[0]).astype(numpy.uint8)
        self._bits = len(model.widths).bit_length() - 1
        ends = numpy.cumsum(model.widths, dtype=numpy.int64)
        self._starts = (ends - model.widths).astype(numpy.int32)
        self._owners = model.owners.astype(numpy.int64)
        self._weights = model.weights.astype(numpy.float32) * model.step
        self._known = numpy.zeros((0x110000 >> 7) + 1, bool)
        self._known[model.blocks] = True

    def sums(
        self, texts: Sequence[Letters], pieces: Sequence[numpy.ndarray], count: int
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        """([count, languages], [count]): the sums of pieces, and how many known n-grams each has.

        `pieces`: for each letter of each text, the piece (0 to count - 1) that it belongs to.
        """
        codes = numpy.concatenate([each.codes for each in texts])
        codes = numpy.where(self._known[codes >> 7], codes, numpy.uint32(SPACE))
        place, hashed = ngrams(codes, self._bits)
        widths = self.model.widths[hashed]
        known = widths > 0
        place, hashed, widths = place[known], hashed[known], widths[known].astype(numpy.int64)
        piece = numpy.concatenate(pieces)[place]
        languages = len(self.model.languages)
        entries = numpy.arange(widths.sum()) + numpy.repeat(
            self._starts[hashed] - (numpy.cumsum(widths) - widths), widths
        )
        cells = numpy.repeat(piece * languages, widths) + self._owners[entries]
        sums = numpy.bincount(cells, self._weights[entries], count * languages)
        found = numpy.bincount(piece, minlength=count)
        told = sums.reshape(count, languages) + found[:, None] * self.model.unseen + self.model.bias
        return told, found

    def chances(self, sums: numpy.ndarray, found: numpy.ndarray) -> numpy.ndarray:
        """[pieces, languages]: how likely each language is; 0 throughout where nothing was known."""
        return chances(sums, found, self.model.scale, self.model.prior)


def chances(
    sums: numpy.ndarray,
    found: numpy.ndarray,
    scale: numpy.ndarray,
    prior: float | numpy.ndarray = 0.0,
) -> numpy.ndarray:
    """[pieces, languages]: softmax(sums · a / n**b + prior), `scale` = (a, b), n = `found`; 0 for n = 0."""
    logits = sums * (scale[0] / numpy.maximum(found, 1) ** scale[1])[:, None] + prior
    raised = numpy.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True) * (found > 0)[:, None]
