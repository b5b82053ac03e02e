"""A custom entity recognizer: words of texts by a linear chain over what `reading` says of them.

recognizer.load(folder, settings, encoder).answer(["Diego Ramirez is an engineer."])
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy

from .. import answers
from ..confidence import Confidence
from ..spans import Span
from .chain import Chain
from .reading import Directions, Encoder, Reader, Sequences

KIND = "entity-recognizer"
ARRAYS = "recognizer.npz"
ENGLISH = "en"


@dataclass(frozen=True)
class Weights:
    """What was learned; tags as in `chain`."""

    types: tuple[str, ...]
    attributes: Mapping[str, int]
    """Name -> row."""
    surface: numpy.ndarray
    """float32 [attributes, tags]."""
    numbers: numpy.ndarray
    """float32 [numbers, tags]."""
    transitions: numpy.ndarray
    """float32 [tags, tags]."""


class Recognizer:
    """A recognizer, loaded; may be used by several threads."""

    def __init__(self, weights: Weights, reader: Reader, confidence: Confidence) -> None:
        self._weights = weights
        self._reader = reader
        self._confidence = confidence
        self._chain = Chain(weights.transitions)

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """DetectEntities' document of each text, entities from left to right."""
        return [
            answers.entities(text, spans)
            for text, spans in zip(texts, self.spans(texts), strict=True)
        ]

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """The entities of each text, from left to right and without overlaps."""
        return [self._found(each) for each in self._reader.read(texts)]

    def _found(self, text: Sequences) -> list[Span]:
        told = []
        scores = self._scores(text)
        for begin, end in text.bounds:
            for first, last, kind, chance in self._chain.spans(scores[begin:end]):
                place = text.words[begin + first][0], text.words[begin + last][1]
                score = self._confidence.score(chance)
                told.append(Span(*place, self._weights.types[kind], score))
        return told

    def _scores(self, text: Sequences) -> numpy.ndarray:
        """[words, tags], before transitions."""
        weights = self._weights
        told = text.numbers @ weights.numbers
        for at, names in enumerate(text.attributes):
            rows = [weights.attributes[name] for name in names if name in weights.attributes]
            told[at] += weights.surface[rows].sum(0)
        return told


def load(folder: Path, settings: Mapping[str, Any], encoder: Encoder) -> Recognizer:
    """The recognizer in a folder, whose `custom.json` says `settings`. Raises FileNotFoundError."""
    with numpy.load(folder / ARRAYS, allow_pickle=False) as arrays:
        names = arrays["names"].tobytes().decode("utf-8", "surrogatepass").split("\n")
        weights = Weights(
            tuple(settings["Types"]),
            {name: row for row, name in enumerate(names)},
            arrays["surface"],
            arrays["numbers"],
            arrays["transitions"],
        )
        directions = None
        if "mean" in arrays:
            directions = Directions(arrays["mean"], arrays["axes"])
    reader = Reader(encoder if directions is not None else None, directions)
    return Recognizer(weights, reader, Confidence(**settings["Confidence"]))


def stored(weights: Weights, directions: Directions | None) -> bytes:
    """The content of ARRAYS."""
    held = io.BytesIO()
    names = "\n".join(weights.attributes).encode("utf-8", "surrogatepass")
    arrays = {
        "names": numpy.frombuffer(names, numpy.uint8),
        "surface": weights.surface,
        "numbers": weights.numbers,
        "transitions": weights.transitions,
    }
    if directions is not None:
        arrays |= {"mean": directions.mean, "axes": directions.axes}
    numpy.savez_compressed(held, **arrays)
    return held.getvalue()


def settings(
    language: str, types: Sequence[str], confidence: Confidence, encoder: str
) -> dict[str, Any]:
    """The content of `custom.json`; `encoder` is the identity of the encoder."""
    return {
        "Kind": KIND,
        "LanguageCode": language,
        "Types": list(types),
        "Confidence": asdict(confidence),
        "Encoder": encoder,
    }
