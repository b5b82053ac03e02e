"""The instances of a job of any kind: their directories, what they ask and get of the host, their
logs."""

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
    """Whether its image runs as a container: no environment stands for it."""
    return bool(plan_of(row).get("container"))


def ask(world: World, row: Row, image: str, found: Sequence[Size]) -> capacity.Ask:
    """What the instances, which get `found`, ask of the host together. `image` is what the past of
    their like is remembered by."""
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
    """The limits of each instance, which gets `found`, with its part of the GPUs that the job holds."""
    held, given = tuple(plan_of(row).get("gpus", ())), []
    for size in found:
        given.append(size.limits(held[: size.gpus]))
        held = held[size.gpus :]
    return given


class Shared(TypedDict):
    """What a Spec says of the network that a job's instances share."""

    peers: tuple[str, ...]
    network: str


def shared(row: Row, job: Sequence[Member]) -> Shared:
    """The network of the instances; none for one alone."""
    if len(job) == 1:
        return {"peers": (), "network": ""}
    return {"peers": tuple(each.name for each in job), "network": plan_of(row)["key"]}


def register(world: World, row: Row, group: str, job: Sequence[Member]) -> None:
    """Each instance's log is a stream of the group. Repeatable: its name holds when the attempt
    began."""
    for member in job:
        stream = f"{row.name}/{member.name}-{int(plan_of(row).get('begun', 0.0))}"
        world.streams.register(row.account, row.region, group, stream, member.key)


def forget(world: World, job: Sequence[Member]) -> None:
    """Nothing of the instances' directories is left."""
    for member in job:
        world.backend.forget(member.key)
        stage.remove(root(world, member))
