"""What the row of a notebook instance keeps for Sagebrush alone.

The names are those on disk: a row that an older version wrote goes on under the next one, so no name
may get another meaning.
"""

from __future__ import annotations

from typing import Required, TypedDict, cast

from sagebrush.store.rows import Row


class Attempt(TypedDict, total=False):
    """Members that belong to one start of the instance; the next begins without them."""

    key: str
    """Names its capacity, its process and its directory."""
    stage: str | None
    """`start` until the process is launched, then `boot` until Jupyter answers."""
    failure: str | None
    """Why it fails, until nothing of it runs."""
    launched: float | None
    """When its process was launched, in seconds since the epoch."""
    waiting: str | None
    """What it waits for."""
    gone: float | None
    """Since when nothing is known of the process, though it was launched."""
    logs: dict[str, int] | None
    """How many bytes of each lifecycle script's log were copied: hook -> offset."""
    tries: int | None
    """How often a process of it was lost before it answered."""
    told: str | None
    """`dry` once a dry run of the idle stop said that it would stop the instance."""


class Plan(Attempt, total=False):
    """The plan of a notebook instance's row."""

    id: Required[str]
    """Names its volume and its host, for as long as the instance exists."""
    created: bool
    """Whether Jupyter has answered once: `OnCreate` and the examples are done."""
    token: str | None
    """Jupyter's own token, where the port is the host's."""
    since: float
    """When it was InService."""
    looked: float
    """When it was last asked whether it is idle."""
    built: list[str] | None
    """Environments of further kernels that were built, or could not be."""
    tokens: dict[str, list[float | str]]
    """One-time links that were given out (`routing.notebooks`)."""
    tags: dict[str, str]


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)


def key_of(row: Row) -> str:
    """The key of the present start of an instance that has one."""
    found = plan_of(row).get("key")
    assert found is not None
    return found


def begin(number: str) -> Attempt:
    """The members of a new start."""
    return {
        "key": f"n-{number}",
        "stage": "start",
        "failure": None,
        "launched": None,
        "waiting": None,
        "gone": None,
        "logs": None,
        "tries": None,
        "told": None,
    }
