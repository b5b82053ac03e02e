"""Managed spot training: when a job is interrupted, its notice, and its billed time.

Source: "Managed Spot Training in Amazon SageMaker AI" (developer guide) and, for the notice, "Spot
Instance interruption notices" (EC2 user guide).
"""

from __future__ import annotations

import datetime as dt
import json

from sagebrush.compute.base import Exited
from sagebrush.errors import Doc
from sagebrush.scheduler import capacity
from sagebrush.scheduler.instances import instance
from sagebrush.services.sagemaker.training import cluster
from sagebrush.services.sagemaker.training.plan import interruptible, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import World

INTERRUPT = "sagebrush:interrupt"
"""The tag that interrupts a running spot job, so that users can test its recovery."""
NOTICE = "notice"
"""The file in an instance's directory from which its metadata service reads the notice."""


def called_off(world: World, row: Row) -> str:
    """Why the spot job must be interrupted now; "" where it need not be."""
    if INTERRUPT in plan_of(row).get("tags", {}):
        return "as its tag asks"
    if capacity.evicted(world, plan_of(row)["key"]):
        return "on-demand work needs its room"
    return ""


def give_notice(world: World, row: Row) -> None:
    """The instances' metadata service says when they will be terminated."""
    at = dt.datetime.fromtimestamp(world.clock() + world.settings.stop_grace, dt.UTC)
    notice = {"action": "terminate", "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    for place in cluster.roots(world, row):
        part = place / f"{NOTICE}.part"
        part.write_text(json.dumps(notice))
        part.replace(place / NOTICE)


def gave_way(world: World, row: Row, state: Exited) -> str:
    """Why the end `state` of the spot job's processes is an interruption; "" where it is not
    one."""
    if "stop" in plan_of(row):
        return ""
    noticed = plan_of(row).get("noticed", "")
    if state.reason == "stopped":  # the server may have ended before it stored that it stopped them
        return noticed or called_off(world, row)
    # where one of several instances has ended, another may fail because of that
    alone = len(cluster.members(row)) == 1
    return "" if alone or state.reason or state.code == 0 else noticed


def spent(row: Row, now: float) -> float:
    """Seconds during which the job had instances, over all attempts, without waiting."""
    begun = plan_of(row).get("begun")
    return plan_of(row).get("spent", 0.0) + (now - begun if begun is not None else 0.0)


def times(row: Row, now: float) -> Doc:
    """TrainingTimeInSeconds and BillableTimeInSeconds of a job that ends now.

    A spot job's billable seconds are its training seconds times the discount, as AWS shows its
    savings.
    """
    if "TrainingStartTime" not in row.doc:
        return {}
    seconds = max(1, round(spent(row, now)))
    billable = seconds
    if interruptible(row):
        billable = max(1, round(seconds * _discounted(row)))
    return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": billable}


def _discounted(row: Row) -> float:
    """The ratio of its instances' spot price to their on-demand price; 1 where a price is
    unknown."""
    kinds = [instance(member.type) for member in cluster.members(row)]
    if any(kind.price is None or kind.spot_price is None for kind in kinds):
        return 1.0
    whole = sum(kind.price or 0.0 for kind in kinds)
    return sum(kind.spot_price or 0.0 for kind in kinds) / whole if whole else 1.0
