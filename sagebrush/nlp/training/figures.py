"""Figures of predictions: what cards and the command print, each by its standard definition."""

from __future__ import annotations

from collections.abc import Sequence

from ..spans import Span


def accuracy(truth: Sequence[str], told: Sequence[str]) -> float:
    """The part of equal labels."""
    return sum(a == b for a, b in zip(truth, told, strict=True)) / max(1, len(truth))


def recalls(truth: Sequence[str], told: Sequence[str]) -> dict[str, float]:
    """For each label of the truth, the part of it that was found."""
    return {
        label: sum(a == b == label for a, b in zip(truth, told, strict=True)) / truth.count(label)
        for label in sorted(set(truth))
    }


def macro_recall(truth: Sequence[str], told: Sequence[str]) -> float:
    """The mean of the recalls (SemEval-2017 task 4A)."""
    found = recalls(truth, told)
    return sum(found.values()) / max(1, len(found))


def f1(hits: float, truth: float, told: float) -> float:
    """The harmonic mean of precision and recall, by counts; 0 where nothing is."""
    return 2 * hits / (truth + told) if truth + told else 0.0


def macro_f1(truth: Sequence[str], told: Sequence[str], labels: Sequence[str] = ()) -> float:
    """The mean F1 of the labels (those of the truth, where none are given)."""
    chosen = labels or sorted(set(truth))
    return sum(
        f1(
            sum(a == b == label for a, b in zip(truth, told, strict=True)),
            sum(a == label for a in truth),
            sum(b == label for b in told),
        )
        for label in chosen
    ) / len(chosen)


def span_f1(truth: Sequence[Sequence[Span]], told: Sequence[Sequence[Span]]) -> dict[str, float]:
    """F1 of spans that agree in offsets and label: of each label, and of all together under "all"."""
    counts: dict[str, list[int]] = {}
    for ours, theirs in zip(truth, told, strict=True):
        real = {(each.begin, each.end, each.label) for each in ours}
        found = {(each.begin, each.end, each.label) for each in theirs}
        for kind, several in enumerate((real & found, real, found)):
            for _, _, label in several:
                for name in (label, "all"):
                    counts.setdefault(name, [0, 0, 0])[kind] += 1
    return {label: f1(*three) for label, three in sorted(counts.items())}
