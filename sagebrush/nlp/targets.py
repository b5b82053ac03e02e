"""What a text may hold an opinion of: named entities, and the nouns that its noun phrases are about.

https://docs.aws.amazon.com/comprehend/latest/dg/how-targeted-sentiment.html
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .nouns import Nouns
from .spans import Span
from .syntax.analysis import Analysis, Token

TYPES = {"TITLE": "OTHER"}
"""DetectEntities' types that DetectTargetedSentiment does not have -> its own."""


def targets(text: str, named: Iterable[Span], analysis: Analysis, nouns: Nouns) -> list[Span]:
    """The targets of a text, in order and without overlaps: entities by name, and the last noun of every
    other noun phrase, where its type is known."""
    found = [replace(span, label=TYPES.get(span.label, span.label)) for span in named]
    begins = [each.begin for each in analysis.tokens]
    for phrase in analysis.phrases:
        first, last = bisect_left(begins, phrase.begin), bisect_left(begins, phrase.end)
        target = _target(text, analysis.tokens[first:last], nouns, phrase.score)
        if target and not any(_overlap(target, span) for span in found):
            found.append(target)
    return sorted(found)


def _target(text: str, inside: Sequence[Token], nouns: Nouns, score: float) -> Span | None:
    """What a phrase with these tokens is about: its last noun that is no opinion; names are left to the entities.

    A device is told with the noun that says what for: "coffee maker".
    """
    own = [each for each in inside if each.tag in ("NOUN", "PROPN")]
    words = [text[each.begin : each.end].casefold() for each in own]
    while own and words[-1] in OPINIONS:
        own, words = own[:-1], words[:-1]
    if not own or own[-1].tag != "NOUN":
        return None
    head = own[-1]
    if len(own) > 1 and words[-2] in DEVICES.get(words[-1].removesuffix("s"), ()):
        return Span(own[-2].begin, head.end, "COMMERCIAL_ITEM", min(head.score, score))
    kind = nouns.type_of(words[-1])
    return Span(head.begin, head.end, kind, min(head.score, score)) if kind else None


OPINIONS = frozenset((
    "average", "crap", "delight", "disappointment", "letdown", "mediocre", "nightmare", "ripoff", "rubbish", "shame",
))  # fmt: skip
"""Nouns that say what is thought of something, where a tagger reads "the breakfast average" as one phrase."""
DEVICES = {
    "cleaner": ("carpet", "pool", "steam", "vacuum", "window"),
    "cooker": ("pressure", "rice", "slow"),
    "cutter": ("box", "paper", "pizza", "tile"),
    "grinder": ("coffee", "meat", "pepper", "spice"),
    "maker": ("bread", "coffee", "espresso", "ice", "label", "pasta", "popcorn", "sandwich", "tea", "waffle", "yogurt"),
    "opener": ("bottle", "can", "door", "garage", "letter", "wine"),
    "player": ("blu-ray", "cassette", "cd", "dvd", "mp3", "media", "music", "record", "video"),
    "reader": ("barcode", "book", "card", "chip", "ebook", "fingerprint", "screen"),
    "tracker": ("activity", "fitness", "gps", "sleep"),
    "washer": ("dish", "power", "pressure", "window"),
}  # fmt: skip
"""Nouns of those who do something, and the nouns before them with which they are things."""


def _overlap(token: Span, span: Span) -> bool:
    return token.begin < span.end and span.begin < token.end
