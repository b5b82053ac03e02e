"""BLEU of a corpus (Papineni et al. 2002): one reference each, n-grams of up to four tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

LONGEST = 4


def score(
    hypotheses: Sequence[Sequence[Hashable]], references: Sequence[Sequence[Hashable]]
) -> float:
    """BLEU from 0 to 1; 0 where no n-gram of some length is right, as in Sockeye 1."""
    right, all_of_them = [0] * LONGEST, [0] * LONGEST
    said = meant = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        said += len(hypothesis)
        meant += len(reference)
        for n in range(1, LONGEST + 1):
            ours, theirs = _ngrams(hypothesis, n), _ngrams(reference, n)
            right[n - 1] += sum((ours & theirs).values())
            all_of_them[n - 1] += max(0, len(hypothesis) - n + 1)
    if not all(right):
        return 0.0
    precision = sum(math.log(hits / total) for hits, total in zip(right, all_of_them, strict=True))
    brevity = min(0.0, 1 - meant / said)
    return math.exp(precision / LONGEST + brevity)


def _ngrams(tokens: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1))
