"""What a DeploymentConfig asks for, as values, and the refusal of what AWS does not accept.

Sources: the developer guide's pages on deployment guardrails (`deployment-guardrails-*`) and the API
reference (TrafficRoutingConfig, BlueGreenUpdatePolicy, RollingUpdatePolicy). AWS's own sentences for
these refusals are not published: ours name the member and its limit as those pages do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.errors import AwsError, Doc

ALL_AT_ONCE, CANARY, LINEAR, ROLLING = "ALL_AT_ONCE", "CANARY", "LINEAR", "ROLLING"
LIMITS = {"CanarySize": (0, 50), "LinearStepSize": (10, 50), "MaximumBatchSize": (5, 50)}
"""Percent of a variant's instances that a step may have: from, to."""
EXCLUDED = ("ml.inf1.",)
"""Instance types with which AWS falls back to all at once without a baking period."""


@dataclass(frozen=True)
class Size:
    """A part of a fleet: AWS's CapacitySize."""

    kind: str
    """`INSTANCE_COUNT` or `CAPACITY_PERCENT`."""
    value: int

    def part(self, count: int) -> float:
        """The part of `count` instances, 0..1."""
        whole = 100 if self.kind == "CAPACITY_PERCENT" else max(1, count)
        return min(1.0, self.value / whole)

    def instances(self, count: int) -> int:
        """The nearest number of instances, at least one; a half is rounded down, so that 50 % never
        is more."""
        return max(1, math.ceil(self.part(count) * count - 0.5))


@dataclass(frozen=True)
class Policy:
    """How traffic goes over to a new fleet. Times in seconds."""

    kind: str = ALL_AT_ONCE
    size: Size | None = None
    """Of the canary, of a linear step or of a rolling batch."""
    wait: float = 0.0
    """How long each step but the last is baked; of a rolling update, each batch."""
    final: float = 0.0
    """How long the old fleet is kept, and alarms are watched, after all traffic went over."""
    limit: float | None = None
    """How long the deployment may take."""
    back: Size | None = None
    """The batches of a rolling update's rollback; None: all at once."""
    alarms: tuple[str, ...] = ()

    def shares(self, counts: Mapping[str, int]) -> tuple[float, ...]:
        """The part of the traffic that the new fleet has after each step; the last is 1.

        `counts`: the new fleet's instances, by variant. A size in instances is a different part of
        each variant: the smallest part counts.
        """
        if self.kind == ALL_AT_ONCE or self.size is None:
            return (1.0,)
        if self.kind == ROLLING:
            (count,) = counts.values()
            if not count:  # an asynchronous endpoint at zero: nothing starts in batches
                return (1.0,)
            batch = self.size.instances(count)
            return tuple(min(1.0, done / count) for done in range(batch, count + batch, batch))
        part = min(self.size.part(count) for count in counts.values())
        if self.kind == CANARY:
            return (part, 1.0)
        steps = math.ceil(1.0 / part - 1e-9)
        return (*(min(1.0, part * step) for step in range(1, steps)), 1.0)


def policy_of(config: Doc | None, types: Mapping[str, str]) -> Policy:
    """The policy of a DeploymentConfig; without one, all at once.

    `types`: the instance types of the fleets, by variant. One that AWS excludes from guardrails
    gets the deployment that AWS falls back to (`deployment-guardrails-exclusions`).
    """
    if not config or any(kind.startswith(EXCLUDED) for kind in types.values()):
        return Policy()
    alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", ())
    names = tuple(alarm["AlarmName"] for alarm in alarms if alarm.get("AlarmName"))
    if rolling := config.get("RollingUpdatePolicy"):
        return Policy(
            ROLLING,
            _size(rolling, "MaximumBatchSize"),
            wait=float(rolling["WaitIntervalInSeconds"]),
            limit=rolling.get("MaximumExecutionTimeoutInSeconds"),
            back=_size(rolling, "RollbackMaximumBatchSize"),
            alarms=names,
        )
    blue = config.get("BlueGreenUpdatePolicy", {})
    routing = blue.get("TrafficRoutingConfiguration", {})
    kind = routing.get("Type", ALL_AT_ONCE)
    member = {CANARY: "CanarySize", LINEAR: "LinearStepSize"}.get(kind, "")
    return Policy(
        kind,
        _size(routing, member),
        wait=float(routing.get("WaitIntervalInSeconds", 0)),
        final=float(blue.get("TerminationWaitInSeconds", 0)),
        limit=blue.get("MaximumExecutionTimeoutInSeconds"),
        alarms=names,
    )


