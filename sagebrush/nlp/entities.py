"""What is named in a text: DetectEntities' PERSON, LOCATION, ORGANIZATION, COMMERCIAL_ITEM, EVENT, DATE,
QUANTITY, TITLE and OTHER.

A tagger finds names, rules find dates, quantities and some events. Where they overlap:

1. A date replaces names within it, and no name that it is only a part of ("Water Act 2000").
2. A quantity replaces nothing: it is left out where a name or a date has a word of it ("iPhone 7").
3. An event by rule replaces TITLE, OTHER and EVENT within it ("World War II"); it is left out where it
   overlaps with anything else.
4. OTHER is what is named and is of no other type; nothing overlaps.

https://docs.aws.amazon.com/comprehend/latest/dg/how-entities.html
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from . import grammar
from .confidence import Confidence, tagged
from .events import events
from .spans import Span

LABELS = (
    "PERSON", "LOCATION", "ORGANIZATION", "COMMERCIAL_ITEM", "EVENT", "TITLE", "OTHER",
)  # fmt: skip
"""What the tagger tells."""
VAGUE = frozenset(("TITLE", "OTHER", "EVENT"))
"""Types that an event by rule may replace."""


def entities(
    text: str,
    logits: numpy.ndarray,
    words: Sequence[tuple[int, int]],
    confidence: Confidence,
) -> list[Span]:
    """All entities of a text, from left to right, by the tagger's `logits` of its `words`."""
    return merged(text, names(text, logits, words, confidence))


def names(
    text: str,
    logits: numpy.ndarray,
    words: Sequence[tuple[int, int]],
    confidence: Confidence,
) -> list[Span]:
    """What the tagger finds; a span of punctuation alone names nothing, except "@" before a name."""
    found = tagged(logits, words, LABELS, confidence)
    return [each for each in found if _speaks(text[each.begin : each.end])]


def _speaks(words: str) -> bool:
    return words == "@" or any(each.isalnum() or ord(each) > 0x2000 for each in words)


def merged(text: str, named: Sequence[Span]) -> list[Span]:
    """Names with the dates, quantities and events that rules find in the text."""
    told = list(named)
    for date in grammar.dates(text):
        if not any(_overlap(date, each) and not _within(each, date) for each in told):
            told = [each for each in told if not _within(each, date)]
            told.append(date)
    for event in events(text):
        others = [each for each in told if _overlap(event, each)]
        if all(each.label in VAGUE and _within(each, event) for each in others):
            told = [each for each in told if each not in others]
            told.append(event)
    for quantity in grammar.quantities(text):
        if not any(_overlap(quantity, each) for each in told):
            told.append(quantity)
    return sorted(told)


def _overlap(one: Span, other: Span) -> bool:
    return one.begin < other.end and other.begin < one.end


def _within(one: Span, other: Span) -> bool:
    return other.begin <= one.begin and one.end <= other.end
