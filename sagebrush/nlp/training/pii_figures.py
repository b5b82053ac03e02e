"""Figures of personal data, by several definitions, because published ones differ.

| name | what counts |
|---|---|
| exact | spans that agree in offsets and type |
| touching | a span of the truth that a found one of its type overlaps, and the reverse |
| words | words inside of spans of any type, as Presidio's evaluator counts |

Types are AWS's; what AWS has no type for (organisations, titles, nationalities) is no part of the truth
except under `words`, where `all_types` says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..personal import AWS
from ..spans import Span
from . import figures

_BETWEEN = re.compile(r"[\s,.>?-]{0,12}")
_WORD = re.compile(r"\w+")


def exact(
    texts: Sequence[str], truth: Sequence[Sequence[Span]], told: Sequence[Sequence[Span]]
) -> dict[str, float]:
    """F1 by type and over "all"; parts of an address that follow each other are one on both sides."""
    ours = [whole(text, of_aws(spans)) for text, spans in zip(texts, truth, strict=True)]
    theirs = [whole(text, spans) for text, spans in zip(texts, told, strict=True)]
    return figures.span_f1(ours, theirs)


def of_aws(truth: Sequence[Span]) -> list[Span]:
    """The spans of a truth that are of one of AWS's types, in that type."""
    return [replace(each, label=AWS[each.label]) for each in truth if each.label in AWS]


def whole(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans with addresses as one between which only spaces and punctuation stand."""
    kept: list[Span] = []
    for span in sorted(spans):
        last = kept[-1] if kept else None
        between = text[last.end : span.begin] if last else ""
        if last and last.label == span.label == "ADDRESS" and _BETWEEN.fullmatch(between):
            kept[-1] = Span(last.begin, span.end, "ADDRESS", max(last.score, span.score))
        else:
            kept.append(span)
    return kept


def touching(truth: Sequence[Sequence[Span]], told: Sequence[Sequence[Span]]) -> float:
    """F1 where spans of one type need to overlap alone."""
    recalled = precise = wanted = given = 0
    for real, found in zip(truth, told, strict=True):
        ours = of_aws(real)
        recalled += sum(any(_meet(each, other) for other in found) for each in ours)
        precise += sum(any(_meet(each, other) for other in ours) for each in found)
        wanted += len(ours)
        given += len(found)
    recall, precision = recalled / max(1, wanted), precise / max(1, given)
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _meet(one: Span, other: Span) -> bool:
    return one.label == other.label and one.begin < other.end and other.begin < one.end


def words(
    texts: Sequence[str],
    truth: Sequence[Sequence[Span]],
    told: Sequence[Sequence[Span]],
    all_types: bool = False,
) -> dict[str, float]:
    """Precision, recall, F1 and F2 of words inside of spans, whatever their types."""
    hits = real = found = 0
    for text, ours, theirs in zip(texts, truth, told, strict=True):
        kept = [each for each in ours if all_types or each.label in AWS]
        for word in _WORD.finditer(text):
            inside, marked = (
                any(each.begin < word.end() and word.start() < each.end for each in spans)
                for spans in (kept, theirs)
            )
            hits += inside and marked
            real += inside
            found += marked
    precision, recall = hits / max(1, found), hits / max(1, real)
    both = 4 * precision + recall
    return {
        "precision": precision,
        "recall": recall,
        "F1": figures.f1(hits, real, found),
        "F2": 5 * precision * recall / both if both else 0.0,
    }
