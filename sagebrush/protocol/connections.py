"""Who holds how many connections: each sandbox a share, and a reserve of descriptors for all else.

A process has so many descriptors (RLIMIT_NOFILE), and each connection needs up to three: its own, and
a file or a connection onwards. So one sandbox has at most its share of connections, over all its
listeners; none is taken out of sandboxes while half of the table is in use, and none by the public
ports while three quarters are: files, the database and what a request opens come out of the rest.
Where there is no room, connections wait in the kernel's backlog, and the longest idle one is closed
for them, as nginx does with its `reusable` connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WANTED = 65_536
"""Descriptors that the process asks for, where it may; containers of AWS have as many."""
INSIDE, OUTSIDE = 1 / 2, 3 / 4
"""The parts of the table in use above which no connection comes out of sandboxes, or by the ports."""
LEAST = 16
"""Connections that a sandbox may hold even then, so that many others do not shut it out."""
BODIES = 32
"""Large bodies of one sandbox that are received at once: each takes up to 16 MiB of memory."""
STREAMS = 32
"""Answers on their way to one sandbox beyond which each takes small steps: unread ones are in memory."""
LOOKUPS = 4
"""Names that are looked up for one sandbox at once: each holds a thread."""


def raise_limit() -> int:
    """The descriptors that this process may hold: as many as it wants, or as its hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """The descriptors that this process may hold."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


class Descriptors:
    """The process's table of descriptors, with `size` places."""

    def __init__(self, size: int) -> None:
        self.size = size

    def past(self, part: float, known: int) -> bool:
        """Whether that part of the table is in use; `known` is any open descriptor.

        The system gives the lowest free number, so a new one's number shows how many are in use.
        """
        try:
            number = os.dup(known)
        except OSError:
            return True
        os.close(number)
        return number >= part * self.size


class Held:
    """An accepted connection: idle, waiting for its peer, or busy; idle at first.

    The code that serves it calls `waits`, `busy` and `idle` at each change; its share may close
    one that is idle, or waits for long, in favour of a new connection, but never a busy one. `end`
    is final, and must be called once the connection is closed. Used in the share's thread only.
    """

    __slots__ = ("cut", "left", "share", "since", "state", "transport")

    def __init__(self, share: Share) -> None:
        self.share = share
        self.cut: Callable[[], object] | None = None
        """Ends the connection at once; None while it cannot be ended."""
        self.left: Callable[[], object] | None = None
        """Called when the connection has ended: whose answer is waited for has no reader."""
        self.transport: Any = None
        self.state: OrderedDict[Held, None] | None = None
        """The queue of its share that holds it: `idle` or `stalled`; None: it is busy."""
        self.since = 0.0

    def begin(self, transport: Any) -> None:
        """Attaches the transport of its protocol; `cut` is `reset` from now on."""
        self.transport, self.cut = transport, self.reset

    def reset(self) -> None:
        """Ends the connection at once with an RST to its peer: bytes sent and not yet read are
        discarded, which the system would otherwise keep for long."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError, ValueError):  # it may be closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def idle(self) -> None:
        """No request is being answered on it: the share may close it."""
        self._enter(self.share.idle)

    def waits(self) -> None:
        """In the middle of a request it waits for its peer."""
        self._enter(self.share.stalled)

    def busy(self) -> None:
        """A request on it is being worked on: the share does not close it."""
        if self.state is not None:
            self.state.pop(self, None)
            self.state = None

    def _enter(self, state: OrderedDict[Held, None]) -> None:
        if self not in self.share.all:  # it was lost while its request was answered: nobody cuts it
            return
        if self.state is not None:
            self.state.pop(self, None)
        self.state, self.since = state, self.share.clock()
        state[self] = None

    def end(self) -> None:
        """Removes it from its share, once it is closed. Repeatable."""
        self.busy()
        self.share.released(self)
        if self.left is not None:
            self.left()


@dataclass(frozen=True)
class Limits:
    """What a share may use at once; the defaults limit almost nothing."""

    connections: int = 1 << 20
    part: float = 1.0
    """Part of the process's descriptor table in use above which no connection is accepted."""
    least: int = 0
    """Connections that are accepted even then."""
    turns: int = 1 << 20
    """Operations that run, or wait for a thread."""
    bodies: int = 1 << 20
    """Large bodies that are received."""
    lookups: int = LOOKUPS
    settled: float = 1.0
    """Seconds of idleness after which a connection may be closed for another: a client that has just
    connected is about to ask."""
    stalled: float = 5.0
    """The same for one whose peer is waited for in the middle of a request."""


