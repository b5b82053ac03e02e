"""When a trial is stopped early, and when a tuning job has found enough. Pure.

Sources: Amazon SageMaker AI Developer Guide, Stop Training Jobs Early, and Track and set completion
criteria for your tuning job; API reference, HyperbandStrategyConfig and BestObjectiveNotImproving.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush.tuning import ask
from sagebrush.tuning.ask import RUNNING, Strategy, Trial
from sagebrush.tuning.space import Space

SIGNIFICANT = 0.01
"""Share of the best value by which a better one is an improvement."""
ENOUGH = 3
"""Trials that must have reached the same epoch before one is compared with them."""
LEAST, PATIENCE, SHARE = 20, 10, 0.3
"""Converged: LEAST trials or more, of which the last PATIENCE, and the share SHARE, improved nothing."""
INFERRED = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Static hyperparameters from which Hyperband's MaxResource is taken where it is not given."""
LARGEST = 20_000
"""The largest MaxResource."""


def worse_than_median(
    curve: Sequence[float], others: Sequence[Sequence[float]], maximize: bool, seen: int = 0
) -> bool:
    """Whether early stopping of type Auto stops the trial whose objective is `curve` so far.

    AWS's rule: after each epoch, its value is worse than the median of the running averages, up to
    the same epoch, of the trials before it. The epochs up to `seen` were checked already. Those
    `others` that did not reach an epoch do not count there; one with fewer than ENOUGH is skipped.
    """
    for epoch in range(seen + 1, len(curve) + 1):
        averages = [statistics.fmean(one[:epoch]) for one in others if len(one) >= epoch]
        if len(averages) < ENOUGH:
            continue
        median, value = statistics.median(averages), curve[epoch - 1]
        if value < median if maximize else value > median:
            return True
    return False


@dataclass(frozen=True)
class Band:
    """Hyperband's settings: resources in epochs, and the name by which it distinguishes jobs."""

    least: int
    most: int
    name: str


def halved(
    band: Band,
    strategy: Strategy,
    trials: Sequence[tuple[Trial, Mapping[str, Any]]],
    which: int,
    seen: int,
) -> tuple[bool, dict[str, Any]]:
    """Whether Hyperband stops the trial at index `which`, and the state of its rungs to be stored.

    `trials` are all of the job, each with its stored state; their configurations do not matter.
    A trial that reached the largest resource is stopped too. Epochs up to `seen` were checked.
    """
    from optuna.pruners import HyperbandPruner

    trial, kept = trials[which]
    pruner = HyperbandPruner(min_resource=band.least, max_resource=band.most, reduction_factor=3)
    study = ask.empty(strategy, band.name, pruner)
    nothing = Space(())
    for one, rungs in trials:
        state = RUNNING if one is trial else one.state
        bare = Trial({}, state, one.value, () if one is trial else one.curve)
        found = ask.frozen(nothing, bare, rungs)
        assert found is not None
        study.add_trial(found)
    storage, number = study._storage, study.trials[which]._trial_id
    for epoch, value in enumerate(trial.curve, 1):
        storage.set_trial_intermediate_value(number, epoch, value)
        if epoch > seen and (epoch >= band.most or pruner.prune(study, storage.get_trial(number))):
            return True, dict(storage.get_trial(number).system_attrs)
    return False, {**kept, **storage.get_trial(number).system_attrs}


def resource(static: Mapping[str, str]) -> int | None:
    """MaxResource according to the static hyperparameters, None when they do not say."""
    for name in INFERRED:
        text = static.get(name, "").strip('"')
        if text.isdigit():
            return int(text)
    return None


@dataclass(frozen=True)
class Progress:
    """The progress of a tuning job, after its finished trials."""

    best: float | None = None
    stale: int = 0
    """Trials since the last one that improved the best value significantly."""
    count: int = 0

    @property
    def converged(self) -> bool:
        """Whether further trials are unlikely to improve the best value.

        AWS does not publish its criterion; this one uses LEAST, PATIENCE and SHARE.
        """
        return self.count >= LEAST and self.stale >= max(PATIENCE, SHARE * self.count)


def progress(values: Sequence[float], maximize: bool) -> Progress:
    """The progress of a job whose trials ended with these values, in this order."""
    mark: float | None = None
    stale = 0
    for value in values:
        if mark is None:
            mark = value
            continue
        gain = value - mark if maximize else mark - value
        if gain > SIGNIFICANT * abs(mark):
            mark, stale = value, 0
        else:
            stale += 1
    if not values:
        return Progress()
    return Progress(max(values) if maximize else min(values), stale, len(values))


def reached(best: float | None, target: float | None, maximize: bool) -> bool:
    """Whether the best value is as good as TargetObjectiveMetricValue."""
    if best is None or target is None:
        return False
    return best >= target if maximize else best <= target
