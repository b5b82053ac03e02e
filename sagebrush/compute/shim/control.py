"""The shim's control socket `ctl`: who is connected, what they ask, what they are sent.

Standard library only.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "ctl"
LONGEST = 256
"""Bytes of a command, its newline among them."""


class Control:
    """The listening socket and its connections, all of which `poll` watches."""

    def __init__(self, poll: select.poll, first: socket.socket | None) -> None:
        """`first` is a connection that is attached from the beginning. Raises OSError."""
        self._poll = poll
        self._attached: list[socket.socket] = []
        self._unread: dict[int, tuple[socket.socket, bytes]] = {}
        with contextlib.suppress(FileNotFoundError):
            os.unlink(NAME)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(NAME)
        self._listener.listen(64)
        self._listener.setblocking(False)
        poll.register(self._listener, select.POLLIN)
        if first is not None:
            first.setblocking(False)
            self._attached.append(first)

    def ready(self, fd: int) -> tuple[socket.socket, list[str]] | None:
        """The command that has arrived, as words, with its connection; whoever obeys it closes that.

        None where `fd` is not of this socket, or its command is not complete.
        """
        if fd == self._listener.fileno():
            accepted = self._accept()
            return self._read(accepted) if accepted >= 0 else None
        return self._read(fd) if fd in self._unread else None

    def _accept(self) -> int:
        """The descriptor of a new connection; -1 where it is gone already."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return -1
        connection.setblocking(False)
        self._unread[connection.fileno()] = (connection, b"")
        self._poll.register(connection, select.POLLIN)
        return connection.fileno()

    def _read(self, fd: int) -> tuple[socket.socket, list[str]] | None:
        connection, before = self._unread[fd]
        try:
            data = connection.recv(LONGEST)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        line, end, _ = (before + data).partition(b"\n")
        if data and not end and len(line) < LONGEST:
            self._unread[fd] = (connection, line)
            return None
        self._poll.unregister(fd)
        del self._unread[fd]
        if not end:
            connection.close()
            return None
        return connection, line.decode(errors="replace").split()

    def attach(self, connection: socket.socket, listeners: Mapping[str, socket.socket]) -> None:
        """The connection gets the job's listeners, and every later `broadcast`."""
        self._attached.append(connection)
        self._offer([connection], listeners)

    def offer(self, listeners: Mapping[str, socket.socket]) -> None:
        """All attached connections get the job's listeners."""
        self._offer(list(self._attached), listeners)

    def _offer(
        self, connections: Sequence[socket.socket], listeners: Mapping[str, socket.socket]
    ) -> None:
        line = f"listeners {','.join(listeners)}\n".encode()
        for connection in connections:
            self.send(connection, line, [each.fileno() for each in listeners.values()])

    def broadcast(self, line: str) -> None:
        """All attached connections are sent the line."""
        for connection in list(self._attached):
            self.send(connection, f"{line}\n".encode())

    def send(self, to: socket.socket, data: bytes, fds: Sequence[int] = ()) -> None:
        """The connection is sent `data` with the descriptors, or closed where its peer is gone."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            to.sendmsg([data], rights)
        except OSError:  # the next server attaches a connection of its own
            if to in self._attached:
                self._attached.remove(to)
            to.close()

    def close(self) -> None:
        """Nobody can connect any more, and attached connections are at their end."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(NAME)
        for each in (*self._attached, self._listener):
            each.close()
