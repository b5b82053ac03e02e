"""The facts of processing jobs."""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.facts import Metrics, Program, Quota, Running, Stop, always
from sagebrush.services.sagemaker.jobs import clusters

GROUP = "/aws/sagemaker/ProcessingJobs"
"""Log group of processing jobs, and namespace of their metrics."""


def _resources(doc: Doc) -> Doc:
    return doc["ProcessingResources"]["ClusterConfig"]


def _container(doc: Doc) -> Program:
    """Source: developer guide, "How Amazon SageMaker Processing runs your processing container"."""
    app = doc["AppSpecification"]
    names = {
        "PROCESSING_JOB_NAME": doc["ProcessingJobName"],
        "PROCESSING_JOB_ARN": doc["ProcessingJobArn"],
    }
    return Program(
        image=app["ImageUri"],
        arguments=tuple(app.get("ContainerArguments", ())),
        entrypoint=tuple(app.get("ContainerEntrypoint", ())),
        environment={**doc.get("Environment", {}), **names},
        role=doc["RoleArn"],
        isolated=bool(doc.get("NetworkConfig", {}).get("EnableNetworkIsolation")),
        seconds=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
    )


PROCESSING_JOB = Running(
    service="sagemaker",
    kind="processing-job",
    noun="ProcessingJob",
    label="processing",
    listed="ProcessingJobSummaries",
    busy=("InProgress", "Stopping"),
    ended=("Completed", "Failed", "Stopped"),
    stop=Stop("StopProcessingJob", when=("InProgress",), until=("InProgress", "Stopping")),
    trees=lambda name, doc, plan: clusters.trees(plan, _resources(doc)),
    keys=clusters.keys,
    instances=lambda doc, plan: clusters.instances(_resources(doc)),
    quotas=(Quota("processing job", "ProcessingInstanceType", always),),
    shares_cpu=False,
    metrics=Metrics(GROUP, clusters.dimensions),
    logs=GROUP,
    variable="PROCESSING_JOB_NAME",
    reacts_to_tags=True,  # sagebrush:priority
    container=_container,
)
