"""Which configurations to try next, given all trials so far. Pure: no store, no clock.

Optuna is the engine: a study is rebuilt from the trials each time, and each trial's number seeds
its own sampler, so the same trials and seed give the same answer, whichever server asks.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from sagebrush.tuning.space import Choice, Config, Number, Range, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

COMPLETE, RUNNING, PRUNED, FAILED = "complete", "running", "pruned", "failed"
STARTUP = 8
"""Finished trials before the model is asked: from fewer it learns too little."""
GOOD = 0.2
"""Share of the trials that TPE treats as good. Optuna's own tenth is two of twenty: on three test
functions at twenty trials a fifth found better values, by 5 to 40 %."""
TRIES = 20
"""How often a sampler is asked for a configuration that was not tried yet."""
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83,
          89, 97, 101, 103, 107, 109, 113)  # fmt: skip
"""Bases of the Halton sequence, as many as a tuning job may have ranges."""


@dataclass(frozen=True)
class Trial:
    """One trial: its configuration and its result."""

    config: Config
    state: str = COMPLETE
    value: float | None = None
    """The objective's last value."""
    curve: tuple[float, ...] = ()
    """The objective after each epoch, as far as it is known."""
    parent: str = ""
    """The tuning job that it belongs to: one of a warm start's parents, or "" for this job."""


@dataclass(frozen=True)
class Strategy:
    """How a tuning job searches."""

    name: str
    """`Bayesian`, `Random`, `Grid` or `Hyperband`, as AWS names them."""
    maximize: bool
    seed: int = 0
    transfer: bool = False
    """Whether parents' values come from other data, and are so comparable only among themselves."""


def ask(space: Space, strategy: Strategy, trials: Sequence[Trial], count: int) -> list[Config]:
    """The next `count` configurations (fewer when none is left), in order.

    `trials` are all so far, of this job and of its parents. A configuration that was tried already is
    returned only once there are no others.
    """
    first = sum(not trial.parent for trial in trials)
    if strategy.name == "Grid":
        return list(itertools.islice(grid(space), first, first + count))
    found: list[Config] = []
    known = list(trials)
    tried = {_key(trial.config) for trial in trials if not trial.parent}
    for number in range(first, first + count):
        config = _one(space, strategy, known, number, tried)
        found.append(config)
        known.append(Trial(config, RUNNING))
        tried.add(_key(config))
    return found


def _key(config: Config) -> Any:
    return tuple(sorted(config.items()))


def _one(
    space: Space, strategy: Strategy, trials: Sequence[Trial], number: int, tried: Set[Any]
) -> Config:
    """The configuration of the trial `number`, counted from 0; if possible none of those `tried`."""
    seeds = (_seed(strategy.seed, number, attempt) for attempt in itertools.count())
    early = strategy.name == "Random" or _known(trials) < STARTUP
    if early and strategy.name != "Bayesian":
        proposals = (_random(space, seed) for seed in seeds)
    elif early:
        start = _seed(strategy.seed, -1, 0)
        places = (number + attempt * 1000 for attempt in itertools.count())
        proposals = (_spread(space, place, start) for place in places)
    else:
        study = functools.cache(lambda: _study(space, strategy, trials))
        proposals = (_modelled(space, study(), seed) for seed in seeds)
    for config in itertools.islice(proposals, TRIES):
        if _key(config) not in tried:
            return config
    return _untried(space, tried, _seed(strategy.seed, number, TRIES))


def _known(trials: Sequence[Trial]) -> int:
    """How many trials a model can learn from."""
    return sum(t.state in (COMPLETE, PRUNED) and t.value is not None for t in trials)


def grid(space: Space) -> Iterator[dict[str, str]]:
    """Every configuration of a categorical space, the last range's values changing fastest."""
    lists = [each.values for each in space.ranges if isinstance(each, Choice)]
    for values in itertools.product(*lists):
        yield dict(zip(space.names, values, strict=True))


def _untried(space: Space, tried: Set[Any], seed: int) -> Config:
    """A configuration that was not tried, or any one once all of a small space were tried."""
    config = _random(space, seed)
    for attempt in range(50 * TRIES):
        if _key(config) not in tried:
            break
        config = _random(space, _seed(seed, attempt, 0))
    return config


def _seed(*parts: int) -> int:
    return Random(",".join(map(str, parts))).getrandbits(32)


def _random(space: Space, seed: int) -> Config:
    """A random configuration, each value uniform over its range as it is scaled."""
    chance = Random(seed)
    return space.text({each.name: each.at(chance.random()) for each in space.ranges})


def _spread(space: Space, number: int, start: int) -> Config:
    """The point `number` of a randomly shifted Halton sequence: more even than random points."""
    chance, values = Random(start), {}
    for place, each in enumerate(space.ranges):
        moved = _halton(number + 1, PRIMES[place % len(PRIMES)]) + chance.random()
        values[each.name] = each.at(moved % 1.0)
    return space.text(values)


