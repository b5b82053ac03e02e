"""A server's worker processes as its master sees them, and the limits to which it holds them."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import socket
from dataclasses import dataclass, field

from sagebrush.toolkit.serving.callers import Waiting


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
    """The connections that it answers now."""
    given: int = 0
    """How many it was handed at once."""
    at: float = 0.0
    look_at: float = 0.0
    """When to look at it again (monotonic seconds)."""
    ended: str = ""
    """Why the master ended it, if it did."""
    late: bool = False
    """It was ended because its time was up."""

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
