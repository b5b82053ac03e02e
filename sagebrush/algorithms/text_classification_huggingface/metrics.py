"""How good predictions are, and the lines that metric definitions read.

The form is that of Transformers' Trainer, which AWS's regexes match: `'eval_accuracy': ([0-9\\.]+)`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """Of one pass over the validation data."""

    loss: float
    accuracy: float
    f1: float
    """The mean of the classes' F1: of those that occur, or were predicted."""


def quality(loss: float, right: Sequence[int], said: Sequence[int]) -> Quality:
    """How the predictions `said` agree with the truth `right`, which is not empty."""
    hits = sum(a == b for a, b in zip(right, said))
    scores = []
    for label in sorted({*right, *said}):
        both = sum(a == b == label for a, b in zip(right, said))
        scores.append(2 * both / (right.count(label) + said.count(label)))
    return Quality(loss, hits / len(right), sum(scores) / len(scores))


def line(values: Mapping[str, float]) -> str:
    """`{'loss': 0.693147, 'epoch': 1.0}`; numbers without exponents, which the regexes would cut."""
    return "{" + ", ".join(f"'{name}': {number(value)}" for name, value in values.items()) + "}"


def number(value: float) -> str:
    """The number with as many digits as it needs: 0.25, 1.0, 0.00000012."""
    text = f"{value:.4f}" if abs(value) >= 0.01 or not value else f"{value:.10f}"
    return text.rstrip("0") + "0" if text.rstrip("0").endswith(".") else text.rstrip("0")


def say(text: str) -> None:
    """The text is a line of the log, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
