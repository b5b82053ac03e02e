"""Items on several threads: in their order, never nested, with what the function raises."""

from __future__ import annotations

import threading

import pytest

from sagebrush.nlp.threads import ALONE, Threads, allowed


def test_items_are_worked_on_at_once_and_answers_are_in_order() -> None:
    together = threading.Barrier(3, timeout=30)

    def one(number: int) -> int:
        together.wait()  # passes only with three at once
        return number * 10

    assert Threads(3).map(one, [1, 2, 3]) == [10, 20, 30]


def test_one_item_and_one_thread_are_the_callers() -> None:
    me = threading.current_thread()
    assert Threads(2).map(lambda _: threading.current_thread(), [0]) == [me]
    assert ALONE.map(lambda _: threading.current_thread(), [0, 1]) == [me, me]


def test_within_a_thread_no_other_is_waited_for() -> None:
    threads = Threads(2)

    def outer(number: int) -> list[bool]:
        me = threading.current_thread()
        return threads.map(lambda _: threading.current_thread() is me, [number] * 3)

    assert threads.map(outer, [1, 2]) == [[True] * 3] * 2


def test_what_the_function_raises_is_raised() -> None:
    def fail(number: int) -> int:
        raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        Threads(2).map(fail, [1, 2])


@pytest.mark.parametrize(("given", "count"), [("2", 2), ("", 1), ("0", 1), ("x", 1)])
def test_as_many_as_the_process_may_use(
    given: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert vars(allowed())["_count"] == count
