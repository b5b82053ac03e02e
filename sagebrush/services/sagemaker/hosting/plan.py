"""What the row of an endpoint keeps for Sagebrush alone: the fleets that it deploys, and every replica.

The names are those on disk: a row that an older version wrote goes on under the next one, so no name
may get another meaning.
"""

from __future__ import annotations

from typing import NotRequired, Required, TypedDict, cast

from sagebrush.store.rows import Next, Row


class Variant(TypedDict):
    """A production variant as it was when its fleet was deployed; later changes of its model do not
    reach it."""

    name: str
    model: str
    """The model's name."""
    count: int
    """How many replicas it should have."""
    weight: float
    type: str
    """Its instance type."""
    startup: int | None
    """Seconds until a replica must answer /ping, where the variant says."""
    image: str
    """The image as the model names it."""
    environment: str
    algorithm: str | None
    """The built-in algorithm, if it is one."""
    container: str
    """The image that runs as a container; "" where an environment stands for the image."""
    framework: str | None
    env: dict[str, str]
    data: tuple[str, str, str] | None
    """Where the model's files are: bucket, key, and `archive`, `prefix` or `object`."""
    role: str | None
    isolated: bool
    resolved: float
    """When the image was resolved, in seconds since the epoch."""


class Fleet(TypedDict):
    """What is deployed at one time: the variants of one endpoint configuration."""

    id: str
    config: str
    """The configuration's name."""
    variants: list[Variant]
    started: float
    changed: NotRequired[float]
    """When weights or counts were last changed."""


class Entry(TypedDict):
    """One replica."""

    id: str
    key: str
    """Names its capacity, its process and its directory."""
    fleet: str
    """The id of its fleet."""
    variant: str
    """The name of its variant."""
    state: str
    """Where it is on its way (`hosting.fleet`)."""
    since: float
    """When it came there."""
    was: NotRequired[Variant]
    """What it runs, once its fleet may be gone."""
    tries: NotRequired[int]
    """Ends in a row of those that it follows."""
    replaces: NotRequired[bool]
    """Whether it follows one that answered."""
    not_before: NotRequired[float]
    """When it may be launched."""


class Plan(TypedDict, total=False):
    """The plan of an endpoint's row."""

    active: Fleet | None
    """The fleet that answers."""
    pending: Fleet | None
    """The fleet that is to take over."""
    replicas: Required[list[Entry]]
    waiting: str | None
    """What a replica waits for."""
    queued: bool | None
    """Whether that is capacity."""
    looping: bool | None
    """Whether replicas end again and again."""
    tags: dict[str, str]


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step, the members that it changes."""
    return cast(Plan, row.plan)


def active_of(row: Row) -> Fleet:
    """The fleet that answers, of an endpoint that has one."""
    found = plan_of(row).get("active")
    assert found is not None
    return found
