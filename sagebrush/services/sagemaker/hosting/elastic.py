"""How many replicas a variant should have that has more or fewer by its use: serverless variants, and
those of endpoints that sleep when they are idle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.compute.host import Host
from sagebrush.routing.demand import Seen
from sagebrush.services.sagemaker.hosting.plan import Fleet, Variant
from sagebrush.settings import Settings

TAG = "sagebrush:sleep-after"
"""An endpoint's tag: the seconds without a request after which it sleeps; 0: never."""


@dataclass(frozen=True)
class Rule:
    """How replicas follow the use."""

    least: int
    """Replicas that are kept always."""
    most: int
    idle: float
    """Seconds without use after which no more than the least are kept."""
    by_request: bool
    """Whether there is one for each request at once; else all of them, or the least."""


@dataclass(frozen=True)
class Target:
    """How many replicas there should be, and in how many seconds that may change by itself."""

    count: int
    due: float = math.inf


def target(rule: Rule, seen: Seen, up: float, serving: int, now: float) -> Target:
    """How many replicas there should be at `now`.

    `up`: since when the newest one is what it is, starting or serving, at least since when uses are
    known (0: there is none); `serving`: how many serve. A replica that did not come up is not tried
    again before its time.
    """
    since = max(seen.last, up)
    left = since + rule.idle - now
    if not seen.inside and left <= 0:
        return _held(Target(rule.least), seen, serving, now)
    count = rule.most
    if rule.by_request:
        late = [n for at, n in seen.peaks if at + rule.idle > now]
        count = min(rule.most, max(rule.least, 1, seen.inside, *late))
    due = rule.idle if seen.inside else left
    later = [at + rule.idle - now for at, _ in seen.peaks if at + rule.idle > now]
    return _held(Target(count, min(due, *later) if later else due), seen, serving, now)


def _held(found: Target, seen: Seen, serving: int, now: float) -> Target:
    """The target while no further replica is tried after a failure."""
    left = seen.held_until - now
    if left <= 0 or found.count <= serving:
        return found
    return Target(serving, min(found.due, left))


def rule(variant: Variant, sleeps: float | None, settings: Settings, host: Host) -> Rule | None:
    """The variant's rule; None where it always has its count. `sleeps`: after how many idle seconds
    its endpoint sleeps, None: never."""
    config = variant.get("serverless")
    if config is not None:
        most = processes(config["MaxConcurrency"], host)
        least = min(most, config.get("ProvisionedConcurrency", 0))
        return Rule(least, most, float(settings.serverless_idle), True)
    if sleeps is None:
        return None
    return Rule(0, variant["count"], sleeps, False)


def processes(concurrency: int, host: Host) -> int:
    """How many processes answer so many requests at once: one each, as long as each has a CPU."""
    return min(concurrency, max(1, int(host.cpus)))


def sleep_after(tags: Mapping[str, str], settings: Settings, fleet: Fleet | None) -> float | None:
    """After how many idle seconds the endpoint sleeps: its tag says, else the setting; None: never.

    Asynchronous endpoints are scaled to zero by their policies instead; serverless ones have their own
    rule. A tag that is no number of seconds counts as none.
    """
    if fleet is None or fleet.get("asynchronous"):
        return None
    first = fleet["variants"][0]
    if "serverless" in first or not first["containers"]:  # of inference components: theirs to say
        return None
    text = tags.get(TAG, "")
    seconds = int(text) if text.isdigit() else settings.sleep_after
    return float(seconds) if seconds > 0 else None
