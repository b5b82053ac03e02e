"""Targets of rules: put, removed, listed. Source: EventBridge API Reference."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.errors import Doc
from sagebrush.services.events import names, rules, target_checks
from sagebrush.services.events.matched import forget
from sagebrush.services.events.plan import targets_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

MOST_TARGETS = 5
"""Targets of a rule (EventBridge quotas)."""


def put_targets(ctx: Ctx, request: Doc) -> Doc:
    """The rule has the targets, in place of those of the same ids. Raises ValidationException,
    ResourceNotFoundException, LimitExceededException: AWS refuses all of them for one."""
    bus = names.own_bus(ctx, request.get("EventBusName"))
    row = names.rule(ctx, bus, request["Rule"])
    given: list[Doc] = request["Targets"]
    target_checks.check_ids(given)
    for target in given:
        target_checks.check(target, ctx.account, ctx.region)
        if target.get("RoleArn"):
            rules.check_role(ctx, target["RoleArn"], row.doc["Arn"])
    added = {target["Id"]: target for target in given}

    def change(row: Row) -> Row:
        targets = {**targets_of(row), **added}
        if len(targets) > MOST_TARGETS:
            raise names.limit()
        return replace(row, plan={**row.plan, "targets": targets})

    if ctx.world.rows.update(row.id, change) is None:
        raise names.no_rule(bus, request["Rule"])
    forget(ctx.world)
    return {"FailedEntryCount": 0, "FailedEntries": []}


def remove_targets(ctx: Ctx, request: Doc) -> Doc:
    """The rule has the targets no more; ids that it lacks are answered. Raises
    ResourceNotFoundException."""
    bus = names.own_bus(ctx, request.get("EventBusName"))
    row = names.rule(ctx, bus, request["Rule"])
    gone = set(request["Ids"])
    failed: list[Doc] = []

    def change(row: Row) -> Row:
        targets = targets_of(row)
        failed[:] = [
            {
                "TargetId": each,
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": f"Rule {request['Rule']} does not have a target with the Id {each}.",
            }
            for each in request["Ids"]
            if each not in targets
        ]
        left = {name: target for name, target in targets.items() if name not in gone}
        return replace(row, plan={**row.plan, "targets": left})

    if ctx.world.rows.update(row.id, change) is None:
        raise names.no_rule(bus, request["Rule"])
    forget(ctx.world)
    return {"FailedEntryCount": len(failed), "FailedEntries": failed}


def list_targets_by_rule(ctx: Ctx, request: Doc) -> Doc:
    """A page of the rule's targets. Raises ResourceNotFoundException."""
    bus = names.own_bus(ctx, request.get("EventBusName"))
    row = names.rule(ctx, bus, request["Rule"])
    return names.page(request, list(targets_of(row).values()), "Targets")
