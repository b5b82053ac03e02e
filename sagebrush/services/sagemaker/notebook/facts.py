"""The facts of notebook instances."""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.facts import Quota, Running, Stop, Tree, always

GROUP = "/aws/sagemaker/NotebookInstances"
"""Their log group."""


def _trees(_name: str, doc: Doc, plan: Doc) -> Iterator[Tree]:
    if plan.get("key"):
        yield Tree("", plan["key"], doc.get("InstanceType", ""))


NOTEBOOK_INSTANCE = Running(
    service="sagemaker",
    kind="notebook-instance",
    noun="NotebookInstance",
    label="notebook",
    listed="NotebookInstances",
    busy=("Pending", "InService", "Stopping", "Updating"),
    ended=(),
    # A Pending instance cannot be stopped, so a shutdown does not wait for its end either.
    stop=Stop("StopNotebookInstance", when=("InService",), until=("Stopping",)),
    trees=_trees,
    keys=lambda plan: [plan["key"]] if plan.get("key") else [],
    instances=lambda doc, plan: [(doc["InstanceType"], 1)],
    quotas=(Quota("notebook instance", "InstanceType", always),),
    shares_cpu=True,
    metrics=None,  # AWS has no instance metrics of notebook instances
    logs=GROUP,
    variable=None,
    reacts_to_tags=False,  # sagebrush:idle-stop-minutes is read at each look
    container=None,
)
