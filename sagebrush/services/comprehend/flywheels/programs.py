"""What a program does for a flywheel: a processing job of Comprehend's account, as the flywheel's role.

A program (`algorithms/comprehend/flywheels/`) is told what to do by a document in the data lake, which may
be long, and stores beside it what it did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import access, fleet, requests, roles, work
from sagebrush.services.comprehend.flywheels import lake
from sagebrush.services.comprehend.jobs import program
from sagebrush.store.rows import Row
from sagebrush.workload import launch
from sagebrush.world import Ctx, World

TYPE = "ml.m5.xlarge"
"""Instance type: 4 vCPU and 16 GiB, less where this host has less."""
TOLD, DID = "order.json", "result.json"
"""In the task's folder of the data lake: what the program is told, and what it did."""


@dataclass(frozen=True)
class Task:
    """Something that a program does for a row."""

    module: str
    """The program, as Python runs it: `comprehend.flywheels.ingest`."""
    owner: Row
    role: str
    flywheel: str
    """The ARN of the flywheel, for which Comprehend assumes the role."""
    folder: str
    """The URI of its folder in the data lake."""
    told: Doc
    more: Doc = field(default_factory=dict)
    """What is told by the arguments, which nobody but Comprehend sees: signed URLs."""

    @property
    def name(self) -> str:
        """The processing job's name: the same whenever a step is repeated, and never another's."""
        owner = self.owner
        text = f"{owner.account} {owner.region} {owner.id} {self.module}"
        return f"flywheel-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Waits:
    """The task is not done yet: look again after so many seconds."""

    due: float
    started: bool = True
    """Its processing job was created."""


@dataclass(frozen=True)
class Done:
    """The task is done; `result` is what its program stored, which anybody may have changed."""

    result: Mapping[str, object]


@dataclass(frozen=True)
class Failed:
    """The task cannot be done; the message is for the user."""

    message: str
    stopped: bool = False
    """It was stopped with the server that ran it."""


Outcome = Waits | Done | Failed


def advance(world: World, task: Task, started: bool) -> Outcome:
    """The task goes on as far as it does by itself; `started`: its processing job was created before.
    Raises AwsError for what may pass (5xx)."""
    child = work.find(world, task.owner, task.name)
    if child is None:
        return Failed(work.GONE) if started else _start(world, task)
    status = child["ProcessingJobStatus"]
    if status in ("InProgress", "Stopping"):
        return Waits(work.RUNNING if "ProcessingStartTime" in child else work.QUEUED)
    if status == "Completed":
        return _result(world, task)
    if status == "Stopped":
        return Failed(work.STOPPED, stopped=True)
    return Failed(work.reason(child))


def as_role(world: World, task: Task) -> Ctx:
    """A context that acts as the flywheel's role."""
    return world.service_ctx(task.role, task.owner.region)


def _start(world: World, task: Task) -> Outcome:
    place = (task.owner.account, task.owner.region)
    if not roles.still_trusted(world, *place, (task.role, task.flywheel)):
        return Failed(access.NO_READ)
    try:
        lake.write(as_role(world, task), f"{task.folder}{TOLD}", task.told)
    except AwsError as error:
        if error.status >= 500:
            raise
        return Failed(access.NO_WRITE)
    try:
        refused = work.begin(world, task.owner, _request(world, task))
    except work.Full:
        return Waits(work.FULL, started=False)
    return Failed(f"{work.INTERNAL}{refused}") if refused else Waits(work.QUEUED)


def _request(world: World, task: Task) -> Doc:
    """CreateProcessingJob's request."""
    bucket, folder = requests.place(task.folder)
    told = {"Bucket": bucket, "Folder": folder, **task.more}
    cluster = {"InstanceCount": 1, "InstanceType": TYPE, "VolumeSizeInGB": 30}
    algorithms = launch.place(world, Path()).algorithms
    return {
        "ProcessingJobName": task.name,
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {
            "ImageUri": fleet.IMAGE,
            "ContainerEntrypoint": ["python3", "-m", task.module],
            "ContainerArguments": work.packed(told),
        },
        "Environment": {"PYTHONPATH": algorithms, **fleet.environment(world)},
        "RoleArn": task.role,
        "StoppingCondition": {"MaxRuntimeInSeconds": program.LONGEST},
    }


def _result(world: World, task: Task) -> Outcome:
    try:
        return Done(lake.read(as_role(world, task), f"{task.folder}{DID}"))
    except AwsError as error:
        if error.status >= 500:
            raise
        return Failed(work.GONE if error.status == 404 else access.NO_READ)


def number(found: object) -> float:
    """A number of a result, not negative; 0.0 for what is none."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return 0.0
    return float(found) if 0 <= found < 2**53 else 0.0


def texts(found: object) -> list[str]:
    """A list of strings of a result; empty for what is none."""
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
