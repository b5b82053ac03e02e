"""The facts of endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.facts import Metrics, Program, Quota, Running, Tree, always

GROUP = "/aws/sagemaker/Endpoints"
"""Prefix of an endpoint's log group; namespace of its instance metrics."""


def _variants(plan: Doc) -> list[Doc]:
    """The variants of the serving fleet and of the pending one."""
    fleets = [plan[name] for name in ("active", "pending") if plan.get(name)]
    return [variant for fleet in fleets for variant in fleet["variants"]]


def _instances(_doc: Doc, plan: Doc) -> list[tuple[str, int]]:
    """(type, count) of what should run now: less than its variants say in a rolling deployment."""
    fleets = [plan[name] for name in ("active", "pending") if plan.get(name)]
    return [
        (v["type"], fleet.get("now", {}).get(v["name"], v["count"]))
        for fleet in fleets
        for v in fleet["variants"]
        if "serverless" not in v
    ]


def _trees(_name: str, _doc: Doc, plan: Doc) -> Iterator[Tree]:
    types = {v["name"]: v.get("type", "") for v in _variants(plan)}
    bare = {v["name"] for v in _variants(plan) if v.get("containers") == []}
    for entry in plan.get("replicas", ()):
        if entry.get("variant") in bare:
            continue  # room for inference components, without a process of its own
        variant = entry.get("variant", "")
        host = f"{variant}/{entry['id']}"
        for place, key in enumerate(_keys(entry)):
            yield Tree(f"{host}/{place + 1}" if place else host, key, types.get(variant, ""))


def _keys(entry: Doc) -> list[str]:
    """The keys of a replica's containers."""
    return entry.get("keys") or [entry["key"]]


def _container(container: Doc) -> Program:
    """Source: developer guide, "Use your own inference code with hosting services"."""
    return Program(
        image=container["container"],
        arguments=("serve",),
        entrypoint=(),
        environment=container["env"],
        role=container.get("role") or "",
        isolated=container["isolated"],
        seconds=None,
        hostname="container-0.local",
    )


ENDPOINT = Running(
    service="sagemaker",
    kind="endpoint",
    noun="Endpoint",
    label="endpoint",
    listed="Endpoints",
    busy=(
        "Creating",
        "InService",
        "Updating",
        "SystemUpdating",
        "RollingBack",
        "UpdateRollbackFailed",
        "Deleting",
    ),
    ended=(),  # a Failed one may still have workers to end
    stop=None,
    trees=_trees,
    keys=lambda plan: [key for entry in plan.get("replicas", ()) for key in _keys(entry)],
    instances=_instances,
    quotas=(Quota("endpoint", "ProductionVariantInstanceType", always),),
    shares_cpu=True,
    metrics=Metrics(
        GROUP,
        lambda name, host: {"EndpointName": name, "VariantName": host.partition("/")[0]},
    ),
    logs=f"{GROUP}/{{name}}",
    variable=None,
    reacts_to_tags=True,  # sagebrush:sleep-after
    container=_container,
)
