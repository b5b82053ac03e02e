"""The private state in a notebook instance's row.

The names are those on disk: a row written by an older version is read by the next one, so a name
must never get another meaning.
"""

from __future__ import annotations

from typing import Required, TypedDict, cast

from sagebrush.store.rows import Row


class Attempt(TypedDict, total=False):
    """Members that belong to one start of the instance; the next start begins without them."""

    key: str
    """Names its capacity, its process and its directory."""
    stage: str | None
    """`start` until the process is launched, then `boot` until Jupyter answers."""
    failure: str | None
    """Its FailureReason, while its process is still being stopped."""
    launched: float | None
    """When its process was launched, in seconds since the epoch."""
    waiting: str | None
    """What it waits for."""
    gone: float | None
    """Since when the backend knows nothing of the launched process, in seconds since the epoch."""
    logs: dict[str, int] | None
    """How many bytes of each lifecycle script's log were copied: hook -> offset."""
    tries: int | None
    """How often its process was lost before it answered."""
    told: str | None
    """`dry` once a dry run of the idle stop logged that it would stop the instance."""


class Plan(Attempt, total=False):
    """The plan of a notebook instance's row."""

    id: Required[str]
    """Part of the names of its volume and its host, for as long as the instance exists."""
    created: bool
    """Whether Jupyter has answered once: `OnCreate` and the examples are done."""
    token: str | None
    """Jupyter's own token, where its port is one of the host and every local user can reach it."""
    since: float
    """When it became InService, in seconds since the epoch."""
    looked: float
    """When its activity was last read, in seconds since the epoch."""
    built: list[str] | None
    """Environments of further kernels that were built, or whose build failed."""
    tokens: dict[str, list[float | str]]
    """Unused one-time links (`routing.notebooks`)."""
    tags: dict[str, str]


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)


def key_of(row: Row) -> str:
    """The key of the present start, of an instance that has one."""
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
