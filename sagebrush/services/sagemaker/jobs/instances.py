"""The instances of a job of any kind: directories, capacity, limits, shared network, logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from sagebrush.compute.base import Limits
from sagebrush.scheduler import capacity, estimates
from sagebrush.scheduler.members import Member
from sagebrush.scheduler.placement import Part
from sagebrush.scheduler.sizes import Size
from sagebrush.services.sagemaker.jobs.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.workload import stage
from sagebrush.world import World


def root(world: World, member: Member) -> Path:
    """The directory of an instance."""
    return world.settings.home / "jobs" / member.key


def contained(row: Row) -> bool:
    """Whether the job's image runs as a container, because no environment stands for it."""
    return bool(plan_of(row).get("container"))


def ask(world: World, row: Row, image: str, found: Sequence[Size]) -> capacity.Ask:
    """The capacity that all instances request from the host together. `found` is the size of each
    instance; `image` is the name under which past memory peaks and run times are recorded."""
    parts = tuple(
        Part(size.cpu, estimates.expected_memory(world, image, size.limits()), size.gpus)
        for size in found
    )
    return capacity.Ask(
        plan_of(row)["key"],
        row.id,
        sum(part.cpu for part in parts),
        sum(part.memory for part in parts),
        gpus=sum(part.gpus for part in parts),
        role=row.doc["RoleArn"],
        priority=capacity.priority(plan_of(row).get("tags", {})),
        spot=bool(row.doc.get("EnableManagedSpotTraining")),
        expected=estimates.expected_seconds(world, image, found[0].name),
        longest=float(row.doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
        parts=parts if len(parts) > 1 else (),
    )


def limits(row: Row, found: Sequence[Size]) -> list[Limits]:
    """The limits of each instance of the size `found`, with its part of the GPUs that the job
    holds."""
    held, given = tuple(plan_of(row).get("gpus", ())), []
    for size in found:
        given.append(size.limits(held[: size.gpus]))
        held = held[size.gpus :]
    return given


class Shared(TypedDict):
    """The members of a Spec that describe the network shared by a job's instances."""

    peers: tuple[str, ...]
    network: str


def shared(row: Row, job: Sequence[Member]) -> Shared:
    """Returns the network of the job's instances; an empty one for a single instance."""
    if len(job) == 1:
        return {"peers": (), "network": ""}
    return {"peers": tuple(each.name for each in job), "network": plan_of(row)["key"]}


def register(world: World, row: Row, group: str, job: Sequence[Member]) -> None:
    """Each instance's log is a stream of the group. Repeatable: the name depends only on when the
    attempt began."""
    for member in job:
        stream = f"{row.name}/{member.name}-{int(plan_of(row).get('begun', 0.0))}"
        world.streams.register(row.account, row.region, group, stream, member.key)


def forget(world: World, job: Sequence[Member]) -> None:
    """The instances' directories are removed."""
    for member in job:
        world.backend.forget(member.key)
        stage.remove(root(world, member))