def check(config: Doc | None, counts: Mapping[str, int]) -> None:
    """Raises ValidationException for a DeploymentConfig that AWS's pages rule out.

    `counts`: the instances of the fleet that would be deployed, by variant.
    """
    if not config:
        return
    blue, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue and rolling:
        raise _invalid(
            "Only one update policy can be used in DeploymentConfig: BlueGreenUpdatePolicy and"
            " RollingUpdatePolicy are both specified."
        )
    if rolling:
        _check_rolling(rolling, counts)
    elif blue:
        _check_blue_green(blue, counts)
    names = [
        a.get("AlarmName") for a in config.get("AutoRollbackConfiguration", {}).get("Alarms", ())
    ]
    if None in names:
        raise _invalid("AlarmName is required for each of the Alarms of AutoRollbackConfiguration.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _invalid(f"Alarms of AutoRollbackConfiguration must be unique: {', '.join(twice)}.")


def check_change(config: Doc | None, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Raises ValidationException where a fleet with the variants `after` cannot take the place of
    one with the variants `before` as the DeploymentConfig says (`deployment-guardrails-exclusions`)."""
    guarded = config and (config.get("BlueGreenUpdatePolicy") or config.get("RollingUpdatePolicy"))
    if guarded and set(before) != set(after):
        raise _invalid(
            "With a DeploymentConfig the new endpoint configuration must have the same variant names"
            f" as the old one: {', '.join(sorted(after))} instead of {', '.join(sorted(before))}."
        )


def _check_blue_green(policy: Doc, counts: Mapping[str, int]) -> None:
    routing = policy["TrafficRoutingConfiguration"]
    kind = routing["Type"]
    member = {CANARY: "CanarySize", LINEAR: "LinearStepSize"}.get(kind)
    if member and member not in routing:
        raise _invalid(f"{member} is required in TrafficRoutingConfiguration of type {kind}.")
    if member:
        _check_size(routing, member, counts)
    found = policy_of({"BlueGreenUpdatePolicy": policy}, {})
    waits = len(found.shares(counts)) - 1
    _check_limit(
        policy,
        found.wait * waits + found.final,
        "WaitIntervalInSeconds and TerminationWaitInSeconds",
    )


def _check_rolling(policy: Doc, counts: Mapping[str, int]) -> None:
    if len(counts) > 1:
        raise _invalid(
            "RollingUpdatePolicy is not supported for endpoints with multiple production variants"
            f" ({', '.join(counts)})."
        )
    _check_size(policy, "MaximumBatchSize", counts)
    if "RollbackMaximumBatchSize" in policy:
        size = _size(policy, "RollbackMaximumBatchSize")
        assert size is not None
        if size.kind == "CAPACITY_PERCENT" and size.value > 100:
            raise _invalid("RollbackMaximumBatchSize must not be more than 100% of the capacity.")
    found = policy_of({"RollingUpdatePolicy": policy}, {})
    _check_limit(policy, found.wait * len(found.shares(counts)), "WaitIntervalInSeconds")


def _check_size(where: Doc, member: str, counts: Mapping[str, int]) -> None:
    size = _size(where, member)
    assert size is not None
    low, high = LIMITS[member]
    limits = f"between {low}% and {high}%" if low else f"less than or equal to {high}%"
    for variant, count in counts.items():
        percent = (
            size.value if size.kind == "CAPACITY_PERCENT" else 100 * size.value / max(1, count)
        )
        if not low <= percent <= high:
            raise _invalid(
                f"{member} must be {limits} of the total instance count of production variant"
                f" {variant} ({count}): {_words(size)} is {percent:g}%."
            )


def _check_limit(policy: Doc, waits: float, members: str) -> None:
    limit = policy.get("MaximumExecutionTimeoutInSeconds")
    if limit is not None and limit <= waits:
        raise _invalid(
            f"MaximumExecutionTimeoutInSeconds ({limit}) must be larger than the total waiting time"
            f" that {members} make ({waits:g} seconds)."
        )


def _size(where: Doc, member: str) -> Size | None:
    found = where.get(member)
    return Size(found["Type"], found["Value"]) if found else None


def _words(size: Size) -> str:
    return f"{size.value}%" if size.kind == "CAPACITY_PERCENT" else f"{size.value} instance(s)"


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text)
