"""What work a write belongs to: nothing that began before all was deleted writes afterwards.

Everything is deleted at once (`store.emptying`) while requests, steps of reconcilers and samples of
what jobs use are under way. Rows by their ids never come back by themselves, but names do: an object
of a bucket that the next test makes again, a log group, a child, a reservation. So each piece of work
belongs to the generation in which it began, and the writer refuses what belongs to an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from sagebrush.errors import AwsError

P = ParamSpec("P")
T = TypeVar("T")


class Outdated(AwsError):
    """Everything was deleted after the work, of which the write is a part, had begun."""

    def __init__(self) -> None:
        # S3's word for what others interfere with; SDKs do not repeat a 409
        super().__init__(
            "OperationAborted",
            "The account was emptied (POST /_sagebrush/reset) after this had begun.",
            409,
        )


class Generations:
    """Which generation is now, and of which the work of this thread or task is."""

    def __init__(self) -> None:
        self.now = 0
        """The number of the generation; changed by `next` alone."""
        self._mine: ContextVar[int | None] = ContextVar("generation", default=None)

    def begin(self) -> None:
        """The work of this task begins now: what it writes is of this generation."""
        self._mine.set(self.now)

    @contextmanager
    def of(self, generation: int) -> Iterator[None]:
        """What is done within belongs to that generation."""
        token = self._mine.set(generation)
        try:
            yield
        finally:
            self._mine.reset(token)

    def begun(self, function: Callable[P, T]) -> Callable[P, T]:
        """`function`, as work that begins now, whichever thread calls it."""
        generation = self.now

        def run(*args: P.args, **given: P.kwargs) -> T:
            with self.of(generation):
                return function(*args, **given)

        return run

    def guarded(self, function: Callable[P, T]) -> Callable[P, T]:
        """`function` as part of the work of this thread or task: whenever it is called, it raises
        Outdated instead if the generation of that work is over."""
        generation = self._mine.get()
        if generation is None:
            return function

        def run(*args: P.args, **given: P.kwargs) -> T:
            if generation != self.now:
                raise Outdated
            return function(*args, **given)

        return run

    def check(self) -> None:
        """Raises Outdated where the work of this thread or task is of a generation that is over."""
        self.guarded(lambda: None)()

    def next(self) -> None:
        """A new generation begins. Only the database's writer calls it, in a transaction, so that
        each write is wholly before or after."""
        self.now += 1
