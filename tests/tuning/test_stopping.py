"""Early stopping, Hyperband and completion criteria, on curves made for them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sagebrush.tuning.ask import COMPLETE, PRUNED, Strategy, Trial
from sagebrush.tuning.stopping import (
    Band,
    halved,
    progress,
    reached,
    resource,
    worse_than_median,
)


def test_a_trial_worse_than_the_median_of_running_averages_is_stopped() -> None:
    others = [(0.5, 0.7, 0.9), (0.4, 0.6, 0.8), (0.3, 0.5, 0.7)]
    # running averages at epoch 2: 0.6, 0.5, 0.4; the median is 0.5
    assert worse_than_median((0.4, 0.49), others, maximize=True)
    assert not worse_than_median((0.4, 0.5), others, maximize=True)
    assert not worse_than_median((0.4, 0.49), others, maximize=False)
    assert worse_than_median((0.4, 0.51), others, maximize=False)
    # an epoch that was looked at already is not looked at again
    assert not worse_than_median((0.1, 0.9), others, maximize=True, seen=1)
    # what hardly anybody reached says nothing
    assert not worse_than_median((0.4, 0.5, 0.65, 0.0), others, maximize=True)
    assert not worse_than_median((0.0,), others[:2], maximize=True)


def hyperband(qualities: list[float], band: Band, parallel: int = 4) -> list[int]:
    """The epochs that each trial ran, those of `parallel` in step with one another."""
    strategy = Strategy("Hyperband", True)
    trials: list[tuple[Trial, dict[str, Any]]] = []
    ran: list[int] = []
    for start in range(0, len(qualities), parallel):
        group = qualities[start : start + parallel]
        places = range(start, start + len(group))
        trials += [(Trial({}, "running"), {}) for _ in group]
        going = set(places)
        for epoch in range(1, band.most + 1):
            for place in sorted(going):
                old, kept = trials[place]
                curve = (*old.curve, qualities[place] * epoch)
                trials[place] = (Trial({}, "running", None, curve), kept)
                stop, kept = halved(band, strategy, trials, place, epoch - 1)
                state = PRUNED if stop else "running"
                trials[place] = (Trial({}, state, curve[-1] if stop else None, curve), kept)
                if stop:
                    going.discard(place)
        ran += [len(trials[place][0].curve) for place in places]
    return ran


def test_hyperband_gives_the_good_trials_the_epochs() -> None:
    chance = random.Random(2)
    qualities = [chance.random() for _ in range(24)]
    ran = hyperband(qualities, Band(1, 9, "job"))
    assert max(ran) == 9
    assert ran[qualities.index(max(qualities))] == 9
    assert sum(ran) < 0.75 * 24 * 9
    by_quality = sorted(range(24), key=lambda i: qualities[i])
    assert sum(ran[i] for i in by_quality[12:]) > 1.3 * sum(ran[i] for i in by_quality[:12])


@pytest.mark.costs("plays a whole tuning job")
def test_hyperband_stops_nothing_below_its_least_resource_and_all_at_its_most() -> None:
    ran = hyperband([i / 20 for i in range(20, 0, -1)], Band(3, 9, "job"))
    assert min(ran) >= 3
    assert max(ran) == 9


def test_what_hyperband_keeps_is_enough_for_a_server_that_forgot_all() -> None:
    """`halved` is asked once with all values of a trial, or after each: the answer is the same."""
    band, strategy = Band(1, 27, "x"), Strategy("Hyperband", True)
    done = [(Trial({}, COMPLETE, 1.0, (1.0,) * 9), {"completed_rung_0": 1.0})] * 8
    at_once = halved(band, strategy, [*done, (Trial({}, "running", None, (0.5,) * 9), {})], 8, 0)
    kept: dict[str, Any] = {}
    stop = False
    for epoch in range(1, 10):
        one = (Trial({}, "running", None, (0.5,) * epoch), kept)
        stop, kept = halved(band, strategy, [*done, one], 8, epoch - 1)
        if stop:
            break
    assert (stop, kept) == at_once


@pytest.mark.parametrize(
    ("static", "found"),
    [({"epochs": "12"}, 12), ({"num_epochs": '"7"'}, 7), ({"epochs": "many"}, None), ({}, None)],
)
def test_hyperbands_resource_is_told_by_the_static_parameters(
    static: dict[str, str], found: int | None
) -> None:
    assert resource(static) == found


def test_an_improvement_below_one_percent_is_none() -> None:
    found = progress([0.5, 0.8, 0.805, 0.79, 0.807], maximize=True)
    assert (found.best, found.stale, found.count) == (0.807, 3, 5)
    assert progress([0.5, 0.8, 0.805, 0.79, 0.81], maximize=True).stale == 0
    assert progress([10, 9, 8.95], maximize=False).stale == 1
    assert progress([], maximize=True).best is None


def test_convergence_is_detected_after_enough_trials_without_improvement() -> None:
    assert not progress([0.9] * 19, maximize=True).converged
    assert progress([0.9] * 20, maximize=True).converged
    assert not progress([i / 40 for i in range(1, 41)], maximize=True).converged


def test_a_target_is_reached_in_its_direction() -> None:
    assert reached(0.9, 0.9, maximize=True)
    assert not reached(0.89, 0.9, maximize=True)
    assert reached(0.1, 0.2, maximize=False)
    assert not reached(None, 0.2, maximize=False)
    assert not reached(0.1, None, maximize=False)
