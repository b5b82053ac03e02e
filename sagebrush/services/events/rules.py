"""Rules: put, described, listed, enabled, disabled, deleted. Source: EventBridge API Reference."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import principals, references
from sagebrush.credentials import role_of
from sagebrush.engine.schedules.expressions import RULES, ScheduleError, parse
from sagebrush.engine.schedules.firing import SINCE
from sagebrush.errors import AwsError, Doc
from sagebrush.patterns.reading import read
from sagebrush.patterns.tokens import PatternError
from sagebrush.services.events import names, scheduled
from sagebrush.services.events.matched import DISABLED, forget
from sagebrush.services.events.names import RULE, invalid
from sagebrush.services.events.plan import plan_of, targets_of
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

MOST_RULES, LONGEST_PATTERN = 300, 2048
"""Rules of a bus, and bytes of a pattern (EventBridge quotas)."""
_GIVEN = ("Description", "EventPattern", "RoleArn", "ScheduleExpression")


def put_rule(ctx: Ctx, request: Doc) -> Doc:
    """The rule is as the request has it, and keeps its targets and tags where it was there before.

    Raises InvalidEventPatternException, ValidationException, ResourceNotFoundException and
    LimitExceededException.
    """
    bus = names.own_bus(ctx, request.get("EventBusName"))
    name = request["Name"]
    given = {m: request[m] for m in _GIVEN if request.get(m)}
    _check(bus, name, given)
    arn = names.rule_arn(ctx.account, ctx.region, bus, name)
    if "RoleArn" in given:
        check_role(ctx, given["RoleArn"], arn)
    doc: Doc = {"Name": name, "Arn": arn, "EventBusName": bus, **given, "CreatedBy": ctx.account}
    status = request.get("State", "ENABLED")
    old = ctx.world.rows.get(ctx.account, ctx.region, RULE, names.rule_row_name(bus, name))
    if old is None:
        old = _insert(ctx, bus, request, status, doc)
    now = ctx.world.clock()

    def change(row: Row) -> Row:
        plan = {**row.plan}
        if row.doc.get("ScheduleExpression") != doc.get("ScheduleExpression"):
            plan["made"] = now
        if row.status == DISABLED or plan.get("made") == now:
            plan[SINCE] = now  # what it missed meanwhile stays missed
        row = replace(row, doc=doc, status=status, plan=plan)
        return replace(row, due_at=scheduled.due_at(row, now))

    if ctx.world.rows.update(old.id, change) is None:
        raise AwsError(
            "ConcurrentModificationException", f"Rule {name} was deleted at this moment."
        )
    _told(ctx)
    return {"RuleArn": arn}


def _check(bus: str, name: str, given: Doc) -> None:
    if "EventPattern" not in given and "ScheduleExpression" not in given:
        raise invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if "ScheduleExpression" in given:
        if bus != names.DEFAULT:
            raise invalid("ScheduleExpression is supported only on the default event bus.")
        try:
            parse(given["ScheduleExpression"], RULES)
        except ScheduleError as error:
            raise invalid(str(error)) from error
    if "EventPattern" in given:
        if len(given["EventPattern"].encode()) > LONGEST_PATTERN:
            words = f"Parameter EventPattern for rule {name} exceeds limit of {LONGEST_PATTERN}."
            raise invalid(words)
        check_pattern(given["EventPattern"])


def check_pattern(text: str) -> None:
    """Raises InvalidEventPatternException for what is no pattern."""
    try:
        read(text)
    except PatternError as error:
        raise AwsError(
            "InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}"
        ) from error


def check_role(ctx: Ctx, arn: str, source: str) -> None:
    """Returns when EventBridge may assume the role on behalf of the rule `source`; raises
    ValidationException."""
    account, name = role_of(references.role_arn(ctx, arn))
    role = principals.named(ctx.world, ctx.caller, arn) if name and account == ctx.account else None
    who, keys = principals.service(ctx, source, names.SERVICE)
    if role is None or not principals.trust(role, who, "sts:AssumeRole", keys).allowed:
        raise invalid(f"Provided role '{arn}' cannot be assumed by principal '{names.SERVICE}'.")


def _insert(ctx: Ctx, bus: str, request: Doc, status: str, doc: Doc) -> Row:
    def room(rows: Reader) -> None:
        found = rows.select(RULE, account=ctx.account, texts={"doc.EventBusName": bus})
        if sum(row.region == ctx.region for row in found) >= MOST_RULES:
            raise names.limit()

    now = ctx.world.clock()
    plan: Doc = {"tags": names.tags_of(request), "targets": {}, "made": now, SINCE: now}
    name = names.rule_row_name(bus, request["Name"])
    row = Row(ctx.account, ctx.region, RULE, name, status, doc, plan)
    try:
        return ctx.world.rows.insert(row, room)
    except Exists:  # another request was faster: the last one holds
        return names.rule(ctx, bus, request["Name"])


def _told(ctx: Ctx) -> None:
    """What changed of rules counts from now on."""
    forget(ctx.world)
    ctx.world.wake()


def describe_rule(ctx: Ctx, request: Doc) -> Doc:
    """The rule. Raises ResourceNotFoundException."""
    row = names.rule(ctx, names.own_bus(ctx, request.get("EventBusName")), request["Name"])
    return _shown(row)


def _shown(row: Row) -> Doc:
    return {**row.doc, "State": row.status}


def list_rules(ctx: Ctx, request: Doc) -> Doc:
    """A page of the bus's rules, by name."""
    bus, prefix = names.own_bus(ctx, request.get("EventBusName")), request.get("NamePrefix", "")
    rows = [row for row in names.rules_of(ctx, bus) if row.doc["Name"].startswith(prefix)]
    shown = [{k: v for k, v in _shown(row).items() if k != "CreatedBy"} for row in rows]
    return names.page(request, shown, "Rules")


