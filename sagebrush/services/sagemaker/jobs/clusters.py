"""Facts that kinds of jobs with a cluster of instances have in common."""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.facts import Tree
from sagebrush.scheduler import members


def trees(plan: Doc, resources: Doc) -> Iterator[Tree]:
    """One process tree for each instance that the job has now; `resources` is its ResourceConfig or
    ClusterConfig."""
    if plan.get("key"):
        for member in members.members_of(plan["key"], resources)[: plan.get("instances")]:
            yield Tree(member.name, member.key, member.type)


def keys(plan: Doc) -> list[str]:
    """That of the job's present attempt, and those of earlier ones."""
    return [plan["key"], *(key for key, _ in plan.get("past") or ())] if plan.get("key") else []


def instances(resources: Doc) -> list[tuple[str, int]]:
    """(type, number) of each instance group."""
    return [(g["InstanceType"], g["InstanceCount"]) for g in members.groups(resources)]


def dimensions(name: str, host: str) -> dict[str, str]:
    """The dimensions of a job's instance metrics: `Host` is `<job>/algo-1`."""
    return {"Host": f"{name}/{host}"}
