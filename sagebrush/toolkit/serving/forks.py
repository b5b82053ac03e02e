"""What the masters of both model servers share: how their loop begins, and how they fork."""

from __future__ import annotations

import mmap
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable

from sagebrush.toolkit.serving import batches, worker
from sagebrush.toolkit.serving.workers import LOOK, Worker

Selector = selectors.BaseSelector


def hear(
    selector: Selector, listener: socket.socket, stop: Callable[[], object]
) -> tuple[socket.socket, socket.socket]:
    """The loop hears of connections (its key's data is "listener") and of signals ("signal"): SIGTERM
    and SIGINT call `stop`, the end of a child only wakes it. Returns the sockets that signals go
    through, the one to write to first: they are to be kept."""
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ, "listener")
    wake, woken = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    selector.register(woken, selectors.EVENT_READ, "signal")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop
    return wake, woken


def fork(
    become: Callable[[socket.socket, mmap.mmap], int], let_go: Callable[[], object], more: int = 0
) -> Worker:
    """A child that runs `become(control, progress)` and exits with what it returns, once `let_go` has
    closed what is its master's; it ends with its master. `more`: bytes of shared memory beyond those
    that tell how far requests are."""
    ours, theirs = socket.socketpair()
    progress = mmap.mmap(-1, 2 * batches.LARGEST + more)
    sys.stdout.flush()
    sys.stderr.flush()
    master = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            let_go()
            ours.close()
            worker.end_with(master)
            code = become(theirs, progress)
        finally:
            sys.stdout.flush()
            os._exit(code)
    theirs.close()
    now = time.monotonic()
    return Worker(pid, ours, progress, at=now, look_at=now + LOOK)


def close_all(
    selector: Selector, wake: socket.socket, clients: Iterable[socket.socket | None]
) -> None:
    """In a fork: nothing of the master's stays open (a client's end must be seen as one), and signals
    act as in a new process, but SIGINT, which is the master's to heed."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for key in list(selector.get_map().values()):
        if isinstance(key.fileobj, socket.socket):
            key.fileobj.close()
    for client in clients:
        if client is not None:
            client.close()
    wake.close()
    selector.close()
