"""How many blank environments there are to be."""

from __future__ import annotations

from sagebrush.routing.functions.blanks import MOST, REMEMBERED, STOCK, Demand


def test_those_that_lacked_are_remembered_for_a_while() -> None:
    demand = Demand()
    demand.took(False, 1.0)
    assert demand.wanted(1.0) == STOCK
    for _ in range(3):
        demand.took(True, 2.0)
    assert demand.wanted(2.0 + REMEMBERED) == STOCK + 3
    demand.took(False, 3.0)
    assert demand.wanted(2.1 + REMEMBERED) == STOCK


def test_there_is_a_bound() -> None:
    demand = Demand()
    for _ in range(2 * MOST):
        demand.took(True, 5.0)
    assert demand.wanted(5.0) == MOST
    assert demand.taken == 5.0
