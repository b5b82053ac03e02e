"""The life of functions and versions: pending until what they run in is there, then active.

Source: Lambda developer guide, "Lambda function states". While an update is in progress, what was before
serves; a failed update leaves that in place.
"""

from __future__ import annotations

from sagebrush.engine.kinds import Kind
from sagebrush.errors import Doc
from sagebrush.services.lambda_ import images, layers, provisioning, rows, serving, versions
from sagebrush.services.lambda_.configuration import DONE
from sagebrush.services.lambda_.facts import FUNCTION, VERSION
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.packages import unpack
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

WAIT = 1.0
"""Seconds to the next look at an environment that is being built."""


def reconcile(world: World, row: Row) -> Next:
    """One step towards a function that can be invoked."""
    if not unfinished(row):
        return Next()
    problem = _unpacked(world, row)
    if not problem:
        waiting, problem = layers.ready(world, row)
        if waiting:
            return Next(due=WAIT)
    if problem:
        return fail(world, row, problem)
    waiting, problem, shown, pinned = images.ready(world, row)
    if waiting:
        return Next(due=WAIT)
    if problem:
        return fail(world, row, problem, "InvalidImage")
    if before := plan_of(row).get("before"):
        versions.forget(world, [row], before["made"].get("revision", ""))
    else:
        world.mappings_changed()  # one may wait for a function of this name
    provisioning.warm(world, serving.made(world, row, row.doc, plan_of(row)))
    new = {**DONE, **shown, "RevisionId": rows.revision()}
    return Next("Active", new, {"before": None, **pinned})


def unfinished(row: Row) -> bool:
    """Whether the function, or its update, is in the making."""
    return row.doc.get("State") == "Pending" or row.doc.get("LastUpdateStatus") == "InProgress"


def _unpacked(world: World, row: Row) -> str:
    """Why the code is not there, which a loss of power may have taken; "" where it is."""
    sha256 = plan_of(row).get("code")
    if not sha256:
        return ""
    kept = rows.packages(world)
    if not kept.files(sha256).is_dir():
        try:
            unpack(kept.archive(sha256), kept.files(sha256))
        except (OSError, ValueError) as error:
            return f"The code of the function could not be read: {error}"
    return ""


def fail(world: World, row: Row, reason: str, code: str = "InvalidConfiguration") -> Next:
    """A function that could not be made, or updated, says why."""
    new: Doc = {"RevisionId": rows.revision()}
    if row.doc.get("LastUpdateStatus") == "InProgress":
        new |= {
            "LastUpdateStatus": "Failed",
            "LastUpdateStatusReason": reason,
            "LastUpdateStatusReasonCode": code,
        }
        return Next(row.status, new)
    new |= {"State": "Failed", "StateReason": reason, "StateReasonCode": code}
    return Next("Failed", new)


KIND = Kind(FUNCTION.kind, FUNCTION.noun, running=FUNCTION, reconcile=reconcile, fail=fail)
VERSIONS = Kind(VERSION.kind, VERSION.noun, running=VERSION, reconcile=reconcile, fail=fail)
