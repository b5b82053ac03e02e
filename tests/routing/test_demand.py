"""Who waits for what sleeps, and what is known of its use."""

from __future__ import annotations

import pytest

from sagebrush.routing.demand import SPAN, Demand, Full
from tests.conftest import Clock

KEY = (("123456789012", "us-east-1", "e"), "")


def test_no_more_are_inside_than_may_be() -> None:
    demand = Demand(Clock(100.0))
    first, _ = demand.enter(KEY, 2), demand.enter(KEY, 2)
    with pytest.raises(Full):
        demand.enter(KEY, 2)
    demand.leave(KEY, first)
    demand.leave(KEY, first)
    demand.enter(KEY, 2)
    with pytest.raises(Full):
        demand.enter(KEY, 2)


def test_the_use_is_seen_and_what_was_used_last() -> None:
    clock = Clock(100.0)
    demand = Demand(clock)
    assert (demand.seen(KEY).last, demand.began) == (0.0, 100.0)
    clock.forward(5)
    with demand.entered(KEY, None):
        assert (demand.seen(KEY).inside, demand.seen(KEY).last) == (1, 105.0)
        clock.forward(7)
    assert (demand.seen(KEY).inside, demand.seen(KEY).last) == (0, 112.0)
    assert demand.seen(KEY).peaks == ((100.0, 1),)


def test_a_failure_is_told_to_those_who_wait_and_held_longer_each_time() -> None:
    clock = Clock(100.0)
    demand = Demand(clock)
    waits, runs = demand.enter(KEY, None), demand.enter(KEY, None)
    runs.waiting = False
    demand.failed(KEY, "it ends")
    assert (waits.why, runs.why) == ("it ends", "")
    assert demand.seen(KEY).inside == 1
    assert demand.held(KEY) == "it ends"
    clock.forward(1)
    assert demand.held(KEY) == ""
    demand.failed(KEY, "it ends again")
    clock.forward(1)
    assert demand.held(KEY) == "it ends again"
    demand.up(KEY)
    assert (demand.held(KEY), demand.seen(KEY).failed) == ("", "")


def test_those_beyond_what_is_provisioned_are_counted() -> None:
    demand = Demand(Clock(100.0))
    for _ in range(3):
        demand.enter(KEY, 5, provisioned=2)
    assert demand.counted(KEY) == (3, 3, 1)
    assert demand.counted(KEY) == (3, 0, 0)


def test_a_failure_beside_one_that_answers_forgets_no_use() -> None:
    demand = Demand(Clock(100.0))
    with demand.entered(KEY, None):
        pass
    demand.failed(KEY, "it ends", serves=True)
    assert (demand.seen(KEY).last, demand.held(KEY)) == (100.0, "it ends")
    demand.failed(KEY, "it ends")
    assert demand.seen(KEY).last == 0.0


def test_a_deleted_endpoint_leaves_nothing_to_another_of_its_name() -> None:
    demand = Demand(Clock(100.0))
    asking = demand.enter(KEY, 1)
    demand.failed(KEY, "it ends")
    demand.forget(KEY[0])
    assert demand.held(KEY) == ""
    demand.leave(KEY, asking)
    demand.enter(KEY, 1)


def test_a_clock_that_is_set_back_makes_no_use_of_the_future() -> None:
    clock = Clock(7200.0)
    demand = Demand(clock)
    for count in (1, 2):
        for asking in [demand.enter(KEY, None) for _ in range(count)]:
            demand.leave(KEY, asking)
        clock.forward(20)
    clock.now -= 3600
    now = clock.now
    assert (demand.seen(KEY).last, demand.began) == (now, now)
    assert demand.seen(KEY).peaks == ((now // SPAN * SPAN, 2),)
    clock.forward(30)
    assert demand.seen(KEY).last == now, "idleness is counted from then on"
    demand.failed(KEY, "no luck")
    clock.now -= 3600
    assert demand.held(KEY) == "no luck"
    clock.forward(61)
    assert demand.held(KEY) == ""
