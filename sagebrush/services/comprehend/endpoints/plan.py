"""The private state in an endpoint's row."""

from __future__ import annotations

from typing import NotRequired, Required, TypedDict, cast

from sagebrush.store.rows import Row


class Version(TypedDict):
    """A model that an endpoint serves, or is to serve."""

    number: int
    """From 1: each change of the model makes a new one."""
    archive: str
    """The URI of the model's archive, in a bucket of Comprehend's account."""
    flywheel: NotRequired[str]
    """The ARN of the flywheel whose active model it is; "" for none. A row of an earlier version may lack it."""


class Plan(TypedDict, total=False):
    """The plan of an endpoint's row."""

    tags: dict[str, str]
    token: str
    """ClientRequestToken of the request that created it."""
    request: Required[str]
    """A digest of that request: who sends the token again must ask for the same."""
    child: Required[str]
    """The name of SageMaker's endpoint: no other's, also of an endpoint that is created under this one's
    name later."""
    wanted: Required[Version]
    serving: Version
    """What was wanted when the endpoint was last in service."""
    refused: str
    """The archive of the model that could not be served last: a flywheel's is not tried again before another
    one has been its active model, or has been served."""
    asked: int
    """The number whose deployment was begun last."""


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)
