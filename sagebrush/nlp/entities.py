"""What is named in a text: DetectEntities' PERSON, LOCATION, ORGANIZATION, COMMERCIAL_ITEM, EVENT, DATE,
QUANTITY, TITLE and OTHER.

A tagger finds names, rules find dates, quantities and some events. Where they overlap:

1. A date replaces names within it, and no name that it is only a part of ("Water Act 2000").
2. An event by rule replaces TITLE, OTHER and EVENT within it ("World War II"); it is left out where it
   overlaps with anything else.
3. A quantity replaces nothing: it is left out where a name, a date or an event has a word of it
   ("iPhone 7").

https://docs.aws.amazon.com/comprehend/latest/dg/how-entities.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import grammar
from .confidence import Confidence
from .events import events
from .spans import Span
from .tagging import told

if TYPE_CHECKING:  # it loads ONNX Runtime
    from .encoder import Reading

HEAD = "entities"
LABELS = (
    "PERSON", "LOCATION", "ORGANIZATION", "COMMERCIAL_ITEM", "EVENT", "TITLE", "OTHER",
)  # fmt: skip
"""What the tagger tells."""
VAGUE = frozenset(("TITLE", "OTHER", "EVENT"))
"""Types that an event by rule may replace."""


def entities(readings: Sequence[Reading], confidence: Confidence) -> list[list[Span]]:
    """The entities of each text, from left to right and without overlaps."""
    return [merged(each.text, told(each, HEAD, LABELS, confidence)) for each in readings]


def merged(text: str, named: Sequence[Span]) -> list[Span]:
    """Names with the dates, quantities and events that rules find in the text."""
    kept = list(named)
    for date in grammar.dates(text):
        if not any(_overlap(date, each) and not _within(each, date) for each in kept):
            kept = [*(each for each in kept if not _within(each, date)), date]
    for event in events(text):
        others = [each for each in kept if _overlap(event, each)]
        if all(each.label in VAGUE and _within(each, event) for each in others):
            kept = [*(each for each in kept if each not in others), event]
    for quantity in grammar.quantities(text):
        if not any(_overlap(quantity, each) for each in kept):
            kept.append(quantity)
    return sorted(kept)


def _overlap(one: Span, other: Span) -> bool:
    return one.begin < other.end and other.begin < one.end


def _within(one: Span, other: Span) -> bool:
    return other.begin <= one.begin and one.end <= other.end
