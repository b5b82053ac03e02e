"""Events about the status of Standard executions, for EventBridge.

Source: developer guide, "Automating Step Functions event delivery with EventBridge" (detail type
"Step Functions Execution Status Change"; no events of Express executions).
"""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.errors import Doc
from sagebrush.services.states.program import plan_of
from sagebrush.store.db import Tx
from sagebrush.store.events import Event
from sagebrush.store.execution_values import Run
from sagebrush.world import World

DETAIL = "Step Functions Execution Status Change"
LARGEST = 200_000
"""Bytes of input and output together beyond which an event leaves them out: one of EventBridge's holds
256 KiB, and the guide says that data are left out then."""


def detail(run: Run) -> Doc:
    """The detail of the event that the execution has its status. Times in milliseconds."""
    plan = plan_of(run)
    size = len(run.input.encode()) + len((run.output or "").encode())
    included = size <= LARGEST
    ended = run.output is not None
    return {
        "executionArn": run.arn,
        "stateMachineArn": plan.get("machine"),
        "stateMachineVersionArn": plan.get("version"),
        "stateMachineAliasArn": plan.get("alias"),
        "name": run.name,
        "status": run.status,
        "startDate": int(run.started * 1000),
        "stopDate": int(run.stopped * 1000) if run.stopped is not None else None,
        "input": run.input if included else None,
        "inputDetails": {"included": included},
        "output": run.output if included else None,
        "outputDetails": {"included": included} if ended else None,
        "error": run.error,
        "cause": run.cause,
        "redriveCount": plan.get("redrives", 0),
        "redriveDate": plan.get("redriven"),
        "redriveStatus": "NOT_REDRIVABLE"
        if run.status in ("RUNNING", "SUCCEEDED")
        else "REDRIVABLE",
        "redriveStatusReason": (
            f"Execution is {run.status} and cannot be redriven"
            if run.status in ("RUNNING", "SUCCEEDED")
            else None
        ),
    }


def begun(world: World) -> Callable[[Tx, Run], None]:
    """What tells of an execution that begins, in the transaction that makes it."""
    return lambda tx, run: put_in(world, tx, run)


def put_in(world: World, tx: Tx, run: Run) -> None:
    """The event about the execution's status is stored with it, where somebody may consume it."""
    plan = plan_of(run)
    if plan.get("type") == "EXPRESS" or not world.events.wanted_in(tx, run.account, run.region):
        return
    event = Event(run.account, run.region, "aws.states", DETAIL, detail(run), (run.arn,))
    world.events.put_in(tx, [event])
