"""A server's worker processes as its master sees them, and the limits to which it holds them."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from sagebrush.toolkit.serving import batches
from sagebrush.toolkit.serving.callers import Waiting

LOOK = 1.0
"""Seconds between two looks at a busy worker: whether its callers still wait, and its time."""


@dataclass(frozen=True)
class Limits:
    """What the master holds to."""

    workers: int
    """Workers to keep alive."""
    seconds: float
    """For which a worker may be at one request, or one batch, before it is ended."""
    queue: int | None = None
    """Requests that may wait; None: by the pace."""
    memory: int = 0
    """Bytes of the instance, 0 where it is not known."""
    chosen: bool = False
    """Whether the user chose the number of workers, so that memory does not lower it."""


@dataclass(eq=False)
class Worker:
    """A worker process as the master sees it."""

    pid: int
    control: socket.socket
    progress: mmap.mmap
    """How far each request is that it was handed: shared memory."""
    ready: bool = False
    loaded: int = 0
    """Bytes that it held when its model was loaded."""
    slots: dict[int, Waiting] = field(default_factory=dict)
    """The connections that it answers now, by their places in `progress`."""
    ahead: dict[int, Waiting] = field(default_factory=dict)
    """Those that it was handed ahead, to be answered next."""
    base: int = 0
    """The first place of `slots`; those of `ahead` begin in the other half."""
    given: int = 0
    """How many it was handed at once."""
    at: float = 0.0
    look_at: float = 0.0
    """When to look at it again (monotonic seconds)."""
    ended: str = ""
    """Why the master ended it, if it did."""
    late: bool = False
    """It was ended because its time was up."""

    def hand(self, group: Sequence[Waiting], now: float) -> None:
        """It answers `group` now, or next where it is at work. Raises OSError when it is gone."""
        base = batches.LARGEST - self.base if self.slots else self.base
        self.progress[base : base + len(group)] = bytes(len(group))
        socket.send_fds(self.control, [bytes([base])], [w.client.fileno() for w in group])
        self.ahead = dict(enumerate(group, base))
        if not self.slots:
            self.go_on(now)

    def go_on(self, now: float) -> None:
        """What it was handed ahead is what it answers now."""
        self.slots, self.ahead = self.ahead, {}
        self.given, self.base = len(self.slots), min(self.slots, default=self.base)
        self.at, self.look_at = now, now + LOOK

    def exit_code(self, end: bool) -> int | None:
        """How the process ended, None where it runs on; `end`: it is to end now. Once it was told
        it must not be asked again."""
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid and end:
                os.kill(self.pid, signal.SIGKILL)
                pid, status = os.waitpid(self.pid, 0)
            return os.waitstatus_to_exitcode(status) if pid else None
        return 0


def how(code: int) -> str:
    """An exit code in words."""
    return f"signal {-code}" if code < 0 else f"exit {code}"
