"""The private state in the rows of custom models that concerns all of them."""

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


def plan_of(row: Row) -> Model:
    """The row's plan."""
    return cast(Model, row.plan)
