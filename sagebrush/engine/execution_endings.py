"""Who waits for the end of executions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any

from sagebrush.store.execution_values import RUNNING, Run


class Endings:
    """Futures of executions' ends, by ARN. Thread-safe."""

    def __init__(self, find: Callable[[str], Run | None]) -> None:
        """`find`: the execution of an ARN as it is stored."""
        self._find = find
        self._waiting: dict[str, list[Future[Run]]] = {}
        self._guard = threading.Lock()

    def of(self, arn: str) -> Future[Run]:
        """The execution as it is once it has ended. Raises LookupError where it is gone."""
        future = self.expect(arn)
        run = self._find(arn)
        if run is not None and run.status != RUNNING:
            self.tell(run)
        elif run is None:
            with self._guard:
                left = [one for one in self._waiting.pop(arn, ()) if one is not future]
                if left:
                    self._waiting[arn] = left
            answer(future, error=LookupError(arn))
        return future

    def expect(self, arn: str) -> Future[Run]:
        """As `of`, for an execution that is about to begin."""
        future: Future[Run] = Future()
        with self._guard:
            self._waiting.setdefault(arn, []).append(future)
        return future

    def tell(self, run: Run) -> None:
        """The execution has ended."""
        with self._guard:
            waiting = self._waiting.pop(run.arn, ())
        for future in waiting:
            answer(future, run)

    def clear(self) -> list[Future[Run]]:
        """Nobody waits any more; who did."""
        with self._guard:
            waiting, self._waiting = self._waiting, {}
        return [future for each in waiting.values() for future in each]


def answer(future: Future[Any], result: Any = None, error: BaseException | None = None) -> None:
    """The future has its answer, unless nobody waits any more."""
    try:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
    except InvalidStateError:
        pass
