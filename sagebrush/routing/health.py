"""Health checks of replicas and notebook servers: a thread repeats one GET until it gives 200."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sagebrush.compute.base import Backend, Pending, Running
from sagebrush.net import dial

log = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds that a container may take for one /ping (SageMaker's own limit)."""
FIRST_WAIT, LONGEST_WAIT = 0.01, 0.1
"""Seconds between two checks of a server that does not answer yet."""


class Health:
    """Which servers have answered since this process started (`World.health`). Thread-safe."""

    def __init__(
        self, backend: Backend, clock: Callable[[], float], due: Callable[[int], None]
    ) -> None:
        """`due(row_id)` makes a row due now and wakes the loop; it is called in a thread."""
        self._backend = backend
        self._clock = clock
        self._due = due
        self._guard = threading.Lock()
        self._ready: set[str] = set()
        self._watched: set[str] = set()

    def ready(self, key: str) -> bool:
        """Returns whether the server under `key` answered 200 while it was watched."""
        return key in self._ready

    def watch(self, key: str, row_id: int, path: str, until: float) -> None:
        """Makes the row due once the server under `key` answers GET `path` with 200, its process
        ends, or the clock reaches `until`. Repeatable."""
        with self._guard:
            if key in self._watched or key in self._ready:
                return
            self._watched.add(key)
        threading.Thread(
            target=self._wait, args=(key, row_id, path, until), name=f"watch-{key}", daemon=True
        ).start()

    def forget(self, key: str) -> None:
        """Drops what is known of `key`."""
        with self._guard:
            self._ready.discard(key)

    def _wait(self, key: str, row_id: int, path: str, until: float) -> None:
        try:
            if self._answers(key, path, until):
                with self._guard:
                    self._ready.add(key)
        finally:
            with self._guard:
                self._watched.discard(key)
            try:
                self._due(row_id)
            except Exception:  # the server is ending and its database is closed
                log.debug("the row of %s could not be made due", key)

    def _answers(self, key: str, path: str, until: float) -> bool:
        """Waits for a 200; returns False if the process ends or the clock reaches `until`."""
        wait, pause = FIRST_WAIT, threading.Event()
        while self._clock() < until:
            state = self._backend.poll(key)
            if isinstance(state, Running):
                if state.address and ping(state.address, path):
                    return True
            elif not isinstance(state, Pending):
                return False
            pause.wait(wait)
            wait = min(wait * 1.25, LONGEST_WAIT)
        return False


def ping(address: str, path: str) -> bool:
    """Returns whether GET `path` is answered with 200 within TIMEOUT."""
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with dial.connect_sync(address, TIMEOUT) as sock:
            sock.settimeout(TIMEOUT)
            sock.sendall(asked.encode())
            head = b""
            while len(head) < 12:
                more = sock.recv(4096)
                if not more:
                    return False
                head += more
            return head[:7] == b"HTTP/1." and head[8:12] == b" 200"
    except OSError:
        return False
