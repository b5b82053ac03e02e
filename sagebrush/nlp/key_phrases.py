"""Key phrases: noun phrases of English texts, as Amazon Comprehend's DetectKeyPhrases gives them.

A key phrase is "a string containing a noun phrase that describes a particular thing", a noun with the
modifiers that distinguish it, and its determiner: "a beautiful day" (Developer Guide, "Key phrases").
Comprehend gives all of a text in its order; `ranked` says which of them a text is about.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from .spans import Span
from .syntax.analysis import Analysis, Token
from .syntax.phrases import PHRASE

LABEL = "KEY_PHRASE"
LEAST = 0.1
"""A noun phrase is told from this score on."""
_BARE = frozenset(("DET", "PRON", "PUNCT", "PART", "ADP", "NUM", "SYM"))


def key_phrases(analysis: Analysis) -> list[Span]:
    """The key phrases of a text in its order, with the score that each is a noun phrase."""
    return [
        Span(each.begin, each.end, LABEL, each.score)
        for each in analysis.phrases
        if each.label == PHRASE and each.score >= LEAST
    ]


def ranked(text: str, analysis: Analysis) -> list[tuple[str, float]]:
    """(words, weight) of what a text is about, the weightiest first, each only once.

    A candidate is a noun phrase without determiners, numbers and punctuation before it. Its weight is
    the sum of its words' weights, the logarithm of how often each is among nouns' words of the text
    and one more, times how early it first stands (1 at the text's begin, 1/2 at its end) and its score.
    """
    candidates: dict[str, tuple[float, int, str]] = {}
    counts: dict[str, int] = {}
    found: list[tuple[list[str], int, str, float]] = []
    for phrase in analysis.phrases:
        inside = _content(
            [each for each in analysis.tokens if phrase.begin <= each.begin < phrase.end]
        )
        if not inside:
            continue
        words = [text[each.begin : each.end].lower() for each in inside]
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        found.append((words, inside[0].begin, text[inside[0].begin : inside[-1].end], phrase.score))
    for words, begin, string, score in found:
        weight = sum(math.log1p(counts[word]) for word in words if re.search(r"\w", word))
        weight *= (1 - 0.5 * begin / max(1, len(text))) * score
        key = " ".join(words)
        if key not in candidates or candidates[key][0] < weight:
            candidates[key] = (weight, begin, string)
    order = sorted(candidates.values(), key=lambda each: (-each[0], each[1]))
    return [(string, weight) for weight, _, string in order]


def _content(tokens: Sequence[Token]) -> list[Token]:
    """A phrase's tokens without what only determines it at its begin, or closes it."""
    first, last = 0, len(tokens)
    while first < last and tokens[first].tag in _BARE:
        first += 1
    while first < last and tokens[last - 1].tag in ("PUNCT", "PART"):
        last -= 1
    return list(tokens[first:last])
