"""Which hyperparameters the objective depends on, and a finished job as Optuna's study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sagebrush.tuning import ask
from sagebrush.tuning.ask import COMPLETE, PRUNED, Strategy, Trial
from sagebrush.tuning.space import Choice, Number, Range, Space

if TYPE_CHECKING:
    from optuna.study import Study

FEWEST = 8
"""Trials below which no importance is given."""
CALM = 0.05
"""How strongly few trials are smoothed (ridge regression, per trial)."""
POINTS = 64
"""Points of a range over which a curve's variance is taken."""


def study(space: Space, strategy: Strategy, trials: Sequence[Trial], name: str) -> Study:
    """The trials as a study that Optuna can draw, in their order, each value as it was tried."""
    plain = Space(
        tuple(
            replace(each, scale="Linear")
            if isinstance(each, Number) and each.scale == "ReverseLogarithmic"
            else each
            for each in space.ranges
        )
    )
    found = ask.empty(strategy, name)
    for trial in trials:
        one = ask.frozen(plain, trial)
        if one is not None:
            found.add_trial(one)
    return found


def importance(space: Space, trials: Sequence[Trial]) -> dict[str, float] | None:
    """Each hyperparameter's share (of 1) in what the ranges do to the objective, greatest first.

    A curve of second degree for each hyperparameter, fitted together to the ranks of the trials'
    values (so that a value that exploded is only the last); the share is its curve's variance over its
    whole range (as in functional ANOVA), wherever in it the strategy looked. PED-ANOVA, which needs
    no model, compares the best tenth with the rest: two of twenty trials, which is too random. None
    where there are too few trials, or all have the same value.
    """
    import numpy as np

    known = [
        (values, trial.value)
        for trial in trials
        if trial.state in (COMPLETE, PRUNED) and trial.value is not None
        if not math.isnan(trial.value) and (values := space.read(trial.config)) is not None
    ]
    places = {value: n for n, value in enumerate(sorted({value for _, value in known}))}
    if len(known) < FEWEST or len(places) < 2 or not space.ranges:
        return None
    ranks = np.array([places[value] for _, value in known], float)
    columns = [
        np.array([_curve(each, values[each.name]) for values, _ in known]) for each in space.ranges
    ]
    table = np.hstack([column - column.mean(0) for column in columns])
    calm = CALM * len(known) * np.eye(table.shape[1])
    weights = np.linalg.solve(table.T @ table + calm, table.T @ (ranks - ranks.mean()))
    found, first = {}, 0
    for each, column in zip(space.ranges, columns, strict=True):
        mine = weights[first : first + column.shape[1]]
        first += column.shape[1]
        over = np.array([_curve(each, each.at((n + 0.5) / POINTS)) for n in range(POINTS)])
        found[each.name] = float((over @ mine).var())
    total = sum(found.values())
    if total <= 0:
        return None
    return {name: found[name] / total for name in sorted(found, key=lambda n: -found[n])}


def _curve(each: Range, value: Any) -> list[float]:
    """The terms of one hyperparameter: its place in its range and that squared, or which choice."""
    if isinstance(each, Choice):
        return [float(value == one) for one in each.values]
    place = 2 * each.share(value) - 1
    return [place, 1.5 * place * place - 0.5]
