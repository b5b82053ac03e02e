"""What the encoder's taggers say of texts, as spans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy

from . import decoding
from .confidence import Confidence
from .spans import Span

if TYPE_CHECKING:  # they load ONNX Runtime and tokenizers
    from .encoder import Reading
    from .text.tokens import Tokens


def tagged(
    logits: numpy.ndarray,
    words: Sequence[tuple[int, int]],
    labels: Sequence[str],
    confidence: Confidence,
) -> list[Span]:
    """The spans of a tagger: `logits` is [words, 1 + 2 * labels], `words` are offsets in the text."""
    moved = logits.astype(numpy.float64)
    moved[:, 0] += confidence.outside
    found = decoding.spans(moved, words, labels)
    return [replace(each, score=confidence.score(each.score)) for each in found]


def words_of(tokens: Tokens) -> tuple[numpy.ndarray, list[tuple[int, int]]]:
    """The index of each word's first token, and the words' offsets in the text."""
    if not len(tokens.words):
        return numpy.zeros(0, numpy.int64), []
    firsts = numpy.flatnonzero(numpy.diff(tokens.words, prepend=-1))
    lasts = numpy.append(firsts[1:] - 1, len(tokens.words) - 1)
    places = zip(tokens.begins[firsts].tolist(), tokens.ends[lasts].tolist(), strict=True)
    return firsts, list(places)


def whole_words(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans, from left to right, with all of the words that they begin or end in.

    A name of an account ("_kim_", "kim_2") is one word, and so is a hashtag with its "#". A span that
    grows into the one before is a part of that.
    """
    kept: list[Span] = []
    for span in spans:
        begin, end = span.begin, span.end
        if text[begin:end] == "#":
            end += 1
        while end < len(text) and _of_word(text[end]):
            end += 1
        while begin > 0 and _of_word(text[begin - 1]):
            begin -= 1
        if begin > 0 and text[begin - 1] == "#":
            begin -= 1
        if kept and begin < kept[-1].end:
            kept[-1] = replace(kept[-1], end=max(end, kept[-1].end))
        else:
            kept.append(replace(span, begin=begin, end=min(end, len(text))))
    return kept


def on_one_line(text: str, span: Span) -> Span:
    """The span up to the first line break, tab or control character in it, where it begins with none."""
    found = _BREAK.search(text, span.begin, span.end)
    return (
        span if found is None or found.start() == span.begin else replace(span, end=found.start())
    )


_BREAK = re.compile(r"\s*[\x00-\x1f\x7f]")


def bare(text: str, span: Span) -> Span:
    """The span of a name without the sentence's marks, and with the full stop of its own abbreviation.

    A quotation mark or bracket at its begin is left out, with its other half where that is the end; so is
    the full stop behind a whole word. That of "Washington D.C." and "King Jr." is a part of the name.
    """
    begin, end = span.begin, span.end
    while end - begin > 1 and (closing := _PAIRS.get(text[begin])):
        if closing in text[begin + 1 : end - 1]:
            break
        begin, end = begin + 1, end - (text[end - 1] == closing)
    words = text[begin:end]
    if found := _STOP.search(words):
        end -= found[1].lower() not in _SHORT or found[1] in _STATES
    elif text[end : end + 1] == "." and _ABBREVIATED.search(words):
        end += 1
    return replace(span, begin=begin, end=end) if begin < end else span


_PAIRS = {"'": "'", '"': '"', "‘": "’", "“": "”", "(": ")", "[": "]", "{": "}", "<": ">"}
_STOP = re.compile(r"([^\W\d_]{2,})\.\Z")
_SHORT = frozenset(
    ("jr", "sr", "esq", "mr", "mrs", "ms", "dr", "prof", "st", "ave", "rd", "blvd", "mt", "ft")
)
"""What is written with a full stop at the end of a person's or a place's name."""
_STATES = frozenset(("MS", "MT"))
_ABBREVIATED = re.compile(r"(?<!\w)(?:[A-Z]\.[A-Z]|Jr|Sr|Esq|St|Ave|Rd|Blvd)\Z")


def _of_word(character: str) -> bool:
    return character == "_" or (character.isalnum() and character < _IDEOGRAPHS)


_IDEOGRAPHS = "\u2e80"
"""From here on writing has no spaces between words."""


def told(reading: Reading, head: str, labels: Sequence[str], confidence: Confidence) -> list[Span]:
    """The spans that the tagger `head` finds in a text, from left to right.

    A span of punctuation alone is left out, except "@", which some write apart from a name.
    """
    found: list[Span] = []
    for window in reading.windows:
        firsts, places = words_of(window.tokens)
        found += tagged(window.logits[head][firsts], places, labels, confidence)
    whole = whole_words(reading.text, found)
    return [each for each in whole if _speaks(reading.text[each.begin : each.end])]


def _speaks(words: str) -> bool:
    return words == "@" or any(each.isalnum() or ord(each) > 0x2000 for each in words)
