"""Document classification: a linear model over features of texts, as it answers and as it is kept.

Of one label for each document, a class's score is the probability that it is the document's (softmax).
Of several, a label is used where its probability reaches the label's threshold, which was chosen for the
best F1; the score is that probability on a scale on which every threshold is 0.5.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from ..encoder import Encoder
from . import features
from .ngrams import Rows

ARRAYS = "classifier.npz"
CLASSES = 3
"""Classes in an answer, the likeliest (Amazon Comprehend Developer Guide, "Outputs for asynchronous
analysis jobs")."""
TOGETHER = 64
"""Texts whose features are held at once."""


@dataclass(frozen=True)
class Classifier:
    """scores = states @ `states` + n-grams @ `grams` + `bias`, a column for each label; thresholds and
    temperature are within."""

    labels: tuple[str, ...]
    several: bool
    states: numpy.ndarray
    grams: numpy.ndarray
    bias: numpy.ndarray
    rarity: numpy.ndarray
    """Of each bucket of n-grams."""

    def probabilities(self, states: numpy.ndarray, grams: Rows) -> numpy.ndarray:
        """[texts, labels], in the sense of a score above."""
        found = states @ self.states + self.bias
        for row in range(len(grams)):
            chosen = slice(grams.starts[row], grams.starts[row + 1])
            weights = self.grams[grams.columns[chosen]].astype(numpy.float32)
            found[row] += grams.values[chosen] @ weights
        return probabilities(found, self.several)

    def files(self) -> dict[str, bytes]:
        """Name -> content of what `load` reads, besides the settings."""
        buffer = io.BytesIO()
        numpy.savez(
            buffer,
            states=self.states.astype(numpy.float32),
            grams=self.grams.astype(numpy.float16),
            bias=self.bias.astype(numpy.float32),
            rarity=self.rarity.astype(numpy.float32),
        )
        return {ARRAYS: buffer.getvalue()}


def probabilities(scores: numpy.ndarray, several: bool) -> numpy.ndarray:
    """Softmax of each row, or the logistic function of each score."""
    if several:
        return 1 / (1 + numpy.exp(-numpy.clip(scores, -30, 30)))
    found = numpy.exp(scores - scores.max(1, keepdims=True))
    return found / found.sum(1, keepdims=True)


def chosen(found: numpy.ndarray, several: bool) -> numpy.ndarray:
    """bool [texts, labels]: the labels that each text has by these probabilities. It has the likeliest
    one in any case."""
    best = numpy.zeros(found.shape, bool)
    best[numpy.arange(len(found)), found.argmax(1)] = True
    return (found >= 0.5) | best if several else best


class Answers:
    """A classifier with the encoder whose states it knows."""

    def __init__(self, classifier: Classifier, encoder: Encoder) -> None:
        self._classifier = classifier
        self._encoder = encoder

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """For each text ClassifyDocument's Classes, or its Labels; the likeliest first."""
        told: list[dict[str, Any]] = []
        for start in range(0, len(texts), TOGETHER):
            some = texts[start : start + TOGETHER]
            model = self._classifier
            states = features.states(self._encoder, some)
            found = model.probabilities(states, features.grams(some, model.rarity))
            told += [
                _document(row, used, model)
                for row, used in zip(found, chosen(found, model.several), strict=True)
            ]
        return told


def _document(row: numpy.ndarray, used: numpy.ndarray, model: Classifier) -> dict[str, Any]:
    order = numpy.argsort(-row, kind="stable")
    order = order[used[order]] if model.several else order[:CLASSES]
    items = [{"Name": model.labels[each], "Score": float(row[each])} for each in order]
    return {"Labels" if model.several else "Classes": items}


def load(folder: Path, settings: Mapping[str, Any], encoder: Encoder) -> Answers:
    """The classifier in the folder. Raises FileNotFoundError."""
    with numpy.load(folder / ARRAYS) as arrays:
        classifier = Classifier(
            tuple(settings["Labels"]),
            settings["Mode"] == "MULTI_LABEL",
            *(arrays[name] for name in ("states", "grams", "bias", "rarity")),
        )
    return Answers(classifier, encoder)
