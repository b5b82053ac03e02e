"""Windows: the pieces of a text that the encoder reads, cut at the ends of sentences.

A sentence that is longer than a window is cut between words, one without spaces between tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from .sentences import sentences
from .tokens import Tokens

LONGEST = 126
"""Tokens of a window without [CLS] and [SEP]: as many as texts had that the encoder was taught."""


def windows(text: str, tokens: Tokens, longest: int = LONGEST) -> list[Tokens]:
    """The tokens of the text in windows of `longest` at most, in order, none left out or twice."""
    if not len(tokens):
        return []
    if len(tokens) <= longest:
        return [tokens]
    ends = [end for _, end in sentences(text)]
    cuts = numpy.searchsorted(tokens.begins, ends).tolist()
    return [tokens.part(first, last) for first, last in _packed(tokens, cuts, longest)]


def sentence_around(tokens: Tokens, at: int, sentences: Sequence[tuple[int, int]]) -> Tokens:
    """Those of the tokens that lie in the sentence of the token `at`; all where it is in none."""
    place = int(tokens.begins[at])
    for begin, end in sentences:
        if begin <= place < end:
            first, last = numpy.searchsorted(tokens.begins, (begin, end)).tolist()
            return tokens.part(first, last)
    return tokens


def _packed(tokens: Tokens, cuts: Sequence[int], longest: int) -> list[tuple[int, int]]:
    """Sentences, which end before the tokens `cuts`, put together as long as they fit."""
    told: list[tuple[int, int]] = []
    first = last = 0
    for cut in [*cuts, len(tokens)]:
        if cut - first > longest and last > first:
            told.append((first, last))
            first = last
        while cut - first > longest:
            middle = _between_words(tokens, first, first + longest)
            told.append((first, middle))
            first = middle
        last = max(cut, first)
    if last > first:
        told.append((first, last))
    return told


def _between_words(tokens: Tokens, first: int, last: int) -> int:
    """The last place up to `last` before which a word ends; `last` where the word is that long."""
    at = last
    while at > first + 1 and tokens.words[at] == tokens.words[at - 1]:
        at -= 1
    return at if tokens.words[at] != tokens.words[at - 1] else last
