"""The facts of inference components."""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.facts import Metrics, Running, Tree, no_instances
from sagebrush.services.sagemaker.hosting.facts import ENDPOINT

GROUP = "/aws/sagemaker/InferenceComponents"
"""Prefix of its log group; namespace of what its copies use."""


def _trees(_name: str, _doc: Doc, plan: Doc) -> Iterator[Tree]:
    fleets = [plan[name] for name in ("active", "pending") if plan.get(name)]
    types = {v["name"]: v["type"] for fleet in fleets for v in fleet["variants"]}
    for entry in plan.get("replicas", ()):
        host, keys = f"{entry['variant']}/{entry['id']}", entry.get("keys") or [entry["key"]]
        for place, key in enumerate(keys):
            where = f"{host}/{place + 1}" if place else host
            yield Tree(where, key, entry.get("type") or types.get(entry["variant"], ""))


COMPONENT = Running(
    service="sagemaker",
    kind="inference-component",
    noun="InferenceComponent",
    label="inference-component",
    listed="InferenceComponents",
    busy=("Creating", "InService", "Updating", "Deleting"),
    ended=(),  # a Failed one may still have copies to end
    stop=None,
    trees=_trees,
    keys=ENDPOINT.keys,
    instances=no_instances,  # its copies are on those of its endpoint
    quotas=(),
    shares_cpu=True,
    metrics=Metrics(GROUP, lambda name, host: {"InferenceComponentName": name}),
    logs=f"{GROUP}/{{name}}",
    variable=None,
    reacts_to_tags=False,
    container=ENDPOINT.container,
)
