"""What policies decide: cases worked out by hand from the guide's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sagebrush.services.autoscaling.decisions import (
    AT_DESIRED,
    AT_MAX,
    AT_MIN,
    FLAPPING,
    Change,
    Decision,
    Policy,
    Signal,
    Step,
    Stepping,
    Target,
    Tracking,
    adjusted,
    chosen_step,
    decide,
    tracked,
)

LATE = 5000.0
"""When the datapoints of these tests are measured: after all changes."""


def read(values: Any) -> tuple[tuple[float, float], ...]:
    return tuple((LATE, value) for value in values)


def tracking(
    name: str = "p", high: Any = (), low: Any = (), target: float = 70.0, **more: Any
) -> Tracking:
    """A policy whose alarm is triggered where it is given values."""
    return Tracking(
        name,
        target,
        high=Signal(f"{name}-high", bool(high), target, readings=read(high)),
        low=Signal(f"{name}-low", bool(low), 0.9 * target, below=True, readings=read(low)),
        **more,
    )


def at(current: int, least: int = 1, most: int = 10, **more: bool) -> Target:
    return Target(current, least, most, **more)


def asked(
    target: Target, *policies: Policy, last: Change | None = None, now: float = 1000.0
) -> int | None:
    """The new capacity."""
    wish = decide(target, policies, last, now).wish
    return wish.capacity if wish else None


def codes(found: Decision) -> list[str]:
    return [note.code for note in found.notes]


@pytest.mark.parametrize(
    ("capacity", "value", "wanted"),
    [(1, 70.0, 1), (1, 70.1, 2), (2, 140.0, 4), (3, 71.0, 4), (10, 6.9, 1), (4, 0.0, 0)],
)
def test_target_tracking_is_proportional_and_rounds_up(
    capacity: int, value: float, wanted: int
) -> None:
    assert tracked(capacity, value, 70.0) == wanted


def test_a_quotient_that_is_whole_but_for_its_last_bit_is_not_rounded_up() -> None:
    assert tracked(3, 0.1 + 0.2, 0.3) == 3


def test_it_scales_out_by_the_latest_datapoint_and_in_by_the_highest() -> None:
    assert asked(at(2), tracking(high=[75.0, 100.0, 210.0])) == 6
    assert asked(at(6), tracking(low=[20.0, 30.0, 10.0])) == 3  # 6 * 30 / 70 = 2.57


def test_the_bounds_hold_and_say_why() -> None:
    high, low = tracking(high=[700.0]), tracking(low=[1.0])
    assert asked(at(2, most=4), high) == 4
    assert asked(at(4, least=2), low) == 2
    full, empty = decide(at(4, most=4), [high], None, 0.0), decide(at(2, least=2), [low], None, 0.0)
    assert (full.wish, codes(full), full.notes[0].reason) == (
        None,
        [AT_MAX],
        {"Code": AT_MAX, "MaxCapacity": 4},
    )
    assert (empty.wish, codes(empty), empty.notes[0].reason) == (
        None,
        [AT_MIN],
        {"Code": AT_MIN, "MinCapacity": 2},
    )


def test_it_does_not_scale_in_where_it_would_scale_out_again() -> None:
    found = decide(at(2), [tracking(low=[60.0])], None, 0.0)  # on one instance it would be 120
    assert (found.wish, codes(found)) == (None, [FLAPPING])
    assert found.notes[0].reason == {"Code": FLAPPING, "CurrentCapacity": 2}


def test_zero_is_reached_where_the_bounds_allow_it() -> None:
    assert asked(at(3, least=0), tracking(low=[0.0] * 15)) == 0
    assert asked(at(0, least=0), tracking(high=[140.0])) == 2  # as if there were one


def test_missing_data_changes_nothing() -> None:
    silent = Signal("a", True, 70.0)
    policy = Tracking("p", 70.0, high=silent, low=replace(silent, below=True))
    assert decide(at(3), [policy], None, 0.0) == Decision()
    assert decide(at(3), [Tracking("p", 70.0)], None, 0.0) == Decision()  # alarms were deleted


def test_of_two_policies_the_largest_wins_when_scaling_out() -> None:
    found = decide(at(2), [tracking("a", [140.0]), tracking("b", [210.0])], None, 0.0)
    assert found.wish is not None
    assert (found.wish.policy, found.wish.alarm, found.wish.capacity) == ("b", "b-high", 6)
    assert asked(at(2), tracking("a", [140.0]), tracking("b", low=[10.0])) == 4


def test_two_policies_scale_in_only_together_and_to_the_larger_capacity() -> None:
    assert asked(at(8), tracking("a", low=[10.0]), tracking("b")) is None
    assert asked(at(8), tracking("a", low=[10.0]), tracking("b", low=[35.0])) == 4
    # one of them needs all that there is
    assert asked(at(8), tracking("a", low=[10.0]), tracking("b", low=[69.0])) is None
    # one without scale-in is not asked
    out_only = tracking("b", scales_in=False)
    assert asked(at(8), tracking("a", low=[10.0]), out_only) == 2
    assert asked(at(8), replace(tracking(low=[10.0]), scales_in=False)) is None


def test_within_the_cooldown_only_a_larger_scale_out_adds() -> None:
    last = Change(base=2, before=2, after=4, ended=900.0, cooldown=300.0)
    same = tracking(high=[140.0])
    assert asked(at(4), same, last=last, now=1199.0) is None
    assert asked(at(4), same, last=last, now=1200.0) == 8
    assert asked(at(4), tracking(high=[210.0]), last=last, now=1199.0) == 6  # 2 * 3, not 4 * 3
    going_on = replace(last, ended=None)
    assert asked(at(4), same, last=going_on, now=9999.0) is None


def test_a_clock_that_is_set_back_ends_cooldowns_and_hides_no_measurements() -> None:
    last = Change(base=2, before=2, after=4, ended=4500.0, cooldown=300.0)
    same = tracking(high=[140.0])
    assert asked(at(4), same, last=last, now=4600.0) is None
    assert asked(at(4), same, last=last, now=4499.0) is None, "a correction of a second is none"
    assert asked(at(4), same, last=last, now=1000.0) == 8
    early = Signal("a", True, 70.0, readings=((940.0, 140.0),))
    assert asked(at(4), Tracking("p", 70.0, high=early), last=last, now=1000.0) == 8


def test_after_a_change_only_what_was_measured_since_counts() -> None:
    last = Change(base=1, before=1, after=4, ended=900.0, cooldown=0.0)
    stale = Signal("a", True, 70.0, readings=((840.0, 250.0),))
    fresh = replace(stale, readings=((840.0, 250.0), (900.0, 80.0)))
    assert asked(at(4, most=20), Tracking("p", 70.0, high=stale), last=last) is None
    assert asked(at(4, most=20), Tracking("p", 70.0, high=fresh), last=last) == 5
    low = Signal("b", True, 63.0, True, ((840.0, 10.0), (900.0, 40.0)))
    assert asked(at(4), Tracking("p", 70.0, low=low), last=last) == 3


def test_a_scale_in_cools_scale_ins_and_no_scale_out() -> None:
    last = Change(base=6, before=6, after=4, ended=900.0, cooldown=300.0)
    assert asked(at(4), tracking(low=[10.0]), last=last, now=1199.0) is None
    assert decide(at(4, least=4), [tracking(low=[10.0])], last, 1199.0) == Decision()
    assert asked(at(4), tracking(low=[10.0]), last=last, now=1200.0) == 1
    assert asked(at(4), tracking(high=[140.0]), last=last, now=901.0) == 8


def test_a_suspended_target_stays_as_it_is() -> None:
    out, in_ = tracking(high=[140.0]), tracking(low=[10.0])
    assert decide(at(2, out_suspended=True), [out], None, 0.0) == Decision()
    assert decide(at(8, in_suspended=True), [in_], None, 0.0) == Decision()
    assert asked(at(2, in_suspended=True), out) == 4
    assert decide(at(10, out_suspended=True), [out], None, 0.0) == Decision()  # nor is it noted


# Steps --------------------------------------------------------------------------------------------

OUT = (Step(0, 10, 0), Step(10, 20, 10), Step(20, None, 30))
IN = (Step(-10, 0, 0), Step(-20, -10, -10), Step(None, -20, -30))


def stepping(
    value: float | None,
    steps: tuple[Step, ...] = OUT,
    kind: str = "PercentChangeInCapacity",
    below: bool = False,
    **more: Any,
) -> Stepping:
    values = () if value is None else (value,)
    signal = Signal("alarm", True, 50.0, below, read(values))
    return Stepping("s", kind, steps, signals=(signal,), **more)


def test_the_guides_example_of_steps() -> None:
    """ "How step scaling works": 10, 11, 14, 13, 10."""
    assert asked(at(10, most=20), stepping(60.0)) == 11
    assert asked(at(11, most=20), stepping(70.0)) == 14
    assert asked(at(14, most=20), stepping(40.0, IN, below=True)) == 13
    assert asked(at(13, most=20), stepping(30.0, IN, below=True)) == 10
    between = decide(at(10), [stepping(55.0)], None, 0.0)
    assert (between.wish, codes(between)) == (None, [AT_DESIRED])


@pytest.mark.parametrize(
    ("breach", "below", "adjustment"),
    [
        (0, False, 0),
        (9.9, False, 0),
        (10, False, 10),
        (20, False, 30),
        (1e9, False, 30),
        (-10, True, None),
    ],
)
def test_bounds_above_the_threshold(breach: float, below: bool, adjustment: int | None) -> None:
    found = chosen_step(OUT, breach, below)
    assert (found.adjustment if found else None) == adjustment


@pytest.mark.parametrize(
    ("breach", "adjustment"), [(0, 0), (-9.9, 0), (-10, -10), (-20, -30), (-1e9, -30)]
)
def test_bounds_below_the_threshold(breach: float, adjustment: int) -> None:
    found = chosen_step(IN, breach, True)
    assert found is not None
    assert found.adjustment == adjustment


@pytest.mark.parametrize(
    ("percent", "capacity", "magnitude", "wanted"),
    [
        (127, 10, 0, 22),  # 12.7 -> 12
        (67, 1, 0, 2),  # .67 -> 1
        (-58, 1, 0, 0),  # -.58 -> -1
        (-667, 1, 0, 0),
        (-67, 10, 0, 4),  # -6.7 -> -6
        (25, 4, 2, 6),
        (-25, 4, 2, 2),
        (0, 4, 0, 4),
    ],
)
def test_percentages_round_as_the_guide_has_it(
    percent: int, capacity: int, magnitude: int, wanted: int
) -> None:
    policy = stepping(None, magnitude=magnitude)
    assert adjusted(policy, percent, capacity) == wanted


def test_changes_exact_capacities_and_their_bounds() -> None:
    assert asked(at(3), stepping(60.0, (Step(0, None, 5),), "ChangeInCapacity")) == 8
    assert asked(at(3, most=6), stepping(60.0, (Step(0, None, 5),), "ChangeInCapacity")) == 6
    assert asked(at(3), stepping(60.0, (Step(0, None, 5),), "ExactCapacity")) == 5
    assert asked(at(8), stepping(60.0, (Step(0, None, 5),), "ExactCapacity")) == 5
    full = decide(at(6, most=6), [stepping(60.0, (Step(0, None, 5),), "ChangeInCapacity")], None, 0)
    assert codes(full) == [AT_MAX]


def test_a_larger_step_within_the_cooldown_adds_the_difference() -> None:
    """The guide: 2 were added, a step of 3 comes: only 1 is added."""
    steps = (Step(0, 10, 2), Step(10, None, 3))
    last = Change(base=4, before=4, after=6, ended=900.0, cooldown=300.0)
    more = stepping(60.0, steps, "ChangeInCapacity")
    same = stepping(50.0, steps, "ChangeInCapacity")
    assert asked(at(6), more, last=last) == 7
    assert decide(at(6), [same], last, 1000.0) == Decision()
    assert asked(at(6), same, last=last, now=1200.0) == 8


def test_a_step_scales_in_whatever_target_tracking_says() -> None:
    down = stepping(10.0, (Step(None, 0, -1),), "ChangeInCapacity", below=True)
    assert asked(at(5), tracking(), down) == 4
    assert asked(at(5), tracking(high=[140.0]), down) == 10


def test_an_alarm_that_was_set_by_hand_breaches_by_nothing() -> None:
    """SetAlarmState without data: the step at the threshold; from zero instances too."""
    step = stepping(None, (Step(0, None, 1),), "ChangeInCapacity")
    assert asked(at(0, least=0), step) == 1


def test_datapoints_are_aggregated_as_the_policy_says() -> None:
    signal = Signal("alarm", True, 50.0, readings=read((50.0, 80.0)))
    steps = (Step(0, 10, 1), Step(10, 20, 2), Step(20, None, 3))
    for aggregation, wanted in (("Minimum", 2), ("Average", 3), ("Maximum", 4)):
        policy = Stepping("s", "ChangeInCapacity", steps, 0, 300.0, aggregation, (signal,))
        assert asked(at(1), policy) == wanted
