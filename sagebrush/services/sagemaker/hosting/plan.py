"""The private state in an endpoint's row: the fleets that it deploys, and every replica.

The names are those on disk: a row written by an older version is read by the next one, so a name
must never get another meaning.
"""

from __future__ import annotations

from typing import NotRequired, Required, TypedDict, cast

from sagebrush.store.rows import Next, Row


class Variant(TypedDict):
    """A production variant as it was when its fleet was deployed; later changes of its model do not
    affect it."""

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
    asked: NotRequired[dict[str, str]]
    """What the image's tag promises: Python and packages -> version."""
    env: dict[str, str]
    data: tuple[str, str, str] | None
    """Where the model's files are: bucket, key, and `archive`, `prefix` or `object`."""
    role: str | None
    isolated: bool
    resolved: float
    """When the image was resolved, in seconds since the epoch."""


class Fleet(TypedDict):
    """What is deployed together: the variants of one endpoint configuration."""

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
    """Its state (`hosting.fleet` has the list)."""
    since: float
    """When it entered that state, in seconds since the epoch."""
    was: NotRequired[Variant]
    """The variant that it runs, kept because its fleet may be removed before it."""
    tries: NotRequired[int]
    """Consecutive ends of the replicas that it replaces."""
    replaces: NotRequired[bool]
    """Whether it replaces one that had been serving."""
    not_before: NotRequired[float]
    """The earliest time of its launch, in seconds since the epoch."""


class Plan(TypedDict, total=False):
    """The plan of an endpoint's row."""

    active: Fleet | None
    """The fleet that answers."""
    pending: Fleet | None
    """The fleet that is to replace it."""
    replicas: Required[list[Entry]]
    waiting: str | None
    """What a replica waits for."""
    queued: bool | None
    """Whether it waits for capacity."""
    looping: bool | None
    """Whether replicas end again and again."""
    tags: dict[str, str]


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)


def active_of(row: Row) -> Fleet:
    """The serving fleet of an endpoint that has one."""
    found = plan_of(row).get("active")
    assert found is not None
    return found
