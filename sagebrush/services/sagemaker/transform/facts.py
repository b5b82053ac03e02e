"""The facts of batch transform jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.facts import Metrics, Program, Quota, Running, Stop, Tree, always
from sagebrush.scheduler import members

GROUP = "/aws/sagemaker/TransformJobs"
"""Log group of transform jobs, and namespace of their metrics."""


def host(key: str) -> str:
    """The id of the instance with that key, which streams and metrics are named by: AWS's are EC2's."""
    return f"i-{hashlib.sha256(key.encode()).hexdigest()[:17]}"


def keys(key: str, containers: int) -> list[str]:
    """The keys of the containers of the instance with that key, in their order."""
    return [key, *(f"{key}.c{place}" for place in range(2, containers + 1))]


def _trees(_name: str, doc: Doc, plan: Doc) -> Iterator[Tree]:
    if plan.get("removed") or not plan.get("begun"):
        return
    for member in members.members_of(plan["key"], doc["TransformResources"]):
        for place, key in enumerate(keys(member.key, len(plan["containers"]))):
            name = host(member.key)
            yield Tree(f"{name}/{place + 1}" if place else name, key, member.type)


def _container(doc: Doc) -> Program:
    """Source: developer guide, "Use Your Own Inference Code with Batch Transform"."""
    return Program(
        image=doc["container"],
        arguments=("serve",),
        entrypoint=(),
        environment=doc["env"],
        role=doc.get("role") or "",
        isolated=doc["isolated"],
        seconds=None,
        hostname="container-0.local",
    )


TRANSFORM_JOB = Running(
    service="sagemaker",
    kind="transform-job",
    noun="TransformJob",
    label="transform",
    listed="TransformJobSummaries",
    busy=("InProgress", "Stopping"),
    ended=("Completed", "Failed", "Stopped"),
    stop=Stop("StopTransformJob", when=("InProgress",), until=("InProgress", "Stopping")),
    trees=_trees,
    keys=lambda plan: [plan["key"]],  # those of its processes begin with it (members.owner)
    instances=lambda doc, plan: [
        (doc["TransformResources"]["InstanceType"], doc["TransformResources"]["InstanceCount"])
    ],
    quotas=(Quota("transform job", "TransformInstanceType", always),),
    shares_cpu=False,
    metrics=Metrics(GROUP, lambda name, host: {"Host": f"{name}/{host}"}),
    logs=GROUP,
    variable=None,  # AWS's containers do not learn the job's name
    reacts_to_tags=True,  # sagebrush:priority
    container=_container,
)
