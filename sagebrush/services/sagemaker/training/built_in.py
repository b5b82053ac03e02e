"""What AWS's built-in algorithms can and cannot do, and what CreateTrainingJob refuses of them.

Each algorithm's folder has an `algorithm.json`. Sources, in the Amazon SageMaker AI Developer Guide:
"Parameters for built-in algorithms" (input modes, instances) and "Managed spot training" (3600 seconds
where an algorithm does not checkpoint).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import members
from sagebrush.workload import streamed_input

ALGORITHMS = Path(__file__).resolve().parents[3] / "algorithms"
LONGEST_WAIT = 3600
"""Seconds of MaxWaitTimeInSeconds for an algorithm that does not checkpoint."""
OVERRIDE = (
    "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request"
    " without specifying metric definitions."
)
"""AWS's words, from reports of users (github.com/awslabs/mlspace)."""


@dataclass(frozen=True)
class Facts:
    """What the guide says of an algorithm; without `algorithm.json`, nothing is refused."""

    instances: int | None = None
    """The most that one job may have, None for any number."""
    input_modes: tuple[str, ...] = ("File", "Pipe", "FastFile")
    checkpoints: bool = True


def facts(algorithm: str) -> Facts:
    """The facts of an algorithm, by its folder's name."""
    said = _table(algorithm, "algorithm")
    if said is None:
        return Facts()
    return Facts(said["instances"], tuple(said["input_modes"]), said["checkpoints"])


def metrics(algorithm: str) -> list[Doc]:
    """The metric definitions that every job of the algorithm has."""
    return _table(algorithm, "metrics") or []


def tunable(algorithm: str) -> list[str] | None:
    """The hyperparameters that a tuning job may vary; None where all may be."""
    return _table(algorithm, "tunable")


def _table(algorithm: str, name: str) -> Any:
    """What the algorithm's folder says in the JSON file of that name, None where there is none."""
    file = ALGORITHMS / algorithm / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def check(algorithm: str, request: Doc) -> None:
    """Raises ValidationException for what the algorithm does not have. `request` is CreateTrainingJob's
    with its defaults."""
    known = facts(algorithm)
    given = request["AlgorithmSpecification"].get("MetricDefinitions") or ()
    # Its own are what Describe shows, and what trials of a tuning job come with.
    own = metrics(algorithm)
    if any(definition not in own for definition in given):
        raise AwsError("ValidationException", OVERRIDE)
    count = len(members.members_of("", request["ResourceConfig"]))
    if known.instances is not None and count > known.instances:
        raise AwsError(
            "ValidationException",
            f"ResourceConfig: {count} instances: the built-in algorithm {algorithm} trains on"
            f" {'a single instance' if known.instances == 1 else f'{known.instances} instances'} only;"
            f" use InstanceCount {known.instances}",
        )
    for channel in request.get("InputDataConfig", ()):
        mode = streamed_input.mode(channel, request)
        if mode not in known.input_modes:
            raise AwsError(
                "ValidationException",
                f"Channel {channel['ChannelName']}: the built-in algorithm {algorithm} does not support"
                f" input mode {mode}; use {' or '.join(known.input_modes)}",
            )
    wait = request["StoppingCondition"].get("MaxWaitTimeInSeconds", 0)
    if request["EnableManagedSpotTraining"] and not known.checkpoints and wait > LONGEST_WAIT:
        raise AwsError(
            "ValidationException",
            f"Invalid MaxWaitTimeInSeconds. It must be at most {LONGEST_WAIT} for the built-in algorithm"
            f" {algorithm}, which does not checkpoint",
        )
