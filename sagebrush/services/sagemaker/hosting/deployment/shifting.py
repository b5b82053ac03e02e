"""Which step of its policy a deployment is at, and which comes next: values and time in, values out.

A step of traffic is provisioned (`Creating`), turned on (`ActivatingTraffic`) and watched
(`Baking`); the words are those of AWS's VariantStatus. A blue/green deployment has all its
instances from the first step on, a rolling one gets them batch by batch and gives up old ones after
each. Source: the developer guide's pages `deployment-guardrails-blue-green-*` and `-rolling`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.routing.endpoints import activated
from sagebrush.services.sagemaker.hosting.deployment.update_policy import CANARY, ROLLING, Policy

CREATING, ACTIVATING, BAKING = "Creating", "ActivatingTraffic", "Baking"
LOOK = 5.0
"""Seconds between two looks at the alarms while a step is baked."""


@dataclass(frozen=True)
class Progress:
    """The step that a deployment is at."""

    step: int = 1
    """Counted from 1."""
    stage: str = CREATING
    since: float = 0.0
    """When the stage began, in seconds since the epoch."""


@dataclass(frozen=True)
class Seen:
    """What is known at `now`, in seconds since the epoch."""

    now: float
    began: float
    """When the deployment did."""
    ready: bool
    """Whether all the instances answer that there should be now."""
    alarm: str = ""
    """Why the deployment must not go on; "" if nothing speaks against it."""


@dataclass(frozen=True)
class Turn:
    """What follows: the same or another step, the end (`done`), or the way back (`back`: why)."""

    progress: Progress
    due: float = 0.0
    """Seconds until the next look."""
    done: bool = False
    back: str = ""


def shift(policy: Policy, shares: tuple[float, ...], progress: Progress, seen: Seen) -> Turn:
    """What follows for a deployment by `policy` with the steps `shares` that is at `progress`.

    It makes one step at most: however long nobody looked, a step is never left out.
    """
    left = math.inf if policy.limit is None else seen.began + policy.limit - seen.now
    if seen.alarm:
        return Turn(progress, back=seen.alarm)
    if left <= 0:
        return Turn(progress, back=_late(policy))
    if progress.stage == CREATING:
        if not seen.ready:
            return Turn(progress, due=min(left, LOOK) if watched(progress) else left)
        return Turn(Progress(progress.step, ACTIVATING, seen.now))
    if progress.stage == ACTIVATING:
        return Turn(Progress(progress.step, BAKING, seen.now))
    waiting = progress.since + bake(policy, shares, progress.step)[0] - seen.now
    if waiting > 0:
        return Turn(progress, due=min(waiting, left, LOOK))
    if progress.step >= len(shares):
        return Turn(progress, done=True)
    if policy.kind == ROLLING:
        return Turn(Progress(progress.step + 1, CREATING, seen.now))
    if not seen.ready:  # one of the new fleet is being replaced
        return Turn(progress, due=min(left, LOOK))
    return Turn(Progress(progress.step + 1, ACTIVATING, seen.now))


def watched(progress: Progress) -> bool:
    """Whether alarms count: from the first traffic on, as those of the old fleet may ring before."""
    return progress.step > 1 or progress.stage != CREATING


def share(shares: tuple[float, ...], progress: Progress) -> float:
    """The part of the traffic that the new fleet gets, 0..1."""
    step = progress.step - (progress.stage == CREATING)
    return shares[step - 1] if step else 0.0


def bake(policy: Policy, shares: tuple[float, ...], step: int) -> tuple[float, str]:
    """How many seconds the step is baked, and AWS's name of the member that says so."""
    if policy.kind == ROLLING or step < len(shares):
        return policy.wait, "WaitIntervalInSeconds"
    return policy.final, "TerminationWaitInSeconds"


def wanted(
    policy: Policy, shares: tuple[float, ...], progress: Progress, counts: Mapping[str, int]
) -> dict[str, int]:
    """How many instances the new fleet should have now, of the `counts` that it is to have."""
    if policy.kind != ROLLING:
        return dict(counts)
    return {name: math.ceil(shares[progress.step - 1] * n - 1e-9) for name, n in counts.items()}


def kept(
    policy: Policy, shares: tuple[float, ...], progress: Progress, counts: Mapping[str, int]
) -> dict[str, int]:
    """How many instances of the old fleet are kept now, of the `counts` that it had.

    A batch is given up once the new one was baked, so that as many instances as before answer at
    every moment.
    """
    if policy.kind != ROLLING or progress.step == 1:
        return dict(counts)
    gone = shares[progress.step - 2]
    return {name: math.ceil((1.0 - gone) * n - 1e-9) for name, n in counts.items()}


def retreat(policy: Policy, now: Mapping[str, int], full: Mapping[str, int]) -> dict[str, int]:
    """How many old instances there should be next, on the way back from `now` to `full`."""
    if policy.back is None:
        return dict(full)
    return {name: min(n, now[name] + policy.back.instances(n)) for name, n in full.items()}


def words(
    policy: Policy, shares: tuple[float, ...], progress: Progress, counts: tuple[int, int, int]
) -> str:
    """AWS's StatusMessage for a variant; `counts`: its instances that answer, that should by now,
    and that it is to have. Source: the guide's "Endpoint deployment state change" events."""
    answering, due, count = counts
    if progress.stage == CREATING:
        return f"Launching {max(0, due - answering)} instance(s)."
    last = progress.step >= len(shares)
    capacity = "full" if last else "canary" if policy.kind == CANARY else "partial"
    traffic = f"{capacity} capacity of {activated(shares[progress.step - 1], count)} instance(s)."
    if progress.stage == ACTIVATING:
        return f"Activating traffic on {traffic}"
    seconds, member = bake(policy, shares, progress.step)
    return f"Baking for {seconds:g} seconds ({member}) with traffic enabled on {traffic}"


def _late(policy: Policy) -> str:
    return (
        f"The deployment did not complete within {policy.limit:g} seconds"
        " (MaximumExecutionTimeoutInSeconds)."
    )
