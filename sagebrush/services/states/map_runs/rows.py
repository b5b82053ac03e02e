"""Map runs as rows: what DescribeMapRun shows, and what only a run's own work keeps."""

from __future__ import annotations

from typing import TypedDict

from sagebrush.errors import Doc
from sagebrush.store.execution_values import OWN
from sagebrush.store.rows import Row
from sagebrush.world import World

KIND = "map-run"
RUNNING = "RUNNING"


class Plan(TypedDict, total=False):
    """`Row.plan` of a map run."""

    total: int
    """Items that were read so far."""
    whole: bool
    """Whether all were."""
    written: bool
    """Whether the results of its children are in its output, or in files."""
    batch: int
    """Items of a batch at most; 0 without batches."""


def plan_of(row: Row) -> Plan:
    return Plan(**row.plan)


def parent(execution: str, arn: str) -> str:
    """The parent of a map run's row: the run's own work, which listens to changes of its limits; the
    row goes with the execution."""
    return f"{execution}{OWN}{name(arn)}"


def name(arn: str) -> str:
    """The name of a map run's row: the machine, the label and the run's id."""
    return arn.split(":", 6)[6]


def find(world: World, account: str, region: str, arn: str) -> Row | None:
    return world.rows.get(account, region, KIND, name(arn))


def new(account: str, region: str, execution: str, spec: Doc, now: float) -> Row:
    """The row of a map run that begins."""
    arn = spec["mapRunArn"]
    doc: Doc = {
        "mapRunArn": arn,
        "executionArn": execution,
        "startDate": now,
        "maxConcurrency": spec["maxConcurrency"],
        "toleratedFailureCount": spec["toleratedFailureCount"],
        "toleratedFailurePercentage": spec["toleratedFailurePercentage"],
    }
    batch = (spec["batcher"] or {}).get("MaxItemsPerBatch") or 0
    plan: Doc = {"total": 0, "batch": batch}
    return Row(account, region, KIND, name(arn), RUNNING, doc, plan, parent(execution, arn))
