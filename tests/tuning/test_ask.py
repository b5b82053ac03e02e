"""Strategies: bounded, deterministic, without repeats, and better than chance where they promise it."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.tuning.ask import COMPLETE, FAILED, PRUNED, RUNNING, Strategy, Trial, ask, grid
from sagebrush.tuning.importance import importance
from sagebrush.tuning.space import Config, Space, parse


def numbers(*names: str, low: str = "0", high: str = "1") -> list[dict[str, str]]:
    return [{"Name": name, "MinValue": low, "MaxValue": high} for name in names]


MIXED = parse(
    {
        "ContinuousParameterRanges": [
            *numbers("rate", low="0.0001", high="1"),
            {"Name": "m", "MinValue": "0.5", "MaxValue": "0.9999",
             "ScalingType": "ReverseLogarithmic"},
        ],
        "IntegerParameterRanges": numbers("units", low="1", high="300"),
        "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
    }
)  # fmt: skip


def bowl(config: Config) -> float:
    """Smallest, 0, at rate 0.01, m 0.99, 10 units, kind a."""
    v = MIXED.read(config)
    assert v is not None
    wide = (math.log10(v["rate"]) + 2) ** 2 + (math.log10(1 - v["m"]) + 2) ** 2
    return wide + (math.log10(v["units"]) - 1) ** 2 + (0 if v["kind"] == "a" else 0.5)


def search(
    name: str, seed: int, count: int = 20, parallel: int = 1, parents: tuple[Trial, ...] = ()
) -> list[Trial]:
    trials = list(parents)
    for _ in range(count // parallel):
        wanted = ask(MIXED, Strategy(name, False, seed), trials, parallel)
        trials += [Trial(config, COMPLETE, bowl(config)) for config in wanted]
    return [trial for trial in trials if not trial.parent]


def best(trials: list[Trial]) -> float:
    return min(trial.value for trial in trials if trial.value is not None)


@pytest.mark.costs("asks the model dozens of times")
@pytest.mark.parametrize("parallel", [1, 4])
def test_bayesian_beats_random_at_equal_budget(parallel: int) -> None:
    random = [best(search("Random", seed)) for seed in range(8)]
    bayesian = [best(search("Bayesian", seed, 20, parallel)) for seed in range(8)]
    assert statistics.fmean(bayesian) < 0.8 * statistics.fmean(random)


@pytest.mark.costs("asks the model dozens of times")
def test_the_best_trials_of_a_parent_are_a_start() -> None:
    """Six trials after a parent of thirty, beside six from nothing."""
    parent = tuple(
        Trial(t.config, COMPLETE, t.value, parent="p") for t in search("Bayesian", 99, 30)
    )
    warm = [best(search("Bayesian", seed, 6, parents=parent)) for seed in range(6)]
    cold = [best(search("Bayesian", seed, 6)) for seed in range(6)]
    assert statistics.fmean(warm) < 0.5 * statistics.fmean(cold)


def test_a_parent_on_other_data_tells_where_to_look_whatever_its_values() -> None:
    parent = tuple(
        Trial(t.config, COMPLETE, 1000 + 50 * bowl(t.config), parent="p")
        for t in search("Random", 5, 40)
    )
    trials: list[Trial] = list(parent)
    for _ in range(6):
        strategy = Strategy("Bayesian", False, 1, transfer=True)
        trials += [Trial(c, COMPLETE, bowl(c)) for c in ask(MIXED, strategy, trials, 1)]
    own = [trial for trial in trials if not trial.parent]
    assert best(own) < statistics.fmean(best(search("Random", seed, 6)) for seed in range(6))


@pytest.mark.parametrize("name", ["Random", "Bayesian", "Hyperband"])
def test_the_same_seed_and_trials_give_the_same_answer(name: str) -> None:
    first = search(name, 7, 12)
    assert first == search(name, 7, 12)
    assert first != search(name, 8, 12)
    assert len({tuple(t.config.items()) for t in first}) == 12


@given(
    st.sampled_from(["Random", "Bayesian", "Hyperband"]),
    st.integers(0, 2**31),
    st.lists(st.sampled_from([COMPLETE, RUNNING, PRUNED, FAILED]), max_size=14),
    st.integers(1, 4),
)
def test_whatever_became_of_trials_the_next_ones_are_in_bounds(
    name: str, seed: int, states: list[str], count: int
) -> None:
    trials = []
    for place, state in enumerate(states):
        (config,) = ask(MIXED, Strategy("Random", False, seed + place), [], 1)
        value = None if state in (RUNNING, FAILED) else bowl(config)
        curve = (1.0, 2.0)[: place % 3] if state == PRUNED else ()
        trials.append(Trial(config, state, value, curve))
    found = ask(MIXED, Strategy(name, True, seed), trials, count)
    assert len(found) == count
    assert all(MIXED.read(config) is not None for config in found)


def small() -> Space:
    return parse(
        {
            "IntegerParameterRanges": numbers("n", low="1", high="3"),
            "CategoricalParameterRanges": [{"Name": "c", "Values": ["x", "y", "z"]}],
        }
    )


@pytest.mark.parametrize("name", ["Random", "Bayesian"])
def test_a_small_space_is_tried_without_repeats(name: str) -> None:
    trials: list[Trial] = []
    for _ in range(9):
        (config,) = ask(small(), Strategy(name, True, 3), trials, 1)
        trials.append(Trial(config, COMPLETE, float(config["n"])))
    assert len({tuple(t.config.items()) for t in trials}) == 9


def test_grid_tries_every_combination_once_and_ends() -> None:
    ranges = [{"Name": "a", "Values": ["1", "2"]}, {"Name": "b", "Values": ["x", "y", "z"]}]
    space = parse({"CategoricalParameterRanges": ranges})
    strategy, trials = Strategy("Grid", True), []
    while found := ask(space, strategy, trials, 4):
        trials += [Trial(config, COMPLETE, 0.0) for config in found]
    assert [tuple(t.config.values()) for t in trials] == list(
        itertools.product(["1", "2"], ["x", "y", "z"])
    )
    assert len(list(grid(space))) == 6


def test_a_range_of_one_value_is_no_trouble() -> None:
    space = parse({"IntegerParameterRanges": numbers("n", low="4", high="4"),
                   "ContinuousParameterRanges": numbers("x")})  # fmt: skip
    trials: list[Trial] = []
    for _ in range(12):
        (config,) = ask(space, Strategy("Bayesian", True), trials, 1)
        assert config["n"] == "4"
        trials.append(Trial(config, COMPLETE, float(config["x"])))


def test_importance_tells_what_the_objective_depends_on() -> None:
    space = parse({"ContinuousParameterRanges": numbers("much", "little")})

    def objective(v: Any) -> float:
        return (v["much"] - 0.3) ** 2 + 0.01 * v["little"]

    trials = trials_of(space, objective, 40)
    found = importance(space, trials)
    assert found is not None
    assert found["much"] > 0.8
    assert importance(space, trials[:2]) is None
    flat = [Trial(t.config, COMPLETE, 1.0) for t in trials]
    assert importance(space, flat) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_importance_of_a_search_that_learned_tells_effects_from_chance(seed: int) -> None:
    """The strategy looks mostly where it is good, which must not hide what made it so."""
    choice = [{"Name": "kind", "Values": ["a", "b"]}]
    space = parse({"ContinuousParameterRanges": numbers("x", "idle"),
                   "CategoricalParameterRanges": choice})  # fmt: skip
    trials: list[Trial] = []
    for _ in range(20):
        (config,) = ask(space, Strategy("Bayesian", True, seed), trials, 1)
        value = -((float(config["x"]) - 0.3) ** 2) + 0.2 * (config["kind"] == "b")
        trials.append(Trial(config, COMPLETE, value))
    found = importance(space, trials)
    assert found is not None
    assert found["idle"] < 0.1
    assert min(found["x"], found["kind"]) > 0.2


def trials_of(space: Space, objective: Callable[[Any], float], count: int) -> list[Trial]:
    configs = ask(space, Strategy("Random", False, 1), [], count)
    return [Trial(config, COMPLETE, objective(space.read(config))) for config in configs]
