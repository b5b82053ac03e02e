"""How many replicas a variant should have by its use: values and time in, a number out."""

from __future__ import annotations

import pytest

from sagebrush.routing.demand import Seen
from sagebrush.services.sagemaker.hosting.elastic import Rule, Target, target

SERVERLESS = Rule(least=0, most=4, idle=300.0, by_request=True)
KEPT = Rule(least=2, most=4, idle=300.0, by_request=True)
SLEEPS = Rule(least=0, most=3, idle=60.0, by_request=False)


@pytest.mark.parametrize(
    ("rule", "seen", "up", "serving", "count"),
    [
        (SERVERLESS, Seen(0, 0.0), 0.0, 0, 0),  # nobody ever asked
        (SERVERLESS, Seen(1, 1000.0), 0.0, 0, 1),  # the first call
        (SERVERLESS, Seen(3, 1000.0), 900.0, 1, 3),  # one for each
        (SERVERLESS, Seen(9, 1000.0), 900.0, 1, 4),  # as far as there may be
        (SERVERLESS, Seen(0, 990.0, ((980.0, 3),)), 900.0, 3, 3),  # kept for the next burst
        (SERVERLESS, Seen(0, 990.0, ((600.0, 3), (990.0, 1))), 500.0, 3, 1),  # that was long ago
        (SERVERLESS, Seen(0, 690.0), 500.0, 1, 0),  # idle
        (SERVERLESS, Seen(0, 0.0), 990.0, 1, 1),  # just came up
        (SERVERLESS, Seen(1, 1000.0, (), "it ends", 1010.0), 0.0, 0, 0),  # held after a failure
        (SERVERLESS, Seen(3, 1000.0, (), "it ends", 1010.0), 900.0, 1, 1),
        (SERVERLESS, Seen(1, 1000.0, (), "it ended", 999.0), 0.0, 0, 1),
        (KEPT, Seen(0, 0.0), 0.0, 0, 2),
        (KEPT, Seen(0, 0.0), 100.0, 2, 2),
        (KEPT, Seen(3, 1000.0), 100.0, 2, 3),
        (SLEEPS, Seen(0, 990.0), 500.0, 3, 3),
        (SLEEPS, Seen(0, 900.0), 500.0, 3, 0),
        (SLEEPS, Seen(1, 900.0), 0.0, 0, 3),
        (SLEEPS, Seen(1, 800.0), 500.0, 3, 3),  # a long answer
    ],
)
def test_the_count_follows_the_use(
    rule: Rule, seen: Seen, up: float, serving: int, count: int
) -> None:
    assert target(rule, seen, up, serving, 1000.0).count == count


def test_the_next_look_is_when_something_may_change() -> None:
    assert target(SLEEPS, Seen(0, 990.0), 500.0, 3, 1000.0) == Target(3, 50.0)
    assert target(SLEEPS, Seen(0, 500.0), 500.0, 3, 1000.0).due == float("inf")
    two = Seen(0, 990.0, ((800.0, 3), (990.0, 1)))
    assert target(SERVERLESS, two, 0.0, 3, 1000.0) == Target(3, 100.0)
    held = Seen(1, 1000.0, (), "it ends", 1010.0)
    assert target(SERVERLESS, held, 0.0, 0, 1000.0) == Target(0, 10.0)
