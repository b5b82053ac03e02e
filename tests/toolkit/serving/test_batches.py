"""How many requests are answered together: sizes by measured times, sharing, holding."""

from __future__ import annotations

import types

import pytest

from sagebrush.toolkit.serving import batches
from sagebrush.toolkit.serving.batches import Pace, Rule


def paced(fixed: float, each: float, counts: list[int]) -> Pace:
    """The pace after batches of `counts`, each of which took `fixed` + `each` * its size."""
    pace = Pace()
    for count in counts:
        pace = pace.after(count, fixed + each * count)
    return pace


def test_the_cost_of_one_more_request_is_the_slope() -> None:
    pace = paced(0.004, 0.001, [1, 2, 4, 8, 3])
    each, takes = pace.each(), pace.takes(10)
    assert each == pytest.approx(0.001)
    assert takes == pytest.approx(0.014)


def test_equal_sizes_tell_no_slope_and_count_as_if_nothing_were_shared() -> None:
    assert paced(0.004, 0.001, [1] * 9).each() == pytest.approx(0.005)
    assert Pace().each() is None


def test_the_past_is_forgotten() -> None:
    pace = paced(0.0, 0.1, [1, 2, 3] * 20)
    for count in [1, 2, 3] * 150:
        pace = pace.after(count, 0.001 * count)
    assert pace.each() == pytest.approx(0.001, rel=0.2)


@pytest.mark.parametrize(
    ("each", "waited", "size"),
    [
        (0.0, 0.0, 32),
        (0.001, 0.0, 32),
        (0.0049, 0.0, 11),
        (0.04, 0.0, 2),
        (0.2, 0.0, 1),
        (0.0099, 0.1, 11),  # those that wait longer may be made to wait as long again
        (0.2, 30.0, 32),
    ],
)
def test_a_batch_adds_at_most_the_bound(each: float, waited: float, size: int) -> None:
    assert batches.size(Rule(32), paced(0.1, each, [1, 2, 3, 2]), waited) == size


def test_the_users_size_is_not_adapted_and_the_first_try_is_two() -> None:
    slow = paced(0.0, 1.0, [1, 2, 3])
    assert batches.size(Rule(32, fixed=True), slow, 0) == 32
    assert batches.size(Rule(32), Pace(), 0) == 2
    assert batches.size(Rule(32), paced(0.0, 1.0, [1, 1]), 0) == 2, "else it would never be known"
    assert batches.size(Rule(1), Pace(), 0) == 1


def test_what_waits_is_spread_over_the_free_workers() -> None:
    assert [batches.share(n, 2, 8) for n in (1, 2, 3, 9, 40)] == [1, 1, 2, 5, 8]


@pytest.mark.parametrize(
    ("waiting", "first", "before", "now", "held"),
    [
        (1, 10.0, 3.0, 10.0, 0.0),  # nothing came lately: an idle server answers at once
        (1, 10.0, 9.99, 10.0, 0.02),
        (1, 10.0, 9.99, 10.015, 0.005),
        (3, 10.0, 9.99, 10.03, 0.0),
        (8, 10.0, 9.99, 10.0, 0.0),  # a full batch
    ],
)
def test_a_request_is_held_only_while_others_come_and_for_the_delay_at_most(
    waiting: int, first: float, before: float, now: float, held: float
) -> None:
    rule = Rule(8, 0.02, fixed=True)
    assert batches.hold(rule, waiting, first, before, now) == pytest.approx(held)
    assert batches.hold(Rule(8), waiting, first, before, now) == 0


def test_the_environment_wins_over_the_module_and_both_over_the_default() -> None:
    module = types.SimpleNamespace(SAGEBRUSH_BATCH_SIZE=4, SAGEBRUSH_BATCH_DELAY_MS=10)
    assert batches.rule({}, None, 32) == Rule(32)
    assert batches.rule({}, module, 32) == Rule(4, 0.01, fixed=True)
    environ = {"SAGEBRUSH_BATCH_SIZE": "1000", "SAGEBRUSH_BATCH_DELAY_MS": "9000"}
    assert batches.rule(environ, module, 32) == Rule(batches.LARGEST, 0.25, fixed=True)


@pytest.mark.parametrize("said", ["0", "-3", "many", "nan"])
def test_no_size_is_told(said: str) -> None:
    with pytest.raises(ValueError, match="SAGEBRUSH_BATCH_SIZE"):
        batches.rule({"SAGEBRUSH_BATCH_SIZE": said}, None, 32)
