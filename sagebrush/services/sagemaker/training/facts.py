"""The facts of training jobs and warm pools."""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.facts import Metrics, Program, Quota, Running, Stop, Tree, no_instances, no_keys
from sagebrush.services.sagemaker.jobs import clusters

GROUP = "/aws/sagemaker/TrainingJobs"
"""Log group of training jobs, and namespace of their metrics."""
SHAPE = "TrainingInstanceType"


def spot(doc: Doc) -> bool:
    """Whether the job is a managed spot training job."""
    return bool(doc.get("EnableManagedSpotTraining"))


def _container(doc: Doc) -> Program:
    """Source: developer guide, "How Amazon SageMaker AI runs your training image"."""
    algorithm = doc["AlgorithmSpecification"]
    entrypoint = tuple(algorithm.get("ContainerEntrypoint", ()))
    given = tuple(algorithm.get("ContainerArguments", ()))
    names = {"TRAINING_JOB_NAME": doc["TrainingJobName"], "TRAINING_JOB_ARN": doc["TrainingJobArn"]}
    return Program(
        image=algorithm["TrainingImage"],
        arguments=given or (() if entrypoint else ("train",)),
        entrypoint=entrypoint,
        environment={**doc.get("Environment", {}), **names},
        role=doc["RoleArn"],
        isolated=bool(doc.get("EnableNetworkIsolation")),
        seconds=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
    )


TRAINING_JOB = Running(
    service="sagemaker",
    kind="training-job",
    noun="TrainingJob",
    label="job",
    listed="TrainingJobSummaries",
    busy=("InProgress", "Stopping"),
    ended=("Completed", "Failed", "Stopped"),
    stop=Stop("StopTrainingJob", when=("InProgress",), until=("InProgress", "Stopping")),
    trees=lambda name, doc, plan: clusters.trees(plan, doc["ResourceConfig"]),
    keys=clusters.keys,
    instances=lambda doc, plan: clusters.instances(doc["ResourceConfig"]),
    quotas=(
        Quota("training job", SHAPE, lambda doc: not spot(doc)),
        Quota("spot training job", SHAPE, spot),
    ),
    shares_cpu=False,
    metrics=Metrics(GROUP, clusters.dimensions),
    logs=GROUP,
    variable="TRAINING_JOB_NAME",
    reacts_to_tags=True,  # sagebrush:interrupt, sagebrush:priority
    container=_container,
)


def _waiting(name: str, _doc: Doc, plan: Doc) -> Iterator[Tree]:
    """The process tree of a waiting process; once a job has taken it over, it is that job's."""
    if "taken" not in plan:
        yield Tree("", name, plan["spec"]["limits"]["name"])


WARM_POOL = Running(
    service="sagemaker",
    kind="warm-pool",
    noun="WarmPool",
    label="warm pool",
    listed="",  # AWS describes a pool in the description of its job
    busy=("Loading", "Available", "InUse", "Ending"),
    ended=(),
    stop=None,
    trees=_waiting,
    keys=no_keys,  # its name
    instances=no_instances,  # no quota counts what goes as soon as anyone needs the room
    quotas=(),
    shares_cpu=False,
    metrics=None,
    logs=None,
    variable=None,
    reacts_to_tags=False,
    container=None,
)
