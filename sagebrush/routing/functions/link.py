"""The connection to the shim of one environment (`compute.shim.tied`), read in the event loop."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sagebrush.compute.shim import tied
from sagebrush.errors import Doc
from sagebrush.net import dial


@dataclass(frozen=True)
class Said:
    """Where the log is, and the most memory used until then; bytes."""

    before: int
    """Where the last text of `say` begins."""
    after: int
    peak: int


class Link:
    """One environment's shim: told what to do, heard. Used in the event loop's thread."""

    def __init__(
        self,
        sock: socket.socket,
        listening: Callable[[str, socket.socket], None],
    ) -> None:
        """`listening(name, socket)` is called for each of its listeners."""
        self._socket = sock
        self._listening = listening
        self._unread = b""
        self._saying: deque[asyncio.Future[Said]] = deque()
        self._loop = asyncio.get_running_loop()
        self.closed = False
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done once it is gone, and with it all that ran."""
        self.built: asyncio.Future[None] = self._loop.create_future()
        """Done once its listeners are there."""
        self.runs: asyncio.Future[None] = self._loop.create_future()
        """Done once its program runs."""
        self.asked: asyncio.Future[None] = self._loop.create_future()
        """Done once its runtime has asked for an event, or said why it will not."""
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._read)

    def begin(self, told: Doc) -> None:
        """The environment is what `told` says (`compute.local.launcher`), and begins."""
        data = json.dumps(told).encode()
        self._send(f"begin {len(data)}\n".encode() + data)

    def ready(self) -> None:
        """`asked` is done."""
        self._came(self.asked)

    def say(self, text: str) -> None:
        """`text` comes into the log, before what the environment writes from now on."""
        data = text.encode()
        self._send(f"say {len(data)}\n".encode() + data)

    def finish(self, text: str) -> asyncio.Future[Said]:
        """`text` comes into the log, after all that the environment has written; done once it has."""
        data = text.encode()
        future: asyncio.Future[Said] = self._loop.create_future()
        if self.closed:
            future.cancel()
            return future
        self._saying.append(future)
        self._send(f"close {len(data)}\n".encode() + data)
        return future

    def freeze(self, frozen: bool) -> None:
        """The environment stands still, or goes on."""
        self._send(f"{tied.FREEZE if frozen else tied.THAW}\n".encode())

    def kill(self, reason: str) -> None:
        """The environment is killed; `ended` is called when it is gone."""
        self._send(f"kill {reason}\n".encode())

    def _send(self, data: bytes) -> None:
        """A shim that does not listen any more, or has not for long, is ended."""
        if self.closed:
            return
        try:
            self._socket.sendall(data)
        except OSError:
            self._close()

    def close(self) -> None:
        """The connection is closed: the environment ends."""
        self._close()

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for each in self._saying:
            each.cancel()
        self._saying.clear()
        self.ended.set_result(None)

    def _read(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._socket, 4096, 8, dial.CLOSED_ON_EXEC)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._close()
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            words = line.decode().split()
            if words[0] == "said" and self._saying:
                waiting = self._saying.popleft()
                if not waiting.done():
                    waiting.set_result(Said(*map(int, words[1:4])))
            elif words[0] == "listeners" and len(words) > 1:
                for name, fd in zip(words[1].split(","), fds, strict=False):
                    self._listening(name, socket.socket(fileno=fd))
                self._came(self.built)
            elif words[0] == "running":
                self._came(self.runs)

    @staticmethod
    def _came(awaited: asyncio.Future[None]) -> None:
        if not awaited.done():
            awaited.set_result(None)
