"""What the shared encoder knows of tokens: the states of some of its layers, for each token of syntax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
