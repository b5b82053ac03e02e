"""Texts as a custom recognizer reads them: words, what they look like, and what the encoder says of them.

Of the encoder each word has the probabilities of the heads for words (to these a name, a place or a number
looks the same in texts of any kind) and its states, of which the main directions in the training texts are
kept. In languages other than English, of which the encoder has learned nothing, words only look.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy

from ..calibration import softmax
from ..syntax.states import States, of_tokens
from ..text.sentences import parts, sentences
from .attributes import attributes
from .words import words

HEADS = ("entities", "pii")
"""The encoder's heads for words."""
OUTPUTS = ("states.2", "states.4", "states.6")
"""The outputs of the encoder that hold states."""
DIRECTIONS = 50
"""Directions of states that are kept."""
SAMPLE = 20_000
"""Words that directions are found from."""
PART = 10_000
"""Characters that the encoder reads together: a token's states take kilobytes."""
LONGEST = 500
"""Words that are read in one sequence: of a longer text whole sentences, as many as fit."""
Places = list[tuple[int, int]]


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

    words: Places
    attributes: list[list[str]]
    """Of each word, by name."""
    numbers: numpy.ndarray
    """float32 [words, numbers]: what the encoder says of each word."""
    bounds: Places
    """First word, and the one after the last, of each sequence."""


@dataclass(frozen=True)
class Directions:
    """The states' main directions: numbers are `(states - mean) @ axes`."""

    mean: numpy.ndarray
    """float32 [width]."""
    axes: numpy.ndarray
    """float32 [width, directions]."""


class Reader:
    """Reads texts for a chain."""

    def __init__(self, encoder: Encoder | None, directions: Directions | None) -> None:
        """`encoder` and `directions` are None for languages that the encoder does not know."""
        self._encoder = encoder
        self._directions = directions
        self.numbers = 0
        """How many numbers each word has."""
        if encoder is not None and directions is not None:
            self.numbers = sum(_sizes(encoder)) + directions.axes.shape[1]

    def read(self, texts: Iterable[str]) -> Iterator[Sequences]:
        """Each text as the chain reads it; nothing in it depends on another one."""
        for text in texts:
            places = words(text)
            numbers = self._numbers(text, places)
            yield Sequences(places, attributes(text, places), numbers, bounds(text, places))

    def _numbers(self, text: str, places: Places) -> numpy.ndarray:
        if self._encoder is None or self._directions is None or not places:
            return numpy.zeros((len(places), self.numbers), numpy.float32)
        size, rows = sum(_sizes(self._encoder)), []
        for told in _of_words(self._encoder, text, places):
            states = (told[:, size:] - self._directions.mean) @ self._directions.axes
            rows.append(numpy.concatenate((told[:, :size], states), 1))
        return numpy.concatenate(rows)


def directions(texts: Iterable[str], encoder: Encoder) -> Directions:
    """The main directions of the states of the texts' words (principal components), of which each is
    scaled so that its variance is what its standard deviation was."""
    size, held, count = sum(_sizes(encoder)), [], 0
    for told in (part for text in texts for part in _of_words(encoder, text, words(text))):
        held.append(told[:, size:])
        count += len(told)
        if count >= SAMPLE:
            break
    states = numpy.concatenate(held).astype(numpy.float64)
    mean = states.mean(0)
    states -= mean
    variance, axes = numpy.linalg.eigh(states.T @ states / len(states))
    chosen = numpy.argsort(-variance, kind="stable")[:DIRECTIONS]
    scale = numpy.maximum(variance[chosen], 1e-6) ** -0.25
    return Directions(mean.astype(numpy.float32), (axes[:, chosen] * scale).astype(numpy.float32))


def _of_words(encoder: Encoder, text: str, places: Places) -> Iterator[numpy.ndarray]:
    """What the encoder says of the text's words, a part of the text at a time, so that not all is held.

    A word belongs to the part where it begins: of one without a space, longer than a part, the rest is not
    read.
    """
    first = 0
    for begin, end in parts(text, PART):
        last = bisect_left(places, (end,), first)
        if last > first:
            inside = [(at - begin, min(until, end) - begin) for at, until in places[first:last]]
            yield _of_part(encoder, text[begin:end], inside)
        first = last


def _of_part(encoder: Encoder, text: str, places: Places) -> numpy.ndarray:
    """[words, ..]: the probabilities of the heads' classes, then states; of a word of several tokens their
    means, of one without tokens 0."""
    sizes = _sizes(encoder)
    (told,) = encoder.of_tokens([text], (*HEADS, *OUTPUTS))
    if not len(told.values):
        width = sum(len(each) for each in encoder.of_tokens(["a"], OUTPUTS)[0].values[:1])
        return numpy.zeros((len(places), sum(sizes) + width), numpy.float32)
    *logits, states = numpy.split(told.values, numpy.cumsum(sizes), 1)
    values = numpy.concatenate([*(softmax(each) for each in logits), states], 1)
    return of_tokens(
        States(told.begins, told.ends, values.astype(numpy.float32)), places, values.shape[1]
    )


def _sizes(encoder: Encoder) -> list[int]:
    return [len(encoder.heads[name].classes) for name in HEADS]


def bounds(text: str, places: Places) -> Places:
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
