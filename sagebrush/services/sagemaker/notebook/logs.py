"""The logs of notebook instances: output of the lifecycle scripts, and Sagebrush's own messages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sagebrush.errors import Doc
from sagebrush.services.sagemaker.notebook import facts
from sagebrush.services.sagemaker.notebook.lifecycle_config import HOOKS
from sagebrush.services.sagemaker.notebook.plan import key_of, plan_of
from sagebrush.store.rows import Row
from sagebrush.store.streams import Gone
from sagebrush.workload import dirfd
from sagebrush.world import World

GROUP = facts.GROUP
STEP = 256 * 1024
"""Bytes of a script's log that one look copies."""
MOST = 4 * 1024 * 1024
"""Bytes of a script's log that are copied in all: its background children may never stop
writing."""
LINE = 16 * 1024
"""Characters of one event."""


def put(world: World, row: Row, stream: str, lines: Sequence[str]) -> None:
    """The lines are events of the stream `<instance>/<stream>`, which is created if it does not
    exist."""
    place = (row.account, row.region, GROUP)
    name = f"{row.name}/{stream}"
    world.streams.add_group(*place)
    with suppress(Gone):
        world.streams.add_stream(*place, name)
    found = next((s for s in world.streams.streams(*place) if s.name == name), None)
    if found is None or not lines:
        return
    now = int(world.clock() * 1000)
    with suppress(Gone):  # deleted concurrently by a user
        world.streams.put(found, [(now, line[:LINE] or " ") for line in lines])


def copy_hooks(world: World, row: Row, root: Path, ended: bool) -> Doc:
    """New lines of the lifecycle scripts' logs are stored; returns the plan's members to change.

    Each script has a stream of its own. An unfinished line is stored when it ends, or when the
    script has ended (`ended`).
    """
    offsets = dict(plan_of(row).get("logs") or {})
    for hook in HOOKS:
        name = f"LifecycleConfig{hook}"
        # A step may be dropped after its lines were put: the memory of this process knows.
        key = key_of(row)
        offset = max(offsets.get(hook, 0), world.notebooks.copied(key, hook))
        while offset < MOST:
            data = _read(root, ("output", f"{name}.log"), offset)
            whole = len(data) if ended or len(data) == STEP else data.rfind(b"\n") + 1
            if not whole:
                break
            lines = data[:whole].decode(errors="replace").splitlines()
            put(world, row, name, [line.replace("\0", "") for line in lines])
            offset += whole
            world.notebooks.copied_to(key, hook, offset)
        offsets[hook] = offset
    return {"logs": offsets} if offsets != plan_of(row).get("logs") else {}


def _read(root: Path, parts: tuple[str, ...], offset: int) -> bytes:
    """Up to STEP bytes of the file at `parts` under the job's /opt/ml; b"" where there is no such
    file."""
    try:
        with dirfd.opened(root / "ml") as ml, dirfd.directory(ml, parts[:-1]) as parent:
            fd = dirfd.open_regular(parent, parts[-1])
    except OSError:
        return b""
    try:
        return os.pread(fd, STEP, offset)
    finally:
        os.close(fd)
