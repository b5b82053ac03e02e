"""What a job is launched with that runs in an image of its user's, under the host's engine.

SageMaker developer guide, "How Amazon SageMaker AI runs your training image" and "Use your own
inference code with hosting services": `docker run IMAGE train` and `docker run IMAGE serve`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sagebrush.compute.base import Limits, Spec
from sagebrush.errors import Doc
from sagebrush.workload import launch
from sagebrush.world import World


def training(world: World, key: str, root: Path, doc: Doc, limits: Limits, banner: str) -> Spec:
    """The container of the training job `doc`, whose image is its TrainingImage."""
    algorithm = doc["AlgorithmSpecification"]
    own = {
        **doc.get("Environment", {}),
        "TRAINING_JOB_NAME": doc["TrainingJobName"],
        "TRAINING_JOB_ARN": doc["TrainingJobArn"],
    }
    entrypoint = tuple(algorithm.get("ContainerEntrypoint", ()))
    given = tuple(algorithm.get("ContainerArguments", ()))
    return Spec(
        key=key,
        argv=given or (() if entrypoint else ("train",)),
        entrypoint=entrypoint,
        env=_variables(world, own),
        root=root,
        role=doc["RoleArn"],
        limits=limits,
        listeners=launch.listeners(bool(doc.get("EnableNetworkIsolation"))),
        time_limit=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
        grace=float(world.settings.stop_grace),
        log_limit=world.settings.log_limit,
        banner=banner,
        image=algorithm["TrainingImage"],
    )


def processing(world: World, key: str, root: Path, doc: Doc, limits: Limits, banner: str) -> Spec:
    """The container of the processing job `doc`, whose image is its ImageUri."""
    app = doc["AppSpecification"]
    own = {
        **doc.get("Environment", {}),
        "PROCESSING_JOB_NAME": doc["ProcessingJobName"],
        "PROCESSING_JOB_ARN": doc["ProcessingJobArn"],
    }
    isolated = bool(doc.get("NetworkConfig", {}).get("EnableNetworkIsolation"))
    return Spec(
        key=key,
        argv=tuple(app.get("ContainerArguments", ())),
        entrypoint=tuple(app.get("ContainerEntrypoint", ())),
        env=_variables(world, own),
        root=root,
        role=doc["RoleArn"],
        limits=limits,
        listeners=launch.listeners(isolated),
        time_limit=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
        grace=float(world.settings.stop_grace),
        log_limit=world.settings.log_limit,
        banner=banner,
        image=app["ImageUri"],
    )


def serving(world: World, key: str, root: Path, variant: Doc, limits: Limits, banner: str) -> Spec:
    """The container of a replica of `variant`; its caller says on which port it answers."""
    return Spec(
        key=key,
        argv=("serve",),
        env=_variables(world, variant["env"]),
        root=root,
        role=variant.get("role") or "",
        hostname="container-0.local",
        limits=limits,
        listeners=launch.listeners(variant["isolated"]),
        log_limit=world.settings.log_limit,
        banner=banner,
        image=variant["container"],
    )


def _variables(world: World, own: Mapping[str, str]) -> dict[str, str]:
    """The region and the request's own; how AWS is reached comes from the backend."""
    region = world.settings.region
    return {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, **own}