def _halton(number: int, base: int) -> float:
    found, share = 0.0, 1.0
    while number:
        share /= base
        number, digit = divmod(number, base)
        found += share * digit
    return found


# Optuna -------------------------------------------------------------------------------------------


def quiet() -> Any:
    """Optuna's module, with its logging reduced to errors."""
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    # the default of its successor would be a tenth again; the version is pinned
    warnings.filterwarnings("ignore", message="`gamma` has been deprecated")
    return optuna


def _modelled(space: Space, study: Study, seed: int) -> Config:
    """What TPE proposes after the study's trials."""
    from optuna.samplers import TPESampler

    study.sampler = TPESampler(
        seed=seed, n_startup_trials=1, multivariate=True, constant_liar=True, gamma=_good
    )
    trial = study.ask(distributions(space))
    study._storage.set_trial_state_values(trial._trial_id, _state(FAILED))  # the trial is not run
    return space.text({each.name: outward(each, trial.params[each.name]) for each in space.ranges})


def _good(count: int) -> int:
    return min(math.ceil(GOOD * count), 25)


def _study(space: Space, strategy: Strategy, trials: Sequence[Trial]) -> Study:
    """Optuna's study of the trials whose configurations lie in `space`."""
    study = empty(strategy)
    scaled = _standardised(trials) if strategy.transfer else trials
    for trial in scaled:
        one = frozen(space, trial)
        if one is not None:
            study.add_trial(one)
    return study


def empty(strategy: Strategy, name: str = "tuning", pruner: Any = None) -> Study:
    """A study without trials."""
    optuna = quiet()
    direction = "maximize" if strategy.maximize else "minimize"
    return optuna.create_study(study_name=name, direction=direction, pruner=pruner)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the ranges, by name.

    A ReverseLogarithmic range is searched as 1 - value.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    def one(each: Range) -> BaseDistribution:
        if isinstance(each, Choice):
            return CategoricalDistribution(each.values)
        if each.whole:
            return IntDistribution(int(each.low), int(each.high), log=each.scale == "Logarithmic")
        if each.scale == "ReverseLogarithmic":
            return FloatDistribution(1 - each.high, 1 - each.low, log=True)
        return FloatDistribution(each.low, each.high, log=each.scale == "Logarithmic")

    return {each.name: one(each) for each in space.ranges}


def outward(each: Range, value: Any) -> Any:
    """The range's value for Optuna's `value`."""
    if isinstance(each, Number) and each.scale == "ReverseLogarithmic":
        return min(max(1 - value, each.low), each.high)
    return value


def _inward(each: Range, value: Any) -> Any:
    """Optuna's value for the range's `value`."""
    if isinstance(each, Number):
        if each.scale == "ReverseLogarithmic":
            return min(max(1 - value, 1 - each.high), 1 - each.low)
        return int(value) if each.whole else value
    return value


def frozen(
    space: Space, trial: Trial, attrs: Mapping[str, Any] | None = None
) -> FrozenTrial | None:
    """The trial as Optuna stores it, None when its configuration does not lie in `space`."""
    from optuna.trial import create_trial

    values = space.read(trial.config)
    if values is None:
        return None
    state = trial.state
    if state in (COMPLETE, PRUNED) and trial.value is None:
        state = FAILED
    known = state in (COMPLETE, PRUNED)
    return create_trial(
        state=_state(state),
        value=trial.value if known else None,
        params={each.name: _inward(each, values[each.name]) for each in space.ranges},
        distributions=distributions(space),
        intermediate_values=dict(enumerate(trial.curve, 1)),
        system_attrs=dict(attrs or {}),
    )


def _state(state: str) -> Any:
    from optuna.trial import TrialState

    return {
        COMPLETE: TrialState.COMPLETE,
        RUNNING: TrialState.RUNNING,
        PRUNED: TrialState.PRUNED,
        FAILED: TrialState.FAIL,
    }[state]


def _standardised(trials: Sequence[Trial]) -> list[Trial]:
    """The trials, each job's values replaced by their distance from its mean in standard deviations.

    Values from other data show which configurations were good there, not how good they are here.
    """
    found = []
    for parent in dict.fromkeys(trial.parent for trial in trials):
        group = [trial for trial in trials if trial.parent == parent]
        values = [t.value for t in group if t.value is not None and math.isfinite(t.value)]
        mean = statistics.fmean(values) if values else 0.0
        deviation = statistics.pstdev(values) or 1.0 if values else 1.0
        for trial in group:
            value = None if trial.value is None else (trial.value - mean) / deviation
            found.append(replace(trial, value=value, curve=()))
    return found
