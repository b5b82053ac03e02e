"""A job's directory as files: its Spec, the shim's configuration, its log, how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from sagebrush.compute.base import Bind, Exited, Limits, LogLine, Spec
from sagebrush.compute.shim import files, log

LOST = "lost"


def to_json(spec: Spec) -> dict[str, Any]:
    """`spec` as plain values."""
    values = dataclasses.asdict(spec)
    values["root"] = str(spec.root)
    values["argv"], values["env"] = list(spec.argv), dict(spec.env)
    values["binds"] = [[str(b.source), b.target, b.read_only, b.give, b.apart] for b in spec.binds]
    return values


def from_json(values: dict[str, Any]) -> Spec:
    """The Spec that `to_json` wrote; members that this version does not know are left out."""
    limits = dict(values["limits"], gpus=tuple(values["limits"]["gpus"]))
    given = dict(
        values,
        root=Path(values["root"]),
        binds=tuple(Bind(Path(source), *how) for source, *how in values["binds"]),
        limits=Limits(**limits),
        listeners=tuple(values["listeners"]),
        entrypoint=tuple(values.get("entrypoint", ())),
        peers=tuple(values.get("peers", ())),
        mounts=tuple(values.get("mounts", ())),
    )
    known = {each.name for each in dataclasses.fields(Spec)}
    return Spec(**{name: value for name, value in given.items() if name in known})


def write(directory: Path, name: str, value: dict[str, Any]) -> None:
    """The file `name` in `directory` holds `value`, on disk, whole or not at all."""
    temporary = directory / f"{name}.{os.getpid()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w") as file:
        file.write(json.dumps(value))  # `dump` encodes in Python, three times as slow
        file.flush()
        os.fsync(fd)
    os.rename(temporary, directory / name)
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def read(directory: Path, name: str) -> dict[str, Any] | None:
    """What the file `name` holds; None when there is none."""
    try:
        return json.loads((directory / name).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def lines(directory: Path, offset: int, limit: int, ended: bool) -> list[LogLine]:
    """Up to `limit` lines of the log from byte `offset` on; an unfinished one only once `ended`."""
    return [
        LogLine(start, ms, text.decode("utf-8", "replace"), end)
        for start, end, ms, text in log.read(str(directory), offset, limit, ended)
    ]


def log_end(directory: Path) -> int:
    """Where the log in the job's directory ends now, as an offset in bytes."""
    return log.end(str(directory))


def append(directory: Path, limit: int, text: str, ms: int) -> None:
    """`text`, whole lines, is at the end of the log of the job, which has ended. Raises OSError."""
    log.append(str(directory), limit, text.encode(), ms)


def held(directory: Path) -> bool:
    """Whether a shim lives there: it holds the lock until it ends, however that comes."""
    try:
        lock = os.open(directory / "shim.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


def ended(directory: Path) -> Exited | None:
    """How the job ended, as its shim (or who missed the shim) recorded it."""
    found = read(directory, "exit.json")
    if found is None:
        return None
    return Exited(
        code=found["code"],
        reason=found["reason"],
        message=found["message"],
        started=found["started"],
        ended=found["ended"],
        peak_memory=found["peak_memory"],
    )


def reserve(directory: Path) -> None:
    """Room for exit.json is taken on the disk, so that a full disk cannot hide how a job ended."""
    (directory / "exit.room").write_bytes(b" " * files.ROOM)


def settle(directory: Path, exited: Exited) -> None:
    """exit.json holds `exited`, on disk; in the room that was reserved for it, if there is some."""
    data = json.dumps(dataclasses.asdict(exited)).encode()
    room = directory / "exit.room"
    fd = os.open(room, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, data.ljust(os.fstat(fd).st_size), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(room, directory / "exit.json")


def lose(directory: Path, now: float) -> Exited:
    """The job's end, recorded as unknown: its shim ended without recording one."""
    state = read(directory, "state.json") or {}
    lost = {
        "code": -9,
        "reason": LOST,
        "message": _last_words(directory),
        "started": state.get("started", 0.0),
        "ended": now,
        "peak_memory": 0,
    }
    with contextlib.suppress(OSError):  # on a full disk every later question tries again
        write(directory, "exit.json", lost)
    return Exited(**lost)


def _last_words(directory: Path) -> str:
    """Why there is no exit status, with what the shim printed last."""
    why = "the job's supervisor ended before the job's exit status was recorded"
    try:
        words = (directory / "shim.err").read_text(errors="replace").strip().splitlines()
    except OSError:
        words = []
    return f"{why}: {words[-1][:500]}" if words else why
