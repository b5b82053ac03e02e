"""The private state in an asynchronous job's row."""

from __future__ import annotations

from typing import cast

from sagebrush.services.comprehend.plan import Work
from sagebrush.store.rows import Next, Row


class Plan(Work, total=False):
    """The plan of an asynchronous job's row."""

    tags: dict[str, str]
    request: str
    """A digest of the request that began it: who sends its token again must ask for the same."""
    model: str
    """The URI of its custom model's archive; absent where it uses none."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
