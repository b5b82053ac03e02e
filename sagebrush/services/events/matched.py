"""From an event on a bus to what is to be sent: the rules that it matches, and their targets.

Rules are read once and kept compiled in memory (`World.rules`) while none changes: whoever changes one
calls `forget` after that is on disk.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sagebrush.access import dispatch, grammar, policy, principals
from sagebrush.access.policy import Malformed, Principal
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.patterns.conditions import Branch
from sagebrush.patterns.matching import Index, leaves
from sagebrush.patterns.reading import read
from sagebrush.patterns.tokens import PatternError
from sagebrush.services.events import inputs, names
from sagebrush.services.events.envelopes import Arrived
from sagebrush.services.events.names import RULE, SERVICE
from sagebrush.services.events.plan import targets_of
from sagebrush.store.deliveries import Delivery
from sagebrush.store.rows import Row
from sagebrush.store.series import Point
from sagebrush.world import World

log = logging.getLogger(__name__)
NAMESPACE = "AWS/Events"
DISABLED = "DISABLED"


@dataclass(frozen=True)
class Bus:
    """The enabled rules of a bus that have a pattern."""

    rules: Mapping[str, Row]
    """By the names of their rows."""
    index: Index[str]


@dataclass(frozen=True)
class Sent:
    """What comes of an event."""

    deliveries: Sequence[Delivery]
    counts: Mapping[str, int]
    """Name of a rule that matched -> its targets that were invoked."""


def forget(world: World) -> None:
    """Rules are read again: one has changed, and that is on disk. Whoever has read an older one fills
    the memory as it was."""
    world.rules = {}


def bus_of(world: World, account: str, region: str, name: str) -> Bus:
    """The bus's rules."""
    kept = world.rules  # as it is before the rows are read: see `forget`
    found = kept.get((account, region, name))
    if found is None:
        rows = world.rows.select(RULE, account=account, texts={"doc.EventBusName": name})
        found = _bus(row for row in rows if row.region == region)
        kept[account, region, name] = found
    return found


def _bus(rows: Iterator[Row]) -> Bus:
    rules: dict[str, Row] = {}
    patterns: dict[str, Sequence[Branch]] = {}
    for row in rows:
        if row.status == DISABLED or "EventPattern" not in row.doc:
            continue
        try:
            patterns[row.name] = read(row.doc["EventPattern"])
        except PatternError:  # which PutRule refuses
            log.exception("the pattern of rule %s could not be read", row.name)
            continue
        rules[row.name] = row
    return Bus(rules, Index.of(patterns))


def sent(world: World, event: Arrived) -> Sent:
    """What the event's bus sends because of it, in the order of the rules' names."""
    bus = bus_of(world, event.account, event.region, event.bus)
    deliveries: list[Delivery] = []
    counts: dict[str, int] = {}
    if bus.rules:
        for name in sorted(bus.index.matching(leaves(event.envelope))):
            row = bus.rules[name]
            counts[row.doc["Name"]] = len(targets_of(row))
            deliveries += of_rule(world, row, event)
    return Sent(deliveries, counts)


def of_rule(world: World, row: Row, event: Arrived) -> Iterator[Delivery]:
    """What the rule's targets get of the event."""
    rule = inputs.Rule(row.doc["Name"], row.doc["Arn"])
    for target in targets_of(row).values():
        arn = Arn.parse(target["Arn"])
        if arn is not None and arn.service == "events":
            yield from _to_bus(world, arn, target, rule, event)
        else:
            text = inputs.payload(target, event.envelope, rule, event.at)
            yield _delivery(target, text, rule, event)


def _delivery(target: Doc, text: str, rule: inputs.Rule, event: Arrived) -> Delivery:
    retry = target.get("RetryPolicy") or {}
    return Delivery(
        account=event.account,
        region=event.region,
        target=target["Arn"],
        payload=text,
        principal=SERVICE,
        source_arn=rule.arn,
        role=target.get("RoleArn", ""),
        options=_options(target, event),
        retries=retry.get("MaximumRetryAttempts", Delivery.retries),
        max_age=float(retry.get("MaximumEventAgeInSeconds", Delivery.max_age)),
        dead_letter=(target.get("DeadLetterConfig") or {}).get("Arn", ""),
    )


def _options(target: Doc, event: Arrived) -> Doc:
    """What the target's service needs besides."""
    arn = target["Arn"]
    if group := (target.get("SqsParameters") or {}).get("MessageGroupId"):
        return {"MessageGroupId": group}
    if ":states:" in arn:
        # one name for one delivery: an execution that was started is not started again
        return {"name": f"{event.envelope['id']}_{uuid.uuid4()}"}
    if ":logs:" in arn:
        return {"timestamp": int(event.at * 1000)}
    return {}


# To other buses -----------------------------------------------------------------------------------


def _to_bus(
    world: World, arn: Arn, target: Doc, rule: inputs.Rule, event: Arrived
) -> Iterator[Delivery]:
    """What another bus sends because the event comes to it, in the same transaction: nothing of a bus
    to another can be lost or late. Events that came from a bus already go no further (EventBridge user
    guide, "Sending and receiving events between event buses")."""
    if event.from_bus:
        return
    name = arn.resource.partition("/")[2]
    if not (_may(world, arn, target, event) and lets_in(world, arn, event.account)):
        # refused by the target, and so for its dead-letter queue
        text = inputs.payload(target, event.envelope, rule, event.at)
        yield _delivery(target, text, rule, event)
        return
    there = replace(event, account=arn.account, region=arn.region, bus=name, from_bus=True)
    yield from sent(world, there).deliveries


def _may(world: World, bus: Arn, target: Doc, event: Arrived) -> bool:
    """Whether the target's role may put events on the bus."""
    entry = {
        "EventBusName": str(bus),
        "Source": event.envelope["source"],
        "DetailType": event.envelope["detail-type"],
    }
    try:
        ctx = world.service_ctx(target["RoleArn"], region=event.region)
        dispatch.authorise(ctx, "events", "PutEvents", {"Entries": [entry]})
    except AwsError:
        return False
    return True


def lets_in(world: World, bus: Arn, account: str, who: Principal | None = None) -> bool:
    """Whether events of that account may come to the bus: it is there, and is the account's own or lets
    it by its policy (EventBridge user guide, "Permissions for event buses")."""
    name = bus.resource.partition("/")[2]
    row = world.rows.get(bus.account, bus.region, names.BUS, name)
    if row is None and name != names.DEFAULT:
        return False
    if bus.account == account:
        return True
    text = row.doc.get("Policy") if row is not None else None
    if not text:
        return False
    try:
        document = grammar.parse(text, grammar.RESOURCE)
    except Malformed:
        return False
    ctx = world.service_ctx(region=bus.region, account=account)
    found = policy.evaluate(
        [document], "", "events:PutEvents", str(bus), principals.keys(ctx),
        who or principals.principal(world, ctx.caller),
    )  # fmt: skip
    return found.allowed


# Metrics ------------------------------------------------------------------------------------------


def points(counts: Mapping[str, int], now: float) -> list[Point]:
    """The metrics of rules that matched an event at `now` (EventBridge user guide, "Monitoring Amazon
    EventBridge")."""
    found: list[Point] = []
    for rule, invoked in counts.items():
        for metric, value in (
            ("MatchedEvents", 1),
            ("TriggeredRules", 1),
            ("Invocations", invoked),
        ):
            if value:
                found.append(
                    Point(NAMESPACE, metric, now, float(value), {"RuleName": rule}, "Count",
                          float(value), 1.0, 1.0)
                )  # fmt: skip
    return found
