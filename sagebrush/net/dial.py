"""Connects to where a job listens: `unix:<ctl path>:<port>` inside its sandbox, or `tcp:host:port`."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 100
"""Bytes of a path that every system takes as a Unix socket's (Linux: 107, macOS: 103)."""
CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Received sockets do not leak into programs that this process starts."""
WAIT = 10.0
"""Seconds until a connection is given up."""


class Refused(ConnectionError):
    """Nothing listens there (yet)."""


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name for `path` that fits a Unix socket's address."""
    text = str(path)
    if len(os.fsencode(text)) <= LONGEST:
        yield text
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def control(path: Path, command: str, timeout: float = WAIT) -> socket.socket:
    """A connection to the shim at `path` that has been sent `command`; raises OSError."""
    talk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        talk.settimeout(timeout)
        with short(path) as name:
            talk.connect(name)
        talk.sendall(command.encode() + b"\n")
    except BaseException:
        talk.close()
        raise
    return talk


def split(address: str) -> tuple[str, str, int]:
    """(kind, host or path, port) of an address; raises ValueError."""
    kind, _, rest = address.partition(":")
    where, _, port = rest.rpartition(":")
    if kind not in ("unix", "tcp") or not where:
        raise ValueError(f"not an address: {address!r}")
    return kind, where, int(port)


def connect_sync(address: str, timeout: float = WAIT) -> socket.socket:
    """A connected, blocking socket; raises Refused when nothing listens, OSError otherwise."""
    kind, where, port = split(address)
    if kind == "tcp":
        try:
            return socket.create_connection((where, port), timeout)
        except ConnectionRefusedError as error:
            raise Refused(f"nothing listens at {address}") from error
    try:
        talk = control(Path(where), f"dial {port}", timeout)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Refused("the job has ended") from error
    with talk:
        inside = _received(talk)
    inside.setblocking(False)
    _connected(inside, _writable(inside, timeout), port)
    inside.settimeout(timeout)
    return inside


async def connect(address: str, timeout: float = WAIT) -> socket.socket:
    """A connected, non-blocking socket; raises Refused when nothing listens, OSError otherwise."""
    kind, where, port = split(address)
    loop = asyncio.get_running_loop()
    if kind == "tcp":
        plain = socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET)
        plain.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(plain, (where, port)), timeout)
        except BaseException as error:
            plain.close()
            if isinstance(error, ConnectionRefusedError):
                raise Refused(f"nothing listens at {address}") from error
            raise
        return plain
    try:
        # The shim's socket is local: connecting and sending a few bytes does not block.
        talk = control(Path(where), f"dial {port}", timeout)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Refused("the job has ended") from error
    with talk:
        talk.setblocking(False)
        await asyncio.wait_for(_turns(loop, talk, reading=True), timeout)
        inside = _received(talk)
    inside.setblocking(False)
    if not _writable(inside, 0):
        try:
            await asyncio.wait_for(_turns(loop, inside, reading=False), timeout)
        except BaseException:
            inside.close()
            raise
    _connected(inside, True, port)
    return inside


def _writable(sock: socket.socket, timeout: float) -> bool:
    """Whether `sock` is connected, or has failed to, within `timeout` seconds. (By poll: select knows
    no descriptor above 1,023.)"""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(timeout * 1000))


async def _turns(loop: asyncio.AbstractEventLoop, sock: socket.socket, reading: bool) -> None:
    """Returns when `sock` can be read (or written)."""
    done: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not done.done():
            done.set_result(None)

    if reading:
        loop.add_reader(sock.fileno(), ready)
    else:
        loop.add_writer(sock.fileno(), ready)
    try:
        await done
    finally:
        if reading:
            loop.remove_reader(sock.fileno())
        else:
            loop.remove_writer(sock.fileno())


def _received(talk: socket.socket) -> socket.socket:
    """The socket that the shim passed; raises Refused when it passed none."""
    _, fds, _, _ = socket.recv_fds(talk, 16, 1, CLOSED_ON_EXEC)
    if not fds:
        raise Refused("the job has ended")
    return socket.socket(fileno=fds[0])


def _connected(inside: socket.socket, ready: bool, port: int) -> None:
    """Nothing when `inside` is connected; else it is closed and Refused or OSError raised."""
    error = inside.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else -1
    if error == 0:
        return
    inside.close()
    if error < 0:
        raise TimeoutError(f"port {port} inside the job did not answer")
    raise Refused(f"port {port} inside the job: {os.strerror(error)}")
