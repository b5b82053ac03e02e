"""The private state in a custom model's row."""

from __future__ import annotations

from typing import cast

from sagebrush.services.comprehend.plan import Model, Work
from sagebrush.store.rows import Next, Row


class Plan(Model, Work, total=False):
    """The plan of a custom model's row."""

    id: str
    """32 hexadecimal digits that no other model has: its processing job and its artifacts go by it."""
    token: str
    """The ClientRequestToken of the request that began it."""
    request: str
    """A digest of that request: who sends its token again must ask for the same."""
    source: str
    """The key prefix of the artifacts that an imported model is a copy of; absent for others."""
    model: str
    """The URI of `model.tar.gz`, once it is trained."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
