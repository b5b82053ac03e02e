"""Which hyperparameters the objective depends on, and a finished job as Optuna's study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sagebrush.tuning import ask
from sagebrush.tuning.ask import COMPLETE, PRUNED, Strategy, Trial
from sagebrush.tuning.space import Number, Space

if TYPE_CHECKING:
    from optuna.study import Study

FEWEST = 4
"""Trials below which nothing can be said."""


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


def importance(
    space: Space, strategy: Strategy, trials: Sequence[Trial]
) -> dict[str, float] | None:
    """Each hyperparameter's share (of 1) in how good a trial was, greatest first.

    By PED-ANOVA, which needs no further package. None where too few trials, or all of one value,
    tell nothing.
    """
    done = [t for t in trials if t.state in (COMPLETE, PRUNED) and t.value is not None]
    if len(done) < FEWEST or len({t.value for t in done}) < 2 or not space.ranges:
        return None
    optuna = ask.quiet()
    whole = [Trial(t.config, COMPLETE, t.value) for t in done]
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    made = study(space, strategy, whole, "importance")
    if len(made.trials) < FEWEST:
        return None
    return optuna.importance.get_param_importances(made, evaluator=evaluator)
