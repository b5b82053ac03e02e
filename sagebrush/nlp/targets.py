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
        head = _head(analysis.tokens[first:last])
        if head is None:
            continue
        kind = nouns.type_of(text[head.begin : head.end])
        if kind and not any(_overlap(head, span) for span in found):
            found.append(Span(head.begin, head.end, kind, min(head.score, phrase.score)))
    return sorted(found)


def _head(inside: Sequence[Token]) -> Token | None:
    """The last noun of a phrase with these tokens; names are left to the entities."""
    nouns = [each for each in inside if each.tag in ("NOUN", "PROPN")]
    return nouns[-1] if nouns and nouns[-1].tag == "NOUN" else None


def _overlap(token: Token, span: Span) -> bool:
    return token.begin < span.end and span.begin < token.end