def of_sandbox(table: Descriptors, connections: int, threads: int) -> Limits:
    """The limits of one sandbox, which may hold so many `connections`, on a server with so many
    `threads` for operations: half of them, and no more of a small table than is fair."""
    fair = min(connections, max(LEAST, table.size // 16))
    return Limits(
        fair,
        INSIDE,
        LEAST,
        turns=max(1, threads // 2),
        bodies=BODIES,
        settled=5.0,  # its clients may have little CPU, and who waits is the same job
        stalled=float("inf"),
    )


class Share:
    """The connections of one sandbox, or of all clients outside of sandboxes, and their limits.

    `take` adds a connection after `room` has allowed it, and `Held.end` removes it. The semaphores
    bound what its requests do at once: `turns` operations, `bodies` large bodies, `lookups` name
    lookups. Only the thread of the server's event loop may use it; nothing here is locked.
    """

    def __init__(
        self, table: Descriptors, limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.table, self.limits, self.clock = table, limits, clock
        self.turns = asyncio.Semaphore(limits.turns)
        self.bodies = asyncio.Semaphore(limits.bodies)
        self.lookups = asyncio.Semaphore(limits.lookups)
        self.streams = 0
        """Answers that are being sent piece by piece."""
        self.all: set[Held] = set()
        self.idle: OrderedDict[Held, None] = OrderedDict()
        self.stalled: OrderedDict[Held, None] = OrderedDict()
        self._leaving: set[Held] = set()
        self._waiting: set[Callable[[], object]] = set()

    def room(self, known: int) -> bool:
        """Whether another connection may be accepted; where not, an idle one is closed for it.

        `known` is any open descriptor.
        """
        held, limits = len(self.all), self.limits
        crowded = held >= limits.connections
        if not crowded and held >= limits.least:
            crowded = self.table.past(limits.part, known)
        if crowded:
            self._make_room()
        return not crowded

    def take(self) -> Held:
        """Adds a connection, idle at first, and returns it."""
        held = Held(self)
        self.all.add(held)
        held.idle()
        return held

    def released(self, held: Held) -> None:
        """Removes a closed connection, and calls those that wait for room."""
        self.all.discard(held)
        self._leaving.discard(held)
        waiting, self._waiting = self._waiting, set()
        for look in waiting:
            look()

    def sending(self) -> bool:
        """Whether bytes of an answer still wait for their peer to read."""
        sending = (h.transport for h in self.all if h.transport is not None)
        return any(transport.get_write_buffer_size() for transport in sending)

    def cut(self) -> None:
        """Ends all its connections at once."""
        for held in list(self.all):
            if held.transport is not None:
                held.transport.abort()
            elif held.cut is not None:
                held.cut()

    def wait(self, look: Callable[[], object]) -> None:
        """Calls `look` once, as soon as there may be room."""
        self._waiting.add(look)

    def _make_room(self) -> None:
        if self._leaving:
            return
        now = self.clock()
        limits = self.limits
        for queue, patience in ((self.idle, limits.settled), (self.stalled, limits.stalled)):
            oldest = next(iter(queue), None)
            if oldest is not None and oldest.cut is not None and now - oldest.since >= patience:
                oldest.busy()
                self._leaving.add(oldest)
                oldest.cut()
                return

    def sweep(self, seconds: float) -> None:
        """Resets connections closed `seconds` ago whose peer does not read the last bytes."""
        now = self.clock()
        for held in [h for h in self.idle if now - h.since >= seconds]:
            if held.transport is not None and held.transport.is_closing():
                held.reset()


def of(raw: Any) -> Held:
    """The connection by which a request came."""
    return raw.protocol.held
