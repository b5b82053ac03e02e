"""The private state in rows that concerns several kinds of them: custom models, and what processing jobs do."""

from __future__ import annotations

from typing import TypedDict, cast

from sagebrush.store.rows import Row


class Policy(TypedDict):
    """A model's resource policy."""

    text: str
    revision: str
    created: float
    """In seconds since the epoch, as `modified`."""
    modified: float


class Model(TypedDict, total=False):
    """Members of the plan of any model's row."""

    tags: dict[str, str]
    policy: Policy


class Work(TypedDict, total=False):
    """Members of the plan of a row whose work is one processing job (`work`)."""

    started: bool
    """The processing job was created; where that is gone now, it was deleted."""


def plan_of(row: Row) -> Model:
    """The row's plan."""
    return cast(Model, row.plan)