def list_rule_names_by_target(ctx: Ctx, request: Doc) -> Doc:
    """A page of the names of the bus's rules that have the target."""
    bus = names.own_bus(ctx, request.get("EventBusName"))
    found = [
        row.doc["Name"]
        for row in names.rules_of(ctx, bus)
        if any(target["Arn"] == request["TargetArn"] for target in targets_of(row).values())
    ]
    return names.page(request, found, "RuleNames")


def enable_rule(ctx: Ctx, request: Doc) -> None:
    """The rule is enabled; what its schedule missed before stays missed."""
    _set_state(ctx, request, "ENABLED")


def disable_rule(ctx: Ctx, request: Doc) -> None:
    """The rule matches nothing, and its schedule does not fire."""
    _set_state(ctx, request, DISABLED)


def _set_state(ctx: Ctx, request: Doc, state: str) -> None:
    bus = names.own_bus(ctx, request.get("EventBusName"))
    row, now = names.rule(ctx, bus, request["Name"]), ctx.world.clock()

    def change(row: Row) -> Row | None:
        if row.status == state:
            return None
        row = replace(row, status=state, plan={**row.plan, SINCE: now})
        return replace(row, due_at=scheduled.due_at(row, now))

    if ctx.world.rows.update(row.id, change) is None:
        raise names.no_rule(bus, request["Name"])
    _told(ctx)


def delete_rule(ctx: Ctx, request: Doc) -> None:
    """The rule is gone; nothing is wrong where there is none. Raises ValidationException while it has
    targets."""
    bus = names.own_bus(ctx, request.get("EventBusName"))
    row_name = names.rule_row_name(bus, request["Name"])
    row = ctx.world.rows.get(ctx.account, ctx.region, RULE, row_name)
    if row is None:
        return

    def check(row: Row, _rows: Reader) -> None:
        if plan_of(row).get("targets"):
            raise invalid("Rule can't be deleted since it has targets.")

    ctx.world.rows.delete(row.id, check)
    _told(ctx)
