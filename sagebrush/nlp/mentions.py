"""Mentions of one entity in a text, brought together for DetectTargetedSentiment.

Two mentions are of one entity where they are written alike, or where one is a part of the name of a
person, an organisation or a place ("Merkel", "Angela Merkel"). Pronouns and descriptions ("she", "the
chancellor") are no mentions here: nothing at hand tells whom they stand for.

https://docs.aws.amazon.com/comprehend/latest/dg/how-targeted-sentiment.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .spans import Span

NAMED = frozenset(("PERSON", "ORGANIZATION", "LOCATION"))
"""Types whose names may be shortened."""
ALIKE, SHORTENED = 1.0, 0.8
"""How sure it is that two mentions are of one entity: written alike, or one a part of the other."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Group:
    """The mentions of one entity."""

    mentions: tuple[tuple[Span, float], ...]
    """In the order of the text, each with the confidence that it is of this entity."""
    names: tuple[int, ...]
    """The places among them of those that name it best: of all that are written like the longest."""


def groups(text: str, spans: Sequence[Span]) -> list[Group]:
    """The entities in the order of their first mention."""
    longest = sorted(spans, key=lambda span: (span.begin - span.end, span.begin))
    found: list[tuple[tuple[str, ...], list[tuple[Span, float]]]] = []
    for span in longest:
        words = tuple(_WORD.findall(text[span.begin : span.end].casefold()))
        for name, members in found:
            belongs = _belongs(words, name, span, members[0][0])
            if belongs:
                members.append((span, belongs))
                break
        else:
            found.append((words, [(span, ALIKE)]))
    told = [_group(sorted(members)) for _, members in found]
    return sorted(told, key=lambda group: group.mentions[0][0].begin)


def _group(members: Sequence[tuple[Span, float]]) -> Group:
    names = [place for place, (_, belongs) in enumerate(members) if belongs == ALIKE]
    return Group(tuple(members), tuple(names))


def _belongs(words: tuple[str, ...], name: tuple[str, ...], span: Span, of: Span) -> float:
    """How surely a mention of these words is of the entity of that name; 0 where it is not."""
    if span.label != of.label or not words:
        return 0.0
    if words == name:
        return ALIKE
    count = len(words)
    begins = range(len(name) - count + 1)
    if span.label in NAMED and any(name[at : at + count] == words for at in begins):
        return SHORTENED
    return 0.0
