"""For how long an endpoint had how many instances, as AWS would have billed them. Pure.

"You are charged for instance hours" while instances are in service, asleep or not ("Amazon SageMaker
pricing"): what counts is how many there should have been, of both fleets in a deployment. Serverless
variants have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypedDict

from sagebrush.services.sagemaker.hosting.plan import Fleet


class Billed(TypedDict):
    """The instances of an endpoint until now. Times in seconds since the epoch."""

    since: float
    """From when on they were counted: its creation, or an older version's end."""
    at: float
    """Until when `seconds` are."""
    counts: dict[str, int]
    """Instance type -> how many there have been since `at`."""
    seconds: dict[str, float]
    """Instance type -> seconds of single instances."""


def noted(before: Billed | None, fleets: Iterable[Fleet], now: float) -> Billed:
    """The instances until `now`, from which on the endpoint has those of `fleets`."""
    counts: Counter[str] = Counter()
    for fleet in fleets:
        for variant in fleet["variants"]:
            if "serverless" not in variant:
                counts[variant["type"]] += fleet.get("now", {}).get(
                    variant["name"], variant["count"]
                )
    since = before["since"] if before else now
    return {
        "since": since,
        "at": now,
        "counts": dict(counts),
        "seconds": until(before, now) if before else {},
    }


def until(billed: Billed, now: float) -> dict[str, float]:
    """Instance type -> seconds of single instances until `now`."""
    found = dict(billed["seconds"])
    for name, count in billed["counts"].items():
        found[name] = found.get(name, 0.0) + count * max(0.0, now - billed["at"])
    return found
