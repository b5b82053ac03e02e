"""Starts the commands that algo-1 requests on one instance of a job; in AWS's containers sshd does.

The network that it listens on is the job's own: who reaches it is one of the job's instances, and
those run the same code with the same rights. A connection begins with one line of JSON: `{"run":
"command"}` is answered by frames with the command's output and its exit status; `{"watch": true}`
stays open, and `{"status": …, "reason": …}` on it reports how the run ended. As a program it is
what mpirun calls for `ssh`: `mpi_agent.py HOST COMMAND…`. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

PORT = 7778
PATIENCE = 3600.0
"""Seconds that another instance may take until its agent listens: it installs packages first."""
PAUSE = 0.1
"""Seconds between two tries to connect."""
_FRAME = struct.Struct("!cI")
OUT, ERR, END = b"1", b"2", b"x"
GONE = "algo-1 ended without a word on how the MPI run went"


class Agent:
    """Listens on `host`; commands run in `folder` with `environ`."""

    def __init__(
        self, host: str, environ: Mapping[str, str], folder: str, port: int = PORT
    ) -> None:
        self._environ = dict(environ)
        self._folder = folder
        self._outcome: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._listener = socket.create_server((host, port), backlog=64)
        self.port = int(self._listener.getsockname()[1])

    def serve(self) -> tuple[int, str]:
        """(status, reason) as algo-1 reported, once algo-1 has closed its watching connection."""
        threading.Thread(target=self._accept, daemon=True).start()
        found = self._outcome.get()
        self._listener.close()
        return found

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            try:
                asked = json.loads(lines.readline(1 << 20))
            except ValueError:
                return
            if "run" in asked:
                self._run(connection, str(asked["run"]))
            elif "watch" in asked:
                connection.sendall(b"\n")
                self._outcome.put(_watched(lines))

    def _run(self, connection: socket.socket, command: str) -> None:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        sending = threading.Lock()
        relays = [
            threading.Thread(target=_relay, args=(pipe, kind, connection, sending), daemon=True)
            for pipe, kind in ((process.stdout, OUT), (process.stderr, ERR))
        ]
        for relay in relays:
            relay.start()
        # mpirun ends what it started as `ssh`: the command here ends too.
        left = threading.Thread(target=_until_left, args=(connection, process), daemon=True)
        left.start()
        status = process.wait()
        for relay in relays:
            relay.join(1.0)
        with sending, contextlib.suppress(OSError):
            connection.sendall(_FRAME.pack(END, status & 0xFF if status >= 0 else 128 - status))


def _watched(lines: object) -> tuple[int, str]:
    status, reason = 1, GONE
    with contextlib.suppress(OSError, ValueError, KeyError):
        for line in lines:  # pyright: ignore[reportGeneralTypeIssues]
            said = json.loads(line)
            status, reason = int(said["status"]), str(said["reason"])
    return status, reason


def _relay(pipe: Any, kind: bytes, connection: socket.socket, sending: threading.Lock) -> None:
    with pipe:
        while block := os.read(pipe.fileno(), 65536):
            with sending, contextlib.suppress(OSError):
                connection.sendall(_FRAME.pack(kind, len(block)) + block)


def _until_left(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def connect(host: str, patience: float = PATIENCE, port: int = PORT) -> socket.socket:
    """A connection to the agent of `host`, once it listens; raises OSError after `patience`."""
    end = time.monotonic() + patience
    while True:
        try:
            return socket.create_connection((host, port), timeout=10.0)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(PAUSE)


def watch(host: str, patience: float = PATIENCE, port: int = PORT) -> socket.socket:
    """A connection for `tell` to the agent of `host`; raises OSError."""
    connection = connect(host, patience, port)
    connection.settimeout(None)
    connection.sendall(b'{"watch": true}\n')
    if connection.recv(1) != b"\n":
        raise OSError(f"{host} does not answer")
    return connection


def tell(connection: socket.socket, status: int, reason: str) -> None:
    """Reports the end of the run to the agent at the other end; one that is gone is ignored."""
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps({"status": status, "reason": reason}).encode() + b"\n")


def run(host: str, command: str, patience: float = PATIENCE, port: int = PORT) -> int:
    """The exit status of `command` on `host`; what it writes is written here."""
    with connect(host, patience, port) as connection:
        connection.settimeout(None)
        connection.sendall(json.dumps({"run": command}).encode() + b"\n")
        with connection.makefile("rb") as frames:
            while head := frames.read(_FRAME.size):
                kind, size = _FRAME.unpack(head)
                if kind == END:
                    return size
                os.write(1 if kind == OUT else 2, frames.read(size))
    print(f"{host}: the connection to its agent is lost", file=sys.stderr)
    return 255


def main(arguments: list[str]) -> int:
    """What `ssh HOST COMMAND…` would do, or with `serve HOST` what sshd would; the exit status."""
    host, *command = arguments
    if host == "serve":
        return Agent(command[0], os.environ, os.getcwd()).serve()[0]
    return run(host, " ".join(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
