"""When a notebook is idle: only when all is known and nothing is going on."""

from __future__ import annotations

import pytest

from sagebrush.engine import idle
from sagebrush.errors import Doc

NOW = 1_000_000.0
QUIET: Doc = {
    "busy_kernels": 0,
    "terminals_running": 0,
    "programs": 0,
    "last_activity": NOW - 3600,
}


def test_nothing_for_long_enough_is_idle() -> None:
    stop, reason = idle.decide(NOW, QUIET, NOW - 3600, 30)
    assert stop
    assert "60 minutes" in reason
    assert "limit: 30" in reason


@pytest.mark.parametrize(
    ("changed", "last_request", "words"),
    [
        ({"busy_kernels": 1}, 0.0, "1 kernel is busy"),
        ({"busy_kernels": 2}, 0.0, "2 kernels are busy"),
        ({"terminals_running": 1}, 0.0, "a program runs in 1 terminal"),
        ({"programs": 1}, 0.0, "1 program left running"),
        ({"programs": 3}, 0.0, "3 programs left running"),
        ({"last_activity": NOW - 60}, 0.0, "1 minutes ago"),
        ({}, NOW - 120, "2 minutes ago"),
        ({"busy_kernels": None}, 0.0, "not known"),
    ],
)
def test_any_use_keeps_it(changed: Doc, last_request: float, words: str) -> None:
    stop, reason = idle.decide(NOW, {**QUIET, **changed}, last_request, 30)
    assert not stop
    assert words in reason


def test_what_is_not_known_is_use() -> None:
    assert idle.decide(NOW, None, 0.0, 30) == (False, "its activity is not known")
    assert not idle.decide(NOW, {}, 0.0, 30)[0]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30", 30.0), ("0", None), ("-1", None), ("soon", None), ("inf", None), ("nan", None)],
)
def test_the_tag_says_after_how_long(text: str, minutes: float | None) -> None:
    assert idle.minutes({idle.MINUTES: text}) == minutes


def test_it_is_off_unless_asked_for() -> None:
    assert idle.minutes({}) is None
    assert not idle.dry_run({})
    assert idle.dry_run({idle.DRY_RUN: "True"})
