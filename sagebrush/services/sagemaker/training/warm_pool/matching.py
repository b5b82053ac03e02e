"""Which jobs use warm pools, and which of them match: pure but for the job's own share of the host."""

from __future__ import annotations

import hashlib
import json

from sagebrush.engine import children
from sagebrush.services.sagemaker.training import cluster
from sagebrush.services.sagemaker.training.plan import plan_of, pooled
from sagebrush.store.rows import Row
from sagebrush.workload import streamed_input
from sagebrush.world import World

ITS_OWN = ("REMOTE_FUNCTION_SECRET_KEY",)
"""Variables that the SDKs' remote functions make new for each job; what waits has read none of them."""


def wanted(row: Row) -> bool:
    """Whether the job takes over, and leaves, a waiting process: it asks for warm pools, and is of the
    kind that they can serve."""
    if (
        not pooled(row)
        or len(cluster.members(row)) > 1
        or cluster.contained(row)
        or plan_of(row).get("cold")
    ):
        return False
    return not streamed_input.streams(row.doc)  # their companion begins before its sandbox


def awaited(world: World, row: Row) -> bool:
    """Whether a further job of the job's parent will start: one that is still to be created, or that
    waits for capacity."""
    parent = children.alive(world, row)
    if parent is None:
        return False
    if parent.get("more"):
        return True
    others = world.rows.select(row.kind, ["InProgress"], parent=row.parent)
    return any(plan_of(other)["stage"] == "start" for other in others)


def fingerprint(world: World, row: Row) -> str:
    """What two jobs must have in common for one to take over the other's instance."""
    doc = row.doc
    first = cluster.members(row)[0]
    common = [
        doc["RoleArn"],
        row.region,
        doc["AlgorithmSpecification"].get("TrainingImage"),
        first.type,
        len(cluster.members(row)),
        cluster.ask(world, row).cpu,  # of trials that share the host it is less than the type's
        bool(doc.get("EnableNetworkIsolation")),
        sorted(item for item in doc.get("Environment", {}).items() if item[0] not in ITS_OWN),
    ]
    return hashlib.sha256(json.dumps(common).encode()).hexdigest()
