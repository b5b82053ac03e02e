"""One thread that turns when it is woken or its sleep is over, and the pool for what its turns begin."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

log = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds until the turn after one that failed."""


class Turns:
    """Turns until it is stopped, and survives whatever a turn raises (a full disk, for example)."""

    def __init__(self, name: str, threads: int, turn: Callable[[], float], trouble: str) -> None:
        """`turn` gives the seconds that the thread may sleep; `trouble` says what one that raised could
        not do, for the log."""
        self._turn = turn
        self._trouble = trouble
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._turning = threading.Lock()
        """Held while something begins."""
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._thread = threading.Thread(target=self._run, name=f"{name}-loop", daemon=True)

    def start(self) -> None:
        """Turns from now on, in a thread of its own."""
        self._thread.start()

    def wake(self) -> None:
        """The next turn is now."""
        self._woken.set()

    @property
    def woken(self) -> bool:
        """Whether a turn is to come at once."""
        return self._woken.is_set()

    @property
    def stopping(self) -> bool:
        """Whether nothing more begins."""
        return self._stopping.is_set()

    def paused(self, seconds: float) -> bool:
        """Whether it was stopped meanwhile; returns then at once."""
        return self._stopping.wait(seconds)

    def stop(self, running: Callable[[], Iterable[Future[None]]], timeout: float) -> None:
        """Nothing more begins; waits up to `timeout` seconds for the turn, and as long for what is
        `running` after it. Repeatable."""
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self.pool.shutdown(wait=False, cancel_futures=True)
        wait(list(running()), timeout)

    @contextmanager
    def held(self) -> Iterator[None]:
        """No turn is taken within; what it has begun goes on."""
        with self._turning:
            yield
        self.wake()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                with self._turning:
                    timeout = self._turn()
            except Exception:
                log.exception("%s; trying again", self._trouble)
                timeout = PAUSE
            self._woken.wait(timeout)
