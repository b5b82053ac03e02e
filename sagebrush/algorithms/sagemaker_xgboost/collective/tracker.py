"""The tracker of a group of Rabit: gives each member its rank and its neighbours' addresses.

Those that XGBoost's packages bring number the members by their addresses (before 1.7), loop for ever
over a connection that is closed, and leave the members of a broken group waiting; this one numbers them
by their task's id and turns away a member that wants to recover, by which that one ends. Source of the
protocol: github.com/dmlc/dmlc-core (`tracker/dmlc_tracker/tracker.py`) and github.com/dmlc/rabit
(`src/allreduce_base.cc`). Numbers are 32-bit integers of the machine's byte order, text is its length
and its bytes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from .member import Member

MAGIC = 0xFF99
LONGEST = 1 << 20
"""Bytes of a text."""
PATIENCE = 30
"""Seconds in which what is asked of a member must come."""
NONE = -1


class Lost(Exception):
    """A member has closed its connection, or what connects is none."""


class _Peer:
    """A member's connection to the tracker; all of it raises OSError and Lost."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        self.host = host
        self.port = 0
        if self.number() != MAGIC:
            raise Lost
        self.send(MAGIC)
        self.rank = self.number()
        self.size = self.number()
        self.task = self.text()
        self.command = self.text()

    def _read(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = self._connection.recv(length - len(found))
            if not part:
                raise Lost
            found += part
        return found

    def number(self) -> int:
        """The next number that it says."""
        return struct.unpack("=i", self._read(4))[0]

    def text(self) -> str:
        """The next text that it says."""
        length = self.number()
        if not 0 <= length <= LONGEST:
            raise Lost
        return self._read(length).decode(errors="replace")

    def send(self, *numbers: int) -> None:
        """It is sent these numbers."""
        self._connection.sendall(struct.pack(f"={len(numbers)}i", *numbers))

    def send_text(self, text: str) -> None:
        """It is sent a text."""
        content = text.encode()
        self.send(len(content))
        self._connection.sendall(content)

    def close(self) -> None:
        """The connection is closed."""
        self._connection.close()


class Tracker:
    """Listens from the beginning, and until all members have said that they are done."""

    def __init__(self, member: Member) -> None:
        """Raises OSError where it cannot listen."""
        self._size, self._wait = member.size, member.wait
        self._listener = socket.create_server((member.place, member.port), backlog=256)
        self._thread = threading.Thread(target=self._run, name="rabit-tracker", daemon=True)

    def start(self) -> Tracker:
        """It serves beside the caller."""
        self._thread.start()
        return self

    def wait(self) -> None:
        """All members are done, or too much time has passed."""
        self._thread.join(self._wait)

    def _run(self) -> None:
        with self._listener:
            waiting: list[_Peer] = []
            self._listener.settimeout(self._wait)
            with contextlib.suppress(OSError, Lost):
                while len(waiting) < self._size:
                    peer = self._next()
                    if peer is not None and peer.command == "start":
                        waiting.append(peer)
                self._introduce(sorted(waiting, key=lambda peer: peer.task))
            for peer in waiting:
                peer.close()
            self._listener.settimeout(None)
            done: set[int] = set()
            while len(done) < self._size:
                peer = self._next()
                if peer is not None:
                    peer.close()
                if peer is not None and peer.command == "shutdown":
                    done.add(peer.rank)

    def _next(self) -> _Peer | None:
        """The next that connects, None for what is no member; what it has printed is printed."""
        connection, (host, *_) = self._listener.accept()
        try:
            peer = _Peer(connection, host)
            if peer.command == "print":
                print(peer.text().strip(), flush=True)
        except (OSError, Lost):
            connection.close()
            return None
        return peer

    def _introduce(self, peers: list[_Peer]) -> None:
        """Each peer has its rank, its place here, and knows where those before it listen."""
        for rank, peer in enumerate(peers):
            parent, tree, ring = neighbours(rank, len(peers))
            peer.send(rank, parent, len(peers), len(tree), *tree, *ring)
            linked = set(tree) | set(ring)
            failed = True
            while failed:
                good = {peer.number() for _ in range(peer.number())}
                reached = sorted(each for each in linked - good if each < rank)
                peer.send(len(reached), len(linked - good) - len(reached))
                for each in reached:
                    peer.send_text(peers[each].host)
                    peer.send(peers[each].port, each)
                failed = peer.number() != 0
            peer.port = peer.number()


def neighbours(rank: int, size: int) -> tuple[int, list[int], tuple[int, int]]:
    """A member's parent in the tree by which values are summed (-1 for none), its neighbours there, and
    its two in the ring; the ring's order is that of the ranks."""
    parent = (rank - 1) // 2 if rank else NONE
    children = [each for each in (2 * rank + 1, 2 * rank + 2) if each < size]
    tree = [parent, *children] if rank else children
    return parent, tree, ((rank - 1) % size, (rank + 1) % size)
