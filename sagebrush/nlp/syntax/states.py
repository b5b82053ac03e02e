"""What the shared encoder knows of tokens: the states of some of its layers, for each token of syntax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy


@dataclass(frozen=True)
class States:
    """A text's pieces as the encoder cut them: `text[begins[i]:ends[i]]` has the state `values[i]`.

    In order, and of any number of windows; `values` is [pieces, width].
    """

    begins: numpy.ndarray
    ends: numpy.ndarray
    values: numpy.ndarray


class Hidden(Protocol):
    """An encoder that tells the states of its layers."""

    def hidden(self, texts: Sequence[str]) -> list[States]:
        """The states of each text, all chosen layers side by side."""
        ...


OUTPUT = "hidden"
"""The output of the encoder's graph with the states, [texts, tokens, width]."""


class Encoded:
    """The states that the shared encoder's graph tells beside the logits of its heads."""

    def __init__(self, encoder: Any) -> None:
        """`encoder`: the shared encoder (`sagebrush.nlp.encoder.Encoder`)."""
        self._encoder = encoder

    def hidden(self, texts: Sequence[str]) -> list[States]:
        """The states of each text. Raises KeyError where the graph has no output `hidden`."""
        return [of_reading(each) for each in self._encoder.read(texts)]


def of_reading(reading: Any) -> States:
    """The states in what the encoder read of a text: the same pass that serves all other analyses."""
    windows = reading.windows
    if not windows:
        return States(numpy.zeros(0, int), numpy.zeros(0, int), numpy.zeros((0, 0), numpy.float32))
    return States(
        numpy.concatenate([each.tokens.begins for each in windows]),
        numpy.concatenate([each.tokens.ends for each in windows]),
        numpy.concatenate([each.logits[OUTPUT] for each in windows]),
    )


def of_tokens(states: States, tokens: Sequence[tuple[int, int]], width: int) -> numpy.ndarray:
    """float32 [tokens, width]: the mean of the pieces that a token shares a character with; 0 where it
    shares none."""
    told = numpy.zeros((len(tokens), width), numpy.float32)
    if not len(tokens) or not len(states.begins):
        return told
    begins, ends = numpy.array(tokens).T
    first = numpy.searchsorted(states.ends, begins, "right")
    last = numpy.searchsorted(states.begins, ends, "left")
    count = numpy.maximum(last - first, 0)
    one = count == 1
    told[one] = states.values[first[one]]
    several = numpy.flatnonzero(count > 1)
    if len(several):
        padded = numpy.concatenate((states.values, numpy.zeros((1, width), numpy.float32)))
        bounds = numpy.stack((first[several], last[several]), 1).ravel()
        sums = numpy.add.reduceat(padded, bounds)[::2]
        told[several] = sums / count[several, None]
    return told
