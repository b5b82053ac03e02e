"""A custom entity recognizer: words of texts by a linear chain, over what they look like and what the
shared encoder says of them.

    recognizer.load(folder, settings, encoder).answer(["Diego Ramirez is an engineer."])

In English each word also has the probabilities of the encoder's heads for words: to these a name, a place
or a number looks the same in texts of any kind. In other languages, of which the encoder has learned
nothing, there is only what the words look like.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy

from .. import answers
from ..calibration import softmax
from ..confidence import Confidence
from ..spans import Span
from ..syntax.states import States, of_tokens
from ..text.sentences import sentences
from .attributes import attributes
from .chain import Chain
from .words import words

KIND = "entity-recognizer"
ARRAYS = "recognizer.npz"
ENGLISH = "en"
HEADS = ("entities", "pii")
"""The encoder's heads for words that are read."""
LONGEST = 500
"""Words that are read in one sequence: of a longer text whole sentences, as many as fit."""


class Encoder(Protocol):
    """The shared encoder (`nlp.encoder`)."""

    @property
    def heads(self) -> Mapping[str, Any]:
        """Its heads, with their classes."""
        ...

    def of_tokens(self, texts: Sequence[str], names: Sequence[str]) -> list[States]:
        """What these outputs say of the tokens of each text, side by side."""
        ...


@dataclass(frozen=True)
class Sequences:
    """A text as the chain reads it."""

    words: list[tuple[int, int]]
    attributes: list[list[str]]
    """Of each word, by name."""
    numbers: numpy.ndarray
    """float32 [words, numbers]: what the encoder says of each word."""
    bounds: list[tuple[int, int]]
    """First word, and the one after the last, of each sequence."""


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

    def __init__(self, weights: Weights, encoder: Encoder | None, confidence: Confidence) -> None:
        """`encoder` is None for languages that it does not know."""
        self._weights = weights
        self._encoder = encoder
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
        return [self.found(each) for each in read(texts, self._encoder)]

    def found(self, text: Sequences) -> list[Span]:
        """The same of a text that was read already."""
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
    reader = encoder if settings["LanguageCode"] == ENGLISH else None
    return Recognizer(weights, reader, Confidence(**settings["Confidence"]))


def stored(weights: Weights) -> bytes:
    """The content of ARRAYS."""
    held = io.BytesIO()
    names = "\n".join(weights.attributes).encode("utf-8", "surrogatepass")
    numpy.savez_compressed(
        held,
        names=numpy.frombuffer(names, numpy.uint8),
        surface=weights.surface,
        numbers=weights.numbers,
        transitions=weights.transitions,
    )
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


def read(texts: Sequence[str], encoder: Encoder | None) -> Iterator[Sequences]:
    """Each text as the chain reads it."""
    for text in texts:
        places = words(text)
        yield Sequences(
            places, attributes(text, places), _numbers(text, places, encoder), _bounds(text, places)
        )


def _numbers(
    text: str, places: Sequence[tuple[int, int]], encoder: Encoder | None
) -> numpy.ndarray:
    """The probabilities of the heads' classes; of a word of several tokens their means."""
    if encoder is None:
        return numpy.zeros((len(places), 0), numpy.float32)
    sizes = [len(encoder.heads[name].classes) for name in HEADS]
    (states,) = encoder.of_tokens([text], HEADS)
    if len(states.values):
        parts = numpy.split(states.values, numpy.cumsum(sizes)[:-1], 1)
        chances = numpy.concatenate([softmax(each) for each in parts], 1).astype(numpy.float32)
        states = States(states.begins, states.ends, chances)
    return of_tokens(states, places, sum(sizes))


def _bounds(text: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sequences of a text: all of it, or as many whole sentences as have LONGEST words; a sentence
    that is longer is cut."""
    if len(places) <= LONGEST:
        return [(0, len(places))] if places else []
    begins = [begin for begin, _ in places]
    ends = numpy.searchsorted(begins, [end for _, end in sentences(text)]).tolist()
    told, first, last = [], 0, 0
    for end in [*ends, len(places)]:
        if end - first > LONGEST and last > first:
            told.append((first, last))
            first = last
        while end - first > LONGEST:
            told.append((first, first + LONGEST))
            first += LONGEST
        last = max(end, first)
    return [*told, (first, last)] if last > first else told
