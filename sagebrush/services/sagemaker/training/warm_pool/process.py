"""The process that waits (toolkit/training/warm.py): how it is asked, and becomes a job's."""

from __future__ import annotations

import json
from pathlib import Path

from sagebrush.compute.base import Exited, Gone, Running, Spec
from sagebrush.errors import Doc
from sagebrush.net import dial
from sagebrush.world import World

PORT = 7070
"""Where the waiting process listens in its sandbox."""
LOOK = 0.1
"""Seconds between looks at a process that is still loading."""
WAIT = 5.0
"""Seconds that a process which waits has to answer."""
LOADING = 60.0
"""Seconds that a job waits for a process that is still loading, until it starts without."""


class Lost(Exception):
    """The process that waited is gone; the job starts without it."""


def require_ready(address: str) -> None:
    """Raises OSError while the process at `address` is still loading."""
    _request(address, {"ask": "ready"})


def begin(world: World, spec: Spec) -> None:
    """The process that waited under `spec.key` is the job `spec`, whose /opt/ml is there. Repeatable.

    Raises Lost where it ended before, or is to, and OSError while it does not listen yet.
    """
    state = world.backend.poll(spec.key)
    if isinstance(state, Exited) and _begun(world, spec):
        return  # while no server ran
    if not isinstance(state, Running):
        raise Lost if isinstance(state, Exited | Gone) else OSError("it is starting")
    seconds = spec.time_limit or 0.0
    with dial.control(Path(spec.root) / "ctl", f"begin {seconds}", WAIT) as connection:
        if not connection.recv(8):  # its files are its own before it begins
            raise Lost  # it is being stopped
    job = {"argv": list(spec.argv), "env": dict(spec.env), "banner": spec.banner}
    try:
        _request(state.address, job)
    except dial.Refused:
        if not _begun(world, spec):
            raise  # it is loading still


def _begun(world: World, spec: Spec) -> bool:
    """Whether the process has the job already: it has written the banner."""
    first = world.backend.logs(spec.key, 0, 1)
    return bool(first) and first[0].text == spec.banner.partition("\n")[0]


def _request(address: str, message: Doc) -> None:
    """The process has answered; raises OSError (dial.Refused where nothing listens)."""
    with dial.connect_sync(address, WAIT) as connection:
        connection.sendall(json.dumps(message).encode() + b"\n")
        if not connection.recv(64):
            raise OSError("it did not answer")
