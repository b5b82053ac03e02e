"""Events as rules, targets and users see them. Pure.

Source: EventBridge user guide, "Events": the members, in the order in which AWS sends them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from sagebrush.errors import Doc


def envelope(
    what: tuple[str, str],
    place: tuple[str, str],
    at: float,
    detail: Doc,
    resources: Sequence[str] = (),
) -> Doc:
    """An event: what (source, detail type) happened where (account, region), at a time in seconds
    since the epoch, with a new id."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": what[1],
        "source": what[0],
        "account": place[0],
        "time": moment(at),
        "region": place[1],
        "resources": list(resources),
        "detail": detail,
    }


def moment(seconds: float) -> str:
    """A time as events have it: UTC, in whole seconds."""
    try:
        found = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, OSError, ValueError):
        found = dt.datetime.fromtimestamp(0, dt.UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Arrived:
    """An event on a bus."""

    envelope: Doc
    account: str
    region: str
    bus: str
    at: float = 0.0
    """When EventBridge got it, in seconds since the epoch."""
    from_bus: bool = False
    """It came from another bus: rules send it on to no third one."""
    options: Doc = field(default_factory=dict)
