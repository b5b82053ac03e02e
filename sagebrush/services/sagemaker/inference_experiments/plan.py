"""The private state in an inference experiment's row.

The names are those on disk: a row written by an older version is read by the next one, so a name
must never get another meaning.
"""

from __future__ import annotations

from typing import TypedDict, cast

from sagebrush.errors import Doc
from sagebrush.store.rows import Next, Row


class Plan(TypedDict, total=False):
    """The plan of an inference experiment's row."""

    own: Doc
    """The endpoint's configuration before the experiment, as a request of CreateEndpointConfig;
    absent until the experiment starts."""
    asked: str
    """The configuration that its endpoint was last asked to have."""
    back: str
    """The status that an Updating one returns to."""
    actions: dict[str, str] | None
    """The ModelVariantActions of its stop; None: the endpoint gets its own configuration back."""
    desired: list[Doc] | None
    """The DesiredModelVariants of its stop."""
    end: str
    """`Completed` or `Cancelled`, once it is Stopping."""
    kept: list[str]
    """The variants that its endpoint has after it."""
    tags: dict[str, str]


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
