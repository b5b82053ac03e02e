"""How many blank environments there are to be."""

from __future__ import annotations

from sagebrush.routing.functions.blanks import MOST, PART, REMEMBERED, SIZE, STOCK, Demand, most


def taken(demand: Demand, count: int, now: float) -> None:
    """So many were asked for, and then there were enough."""
    for _ in range(count):
        demand.took(now)
    demand.met()


def test_a_burst_is_remembered_for_a_while() -> None:
    demand = Demand()
    taken(demand, 1, 1.0)
    assert demand.wanted(1.0) == STOCK
    taken(demand, 10, 2.0)
    assert demand.taken == 2.0
    taken(demand, 1, 3.0)
    assert demand.wanted(2.0 + REMEMBERED) == 10
    assert demand.wanted(2.1 + REMEMBERED) == STOCK


def test_a_smaller_one_after_it_is_remembered_for_longer() -> None:
    demand = Demand()
    for size, now in ((30, 1.0), (5, 2.0), (12, 3.0)):
        taken(demand, size, now)
    assert demand.wanted(3.0) == 30
    assert demand.wanted(2.0 + REMEMBERED) == 12
    assert demand.wanted(4.0 + REMEMBERED) == STOCK


def test_what_comes_after_there_were_enough_is_another_burst() -> None:
    demand = Demand()
    for _ in range(40):
        taken(demand, STOCK, 1.0)
    assert demand.wanted(1.0) == STOCK


def test_the_hosts_memory_bounds_them() -> None:
    assert most(0) == STOCK
    assert most(20 * PART * SIZE) == 20
    assert most(1 << 50) == MOST
