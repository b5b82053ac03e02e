"""The files that a shim keeps in its job's directory, where it runs. Standard library only."""

from __future__ import annotations

import fcntl
import json
import os
import time

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any

ROOM = 4096
"""Bytes reserved for exit.json, so that a full disk cannot hide how a job ended."""


def line(text: str) -> bytes:
    """`text` as one line of at most 2,000 bytes and its end, no character of it cut."""
    return text.replace("\n", " ").encode()[:2000].decode(errors="ignore").encode() + b"\n"


def put(name: str, value: dict[str, Any], lasting: bool = True) -> None:
    """The file `name` holds `value`, whole or not at all; on disk if `lasting`."""
    with open(name + ".tmp", "w") as file:
        file.write(json.dumps(value))  # `dump` encodes in Python, three times as slow
        file.flush()
        if lasting:
            os.fsync(file.fileno())
    os.rename(name + ".tmp", name)


def reserve() -> None:
    """Room for exit.json is taken on the disk."""
    with open("exit.room", "wb") as file:
        file.write(b" " * ROOM)


def settle(result: dict[str, Any], lasting: bool = True) -> None:
    """exit.json holds `result`, on disk if `lasting`; of a text that has no room there, its
    beginning."""
    data = json.dumps(result).encode()
    for most in (1000, 500, 100):
        if len(data) > ROOM:
            cut = {name: v[:most] if isinstance(v, str) else v for name, v in result.items()}
            data = json.dumps(cut).encode()
    data = data.ljust(ROOM)
    fd = os.open("exit.room", os.O_WRONLY | os.O_CREAT, 0o600)
    os.pwrite(fd, data, 0)
    if lasting:
        os.fsync(fd)
    os.close(fd)
    os.rename("exit.room", "exit.json")


def locked() -> int | None:
    """The held lock; None when another shim has it (a reader's test holds it for an instant)."""
    lock = os.open("shim.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError:
            time.sleep(0.02)
    return None
