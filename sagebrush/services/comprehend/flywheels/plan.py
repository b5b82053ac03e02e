"""The private state in the rows of flywheels, data sets and iterations."""

from __future__ import annotations

from typing import TypedDict, cast

from sagebrush.errors import Doc
from sagebrush.store.rows import Next, Row


class Plan(TypedDict, total=False):
    """The plan of a row of any of the three kinds."""

    tags: dict[str, str]
    token: str
    """The ClientRequestToken of the request that made it."""
    request: str
    """A digest of that request: who sends its token again must ask for the same."""
    started: str
    """The program of which a processing job was created: where that is gone now, it was deleted."""
    input: Doc
    """Of a data set: its InputDataConfig."""
    first: bool
    """Of a data set: it is the data of which the flywheel's first model was trained."""
    train: list[str]
    """Of an iteration: the data sets that it trains with, by the names of their rows."""
    test: list[str]
    """Of an iteration: the data sets that it evaluates with."""
    trains: bool
    """Of an iteration: it trains a model; one that has new test data alone does not."""
    ordered: bool
    """Of an iteration: its model was created."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
