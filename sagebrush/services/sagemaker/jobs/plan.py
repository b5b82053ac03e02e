"""The private state in any job's row: the members of its plan that `jobs.life` uses.

The names are those on disk: a row written by an older version is read by the next one, so a name
must never get another meaning.
"""

from __future__ import annotations

from typing import Required, TypedDict, cast

from sagebrush.environments.images import Image
from sagebrush.store.rows import Row


class Attempt(TypedDict, total=False):
    """Members that belong to one attempt at running the job; a further attempt begins without
    them."""

    begun: float
    """When it got its capacity, in seconds since the epoch; part of its log streams' names."""
    gpus: list[int]
    """The GPUs that it holds."""
    launched: bool
    gone: float
    """Since when the backend knows nothing of a launched instance, in seconds since the epoch."""


class Job(Attempt, total=False):
    """The plan of a job's row."""

    stage: Required[str]
    """Which step of its life is next."""
    key: Required[str]
    """Names its capacity, its processes and its directories."""
    environment: Required[str]
    algorithm: Required[str]
    """The built-in algorithm, "" for none."""
    container: Required[str]
    """The image that runs as a container; "" where an environment stands for the image."""
    framework: Required[str | None]
    asked: dict[str, str]
    """What the image's tag promises: Python and packages -> version."""
    tags: dict[str, str]
    waiting: bool
    """Whether it waits for capacity."""
    stop: float
    """When it was asked to stop."""
    stopping: bool
    """Whether its processes were sent SIGTERM because of `stop`."""
    end: str
    """How it will end once its results are stored."""
    reason: str
    """Its FailureReason then."""
    removed: bool
    """Whether its directories are gone."""


def new(key: str, image: Image) -> Job:
    """The plan of a new job of that key and image."""
    return {
        "key": key,
        "stage": "start",
        "environment": image.environment,
        "algorithm": image.algorithm or "",
        "container": image.container,
        "framework": image.framework,
        "asked": dict(image.asked),
    }


def plan_of(row: Row) -> Job:
    """The row's plan."""
    return cast(Job, row.plan)
