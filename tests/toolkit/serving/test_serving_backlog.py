"""How many requests may wait, and what those beyond are told."""

from __future__ import annotations

import json

import pytest

from sagebrush.toolkit.serving import backlog, upkeep
from sagebrush.toolkit.serving.upkeep import Size


@pytest.mark.parametrize(
    ("rate", "room"),
    [(None, 1000), (5000.0, 1000), (200.0, 400), (10.0, 100), (1.0, 31), (0.02, 1)],
)
def test_the_faster_the_model_the_more_may_wait(rate: float | None, room: int) -> None:
    assert backlog.limit(rate) == room
    assert backlog.limit(rate, 7) == 7


@pytest.mark.parametrize(
    ("waiting", "rate", "seconds"), [(0, 10.0, 1), (95, 10.0, 10), (9000, 1.0, 60), (5, None, 1)]
)
def test_a_caller_is_told_when_to_come_again(
    waiting: int, rate: float | None, seconds: int
) -> None:
    found = backlog.retry_after(waiting, rate)
    assert found == seconds
    told = json.loads(backlog.refusal(waiting, found))
    assert (told["code"], told["type"]) == (503, "ServiceUnavailableException")
    assert told["retry_after"] == seconds
    assert told["message"].startswith("No worker is available to serve request for model")


@pytest.mark.parametrize("said", ["0", "-1", "1.5", "x"])
def test_a_bound_that_is_none_is_told(said: str) -> None:
    with pytest.raises(ValueError, match="SAGEBRUSH_QUEUE_SIZE"):
        backlog.asked({"SAGEBRUSH_QUEUE_SIZE": said})
    assert backlog.asked({}) is None


def test_workers_are_as_many_as_memory_is_for() -> None:
    assert upkeep.fitting(4, 300, 1000) == 2
    assert upkeep.fitting(4, 3000, 1000) == 1
    assert upkeep.fitting(4, 10, 1000) == 4
    assert upkeep.fitting(4, 300, 0) == 4, "where memory is not known"


def test_the_worker_that_has_grown_most_is_replaced_once_memory_is_short() -> None:
    grown = {1: Size(200, 100), 2: Size(700, 100), 3: Size(100, 100)}
    assert upkeep.leaking(grown, 1000) == 2
    assert upkeep.leaking(grown, 2000) is None
    assert upkeep.leaking({1: Size(950, 900)}, 1000) is None, "large, but as it was loaded"
