"""What a shim hears from who started it, where its job is tied to that: a function's environment.

Such a job is begun before it is known what it will be (`blank`). Each line is one of

  begin BYTES   that many bytes follow: JSON of what the job is, which the spec lacked; its variables
                are in no file
  say BYTES     that many bytes follow, for the log, before all that is not read yet of what the job
                wrote
  close BYTES   the same, after all that the job has written so far; the answer is `said BEFORE AFTER
                PEAK`: the log's size before the last `say` and now, the most memory used (both in
                bytes), which stands in the text where it has PEAK (in MiB)
  freeze, thaw  all that the job runs stands still, or goes on
  kill REASON   all that the job runs has SIGKILL; exit.json has the reason

At the connection's end the job ends too. Standard library only.
"""

from __future__ import annotations

import contextlib
import select

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

FREEZE, THAW = "freeze", "thaw"
PEAK = "\0"
"""Stands in a text for the memory used, in MiB."""


class Tied:
    """The connection that the job is tied to; `poll` watches it."""

    def __init__(self, link: socket.socket, poll: select.poll) -> None:
        self._link = link
        self._poll = poll
        self._unread = b""
        self.ended = False
        """Nothing more will be said."""
        link.setblocking(False)
        poll.register(link, select.POLLIN)

    def read(self) -> Iterator[tuple[list[str], bytes]]:
        """Each complete line that has been said, as words, with the bytes that follow it."""
        while not self.ended:
            try:
                data = self._link.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self._unread += data
            if not data:
                self.ended = True
                with contextlib.suppress(KeyError, ValueError, OSError):
                    self._poll.unregister(self._link)
        while (found := self._taken()) is not None:
            yield found

    def _taken(self) -> tuple[list[str], bytes] | None:
        line, end, rest = self._unread.partition(b"\n")
        if not end:
            return None
        words = line.decode().split()
        size = int(words[1]) if words[0] in ("begin", "say", "close") else 0
        if len(rest) < size:
            return None
        self._unread = rest[size:]
        return words, rest[:size]

    def answer(self, line: str) -> None:
        """Whoever is at the other end is told, as far as it still listens."""
        with contextlib.suppress(OSError):
            self._link.sendall(line.encode() + b"\n")
