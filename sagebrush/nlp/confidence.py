"""How sure a span is: the probability that it is right, from the probabilities of its words.

A tagger misses rare names more often than it invents some, and its probabilities are too near to 0 and 1.
Three numbers, fitted on validation data, mend both (`training/confidence.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "confidence.json"
"""Beside the encoder's files: the numbers of each tagger, by its head's name."""


@dataclass(frozen=True)
class Confidence:
    """`outside` is added to the logit of O: below 0 more spans are found, and more of them are wrong.

    A span's score is the logistic function of `intercept + slope * logit(p)`, where p is the least
    probability of its label over its words (Platt 1999).
    """

    outside: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0

    def score(self, probability: float) -> float:
        """The probability that a span is right."""
        return 1 / (1 + math.exp(-(self.intercept + self.slope * logit(probability))))


def load(file: Path) -> dict[str, Confidence]:
    """What a file says of each tagger. Raises FileNotFoundError without the file."""
    told = json.loads(file.read_text(encoding="utf-8"))
    return {name: Confidence(**numbers) for name, numbers in told.items()}


def save(file: Path, fitted: Mapping[str, Confidence]) -> None:
    """The file says this of each tagger."""
    told = {name: asdict(numbers) for name, numbers in fitted.items()}
    file.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def logit(probability: float) -> float:
    """The logarithm of the odds, within ±12."""
    kept = min(max(probability, 1e-9), 1 - 1e-9)
    return min(max(math.log(kept / (1 - kept)), -12.0), 12.0)
