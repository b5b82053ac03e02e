"""What an instance in service needs: environments of further kernels, and the stop when idle."""

from __future__ import annotations

import http.client
import logging
import socket

from sagebrush.aws.scalars import json_of
from sagebrush.compute.base import Pending, Running
from sagebrush.engine import idle
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import Doc
from sagebrush.net import dial
from sagebrush.services.sagemaker.notebook import logs
from sagebrush.services.sagemaker.notebook.plan import key_of, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import World

log = logging.getLogger(__name__)

LOOK = 60.0
"""Seconds between two looks at a healthy instance; the backend reports its end immediately."""
BUILDING = 5.0
"""Seconds between two looks at an environment that is being built."""
WAIT = 5.0
"""Seconds that the server inside may take to answer about its activity."""
ANSWER = 64 * 1024
"""Bytes of that answer that are read."""


def build_next(world: World, row: Row) -> tuple[float, Doc]:
    """Returns (seconds until the next look, the plan's members to change).

    The environments of the setting are built one after another, so that their kernels appear; one
    whose build fails is skipped until the next start, and the instance's log says why.
    """
    done = list(plan_of(row).get("built") or ())
    before = list(done)
    for name in world.settings.notebook_environments:
        if name in done:
            continue
        try:
            if world.environments.ready(name) is None:
                return BUILDING, {"built": done} if done != before else {}
        except BuildFailed as error:
            log.warning("the environment %s for notebooks could not be built: %s", name, error)
            text = f"The environment {name} could not be built: {error}"
            logs.put(world, row, "status", text.splitlines())
        done.append(name)
    return LOOK, {"built": done} if done != before else {}


def look(world: World, row: Row, state: Running | Pending) -> tuple[bool, Doc]:
    """Returns (whether to stop the instance because it is idle, the plan's members to change)."""
    tags = plan_of(row).get("tags", {})
    minutes = idle.minutes(tags)
    if minutes is None or not isinstance(state, Running):
        return False, {}
    now = world.clock()
    if now - plan_of(row).get("looked", 0.0) < LOOK - 1.0:
        return False, {}
    # After a restart of the server nobody knows of requests before it: they count as just now.
    first = world.notebooks.looked_at(key_of(row))
    last = world.notebooks.last_seen(row.id) or first
    told = activity(state.address, plan_of(row).get("token") or "")
    stop, reason = idle.decide(now, told, max(last, plan_of(row).get("since", 0.0)), minutes)
    dry = idle.dry_run(tags)
    if stop and not dry:
        logs.put(world, row, "idle", [f"Stopping the instance: {reason}"])
    elif stop and plan_of(row).get("told") != "dry":
        logs.put(world, row, "idle", [f"Dry run: it would be stopped now: {reason}"])
    return stop and not dry, {"looked": now, "told": "dry" if stop and dry else None}


def activity(address: str, token: str) -> Doc | None:
    """The kernels' and terminals' activity from the server at `address`; None without an answer."""
    try:
        connection = _Dialled(address)
        headers = {"Authorization": f"token {token}"} if token else {}
        connection.request("GET", "/sagebrush/activity", headers=headers)
        answer = connection.getresponse()
        found = json_of(answer.read(ANSWER)) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return found if isinstance(found, dict) else None


class _Dialled(http.client.HTTPConnection):
    """A connection to a port inside a job."""

    def __init__(self, address: str) -> None:
        super().__init__("localhost", timeout=WAIT)
        self._address = address

    def connect(self) -> None:
        """The socket is connected to the port inside the job."""
        self.sock: socket.socket = dial.connect_sync(self._address, WAIT)
        self.sock.settimeout(WAIT)
