"""What is stored of executions of workflows, as values, and how a row becomes one."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from sagebrush.asl.steps import StartMapRun, StartTask
from sagebrush.store.documents import Doc

RUNNING = "RUNNING"
OWN = "#own:"
"""After an execution's ARN, the beginning of the parent of rows that go with the execution."""
COLUMNS = (
    "id, kind, arn, owner, name, status, definition, started, stopped, events, input, output, error,"
    " cause, plan"
)
"""Those of the table `execution` that make a `Run`."""
Order = StartTask | StartMapRun


@dataclass(frozen=True)
class New:
    """An execution to be started. `definition`: the text of what runs; `owner`: the ARN under which it
    is listed (a state machine's, a map run's)."""

    kind: str
    arn: str
    owner: str
    name: str
    definition: str
    input: str
    plan: Doc = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """An execution as it is stored. Times in seconds since 1970; `plan` is its service's own."""

    id: int
    kind: str
    arn: str
    owner: str
    name: str
    status: str
    definition: int
    started: float
    stopped: float | None
    events: int
    input: str
    output: str | None
    error: str | None
    cause: str | None
    plan: Doc

    @property
    def region(self) -> str:
        return self.arn.split(":", 5)[3]

    @property
    def account(self) -> str:
        return self.arn.split(":", 5)[4]


@dataclass(frozen=True)
class Work:
    """What a step ordered and whose end is not known yet. `note` is what its doer keeps with it."""

    execution: int
    key: str
    order: Order
    note: Doc
    started: bool
    stopping: bool


def read_run(row: sqlite3.Row) -> Run:
    """The execution of a row that begins with `COLUMNS`."""
    given: Any = (*tuple(row)[:14], json.loads(row["plan"]))
    return Run(*given)


def read_work(row: sqlite3.Row) -> Work:
    """The work of a row of the table `work`."""
    return Work(
        row["execution"], row["key"], _order(row["command"]), json.loads(row["note"]),
        bool(row["started"]), bool(row["stopping"]),
    )  # fmt: skip


def _order(text: str) -> Order:
    doc = json.loads(text)
    if doc.pop("name") == "StartTask":
        return StartTask(**doc)
    return StartMapRun(doc["key"], tuple(doc["path"]), doc["spec"])
