"""How many entities are found rightly, and how sure one may be of one that is found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from .annotated import Mention

PRIOR = 4.0
"""How much the fit of confidence clings to the chain's own, in right and wrong spans: few say little."""


@dataclass(frozen=True)
class Outcomes:
    """Entities by type: there, found, and both; and each that was found: how likely, and whether right."""

    there: Counter[str]
    found: Counter[str]
    hits: Counter[str]
    chances: list[float]
    right: list[bool]


def outcomes(
    truth: Sequence[Sequence[Mention]], found: Sequence[Sequence[tuple[Mention, float]]]
) -> Outcomes:
    """What was found beside what is there; an entity is right where its offsets and its type are."""
    told = Outcomes(Counter(), Counter(), Counter(), [], [])
    for ours, theirs in zip(truth, found, strict=True):
        real = set(ours)
        told.there.update(each.type for each in real)
        for mention, chance in theirs:
            told.found[mention.type] += 1
            told.hits[mention.type] += mention in real
            told.chances.append(chance)
            told.right.append(mention in real)
    return told


def metadata(
    told: Outcomes, types: Sequence[str], trained: Mapping[str, int], unit: float
) -> dict[str, Any]:
    """EvaluationMetrics and EntityTypes of RecognizerMetadata; `unit` is what a figure is a part of."""
    total = [sum(each[name] for name in types) for each in (told.hits, told.found, told.there)]
    return {
        "EvaluationMetrics": _figures(*total, unit=unit),
        "EntityTypes": [
            {
                "Type": name,
                "EvaluationMetrics": _figures(
                    told.hits[name], told.found[name], told.there[name], unit=unit
                ),
                "NumberOfTrainMentions": trained.get(name, 0),
            }
            for name in types
        ],
    }


def _figures(hits: int, found: int, there: int, unit: float) -> dict[str, float]:
    """Precision, recall and their harmonic mean; 0 where there is nothing to divide by."""
    return {
        "Precision": unit * hits / found if found else 0.0,
        "Recall": unit * hits / there if there else 0.0,
        "F1Score": unit * 2 * hits / (found + there) if found + there else 0.0,
    }


def platt(chances: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """The slope and the intercept by which the logit of a chance becomes that of being right (Platt 1999),
    near 1 and 0 where there are few spans; a greater chance never gives a smaller score."""
    x = numpy.array([[_logit(each), 1.0] for each in chances]).reshape(-1, 2)
    y = numpy.array(right, float)
    first = numpy.array([1.0, 0.0])
    weights = first.copy()

    def loss(at: numpy.ndarray) -> float:
        fit = numpy.logaddexp(0, numpy.where(y > 0.5, -1.0, 1.0) * (x @ at)).sum()
        return float(fit + PRIOR / 2 * ((at - first) ** 2).sum())

    for _ in range(50):
        p = 1 / (1 + numpy.exp(-numpy.clip(x @ weights, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + PRIOR * numpy.eye(2)
        step = numpy.linalg.solve(hessian, x.T @ (y - p) - PRIOR * (weights - first))
        while loss(weights + step) > loss(weights) and abs(step).max() > 1e-9:
            step = step / 2
        weights = weights + step
    return max(0.05, float(weights[0])), float(weights[1])


def _logit(chance: float) -> float:
    """Within ±12, as `nlp.confidence` has it."""
    kept = min(max(chance, 1e-9), 1 - 1e-9)
    return min(max(math.log(kept / (1 - kept)), -12.0), 12.0)
