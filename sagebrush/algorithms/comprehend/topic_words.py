"""The words of documents, counted for a topic model.

Words are runs of letters in lower case, of two letters and more. Words that say nothing of a subject are
left out: English function words, words of more than half of the documents, and of a single one.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from dataclasses import dataclass, field

WORD = re.compile(r"[^\W\d_]{2,}")
MOST_WORDS = 20_000
"""Words of the vocabulary at most: those of the most documents."""
COMMON = 0.5
"""The share of documents from which on a word tells nothing."""
FEW = 20
"""Documents below which words of one document stay."""
KNOWN = 2_000_000
"""Words that are held at once; above, those of a single document so far are forgotten."""
_FUNCTION = """
    about above after again against ain all also am an and any are aren as at be because been before
    being below between both but by can cannot could couldn did didn do does doesn doing don down during
    each else ever every few for from further get gets got had hadn has hasn have haven having he her here
    hers herself him himself his how however if in into is isn it its itself just let ll may me might mightn
    more most much must mustn my myself need neither no nor not now of off often on once one only or other
    our ours ourselves out over own per rather re said same say says shall shan she should shouldn since so
    some such than that the their theirs them themselves then there these they this those though through
    thus to too under until up upon us use used using very ve was wasn we were weren what when where whether
    which while who whom why will with within without won would wouldn yet you your yours yourself
    yourselves
"""
FUNCTION_WORDS = frozenset(_FUNCTION.split())


@dataclass
class Counts:
    """The words of all documents so far."""

    known: dict[str, int] = field(default_factory=dict)
    """Word -> its number, which no other word ever has."""
    seen: Counter[int] = field(default_factory=Counter)
    """Number of a word -> documents that have it."""
    ends: array[int] = field(default_factory=lambda: array("q", [0]))
    words: array[int] = field(default_factory=lambda: array("i"))
    counts: array[int] = field(default_factory=lambda: array("i"))
    numbers: int = 0

    def add(self, text: str) -> None:
        """One document more."""
        found = Counter(WORD.findall(text.lower()))
        for word, count in found.items():
            if word in FUNCTION_WORDS:
                continue
            number = self.known.get(word)
            if number is None:
                number = self.known[word] = self.numbers
                self.numbers += 1
            self.seen[number] += 1
            self.words.append(number)
            self.counts.append(count)
        self.ends.append(len(self.words))
        if len(self.known) > KNOWN:
            self._forget()

    def _forget(self) -> None:
        self.known = {word: n for word, n in self.known.items() if self.seen[n] > 1}
        self.seen = Counter({n: self.seen[n] for n in self.known.values()})

    @property
    def documents(self) -> int:
        """How many were added."""
        return len(self.ends) - 1

    def vocabulary(self) -> list[tuple[str, int]]:
        """(word, number) of the words that a model is made of, those of the most documents first."""
        least = 2 if self.documents >= FEW else 1
        most = max(COMMON * self.documents, 1.0)
        fit = [(w, n) for w, n in self.known.items() if least <= self.seen[n] <= most]
        return sorted(fit, key=lambda each: (-self.seen[each[1]], each[0]))[:MOST_WORDS]
