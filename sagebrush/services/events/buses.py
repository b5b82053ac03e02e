"""Event buses and their policies. Source: EventBridge API Reference.

Every account has a bus `default` in every region, without a row until something is said of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sagebrush.access import grammar
from sagebrush.access.policy import Malformed
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.events import names
from sagebrush.services.events.matched import forget
from sagebrush.services.events.names import BUS, DEFAULT, invalid
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

MOST_BUSES = 100
LONGEST_POLICY = 10240
"""EventBridge quotas: buses of an account, and bytes of a policy."""
UNSUPPORTED = {
    "EventSourceName": "partner event sources (EventSourceName)",
    "KmsKeyIdentifier": "encryption by AWS KMS (KmsKeyIdentifier)",
    "DeadLetterConfig": "dead-letter queues of event buses (DeadLetterConfig)",
    "LogConfig": "logs of event buses (LogConfig)",
}


def create_event_bus(ctx: Ctx, request: Doc) -> Doc:
    """The bus is there. Raises ResourceAlreadyExistsException, LimitExceededException."""
    name = request["Name"]
    _refuse(request)
    if "/" in name:
        raise invalid("Event bus name must not contain '/'.")
    exists = AwsError("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
    if name == DEFAULT:
        raise exists

    def room(rows: Reader) -> None:
        found = rows.select(BUS, account=ctx.account)
        if sum(r.region == ctx.region and r.name != DEFAULT for r in found) >= MOST_BUSES - 1:
            raise names.limit()

    try:
        ctx.world.rows.insert(_new(ctx, name, request), room)
    except Exists:
        raise exists from None
    forget(ctx.world)
    described = {m: request[m] for m in ("Description",) if request.get(m)}
    return {"EventBusArn": names.bus_arn(ctx.account, ctx.region, name), **described}


def _new(ctx: Ctx, name: str, request: Doc) -> Row:
    now = moment(ctx.world.clock())
    doc: Doc = {"Name": name, "CreationTime": now, "LastModifiedTime": now}
    if request.get("Description"):
        doc["Description"] = request["Description"]
    return Row(ctx.account, ctx.region, BUS, name, "Active", doc, {"tags": names.tags_of(request)})


def _refuse(request: Doc) -> None:
    for member, words in UNSUPPORTED.items():
        if request.get(member):
            raise invalid(f"Sagebrush does not support {words} yet.")


def update_event_bus(ctx: Ctx, request: Doc) -> Doc:
    """The bus has the description. Raises ResourceNotFoundException."""
    name = names.own_bus(ctx, request.get("Name"))
    _refuse(request)

    def change(row: Row) -> Row:
        doc = {k: v for k, v in row.doc.items() if k != "Description"}
        if request.get("Description"):
            doc["Description"] = request["Description"]
        return replace(row, doc={**doc, "LastModifiedTime": moment(ctx.world.clock())})

    row = _changed(ctx, name, change)
    shown = {m: row.doc[m] for m in ("Name", "Description") if m in row.doc}
    return {"Arn": names.bus_arn(ctx.account, ctx.region, name), **shown}


def delete_event_bus(ctx: Ctx, request: Doc) -> None:
    """The bus is gone, and its rules; nothing is wrong where there is none."""
    name = names.place_of_bus(ctx, request["Name"])[2]
    if name == DEFAULT:
        raise invalid("Cannot delete event bus default.")
    row = ctx.world.rows.get(ctx.account, ctx.region, BUS, name)
    if row is None:
        return
    ctx.world.rows.delete(row.id)
    for rule in names.rules_of(ctx, name):
        ctx.world.rows.delete(rule.id)
    forget(ctx.world)


def describe_event_bus(ctx: Ctx, request: Doc) -> Doc:
    """The bus, with its policy. Raises ResourceNotFoundException."""
    name = names.own_bus(ctx, request.get("Name"))
    return _shown(ctx, name, ctx.world.rows.get(ctx.account, ctx.region, BUS, name))


def _shown(ctx: Ctx, name: str, row: Row | None) -> Doc:
    doc = row.doc if row is not None else {}
    return {"Name": name, "Arn": names.bus_arn(ctx.account, ctx.region, name), **doc}


def list_event_buses(ctx: Ctx, request: Doc) -> Doc:
    """A page of the buses, by name."""
    rows = ctx.world.rows.select(BUS, account=ctx.account)
    found: dict[str, Row | None] = {DEFAULT: None}
    found |= {row.name: row for row in rows if row.region == ctx.region}
    prefix = request.get("NamePrefix", "")
    shown = [_shown(ctx, n, found[n]) for n in sorted(found) if n.startswith(prefix)]
    return names.page(request, shown, "EventBuses")


def _changed(ctx: Ctx, name: str, change: Callable[[Row], Row]) -> Row:
    """The bus's row after the change; the default bus gets one now."""
    row = ctx.world.rows.get(ctx.account, ctx.region, BUS, name)
    if row is None and name == DEFAULT:
        try:
            row = ctx.world.rows.insert(_new(ctx, name, {}))
        except Exists:
            row = ctx.world.rows.get(ctx.account, ctx.region, BUS, name)
    changed = ctx.world.rows.update(row.id, change) if row is not None else None
    if changed is None:
        raise names.no_bus(name)
    forget(ctx.world)
    return changed


def tag(ctx: Ctx, name: str, change: Callable[[Row], Row]) -> None:
    """The bus's row is changed: for tags."""
    _changed(ctx, name, change)


# Policies -----------------------------------------------------------------------------------------


def put_permission(ctx: Ctx, request: Doc) -> None:
    """The bus's policy has the statement, in place of one of the same id; or is the one given.

    Raises ResourceNotFoundException, PolicyLengthExceededException, ValidationException.
    """
    name = names.own_bus(ctx, request.get("EventBusName"))
    whole = request.get("Policy")
    single = [m for m in ("Action", "Principal", "StatementId") if request.get(m)]
    if whole is None and len(single) < 3:
        raise invalid("Parameters Action, Principal and StatementId, or Policy, must be specified.")
    if whole is not None and (single or request.get("Condition")):
        raise invalid(
            "Policy cannot be specified with Action, Principal, StatementId or Condition."
        )
    if whole is None and request["Action"] != "events:PutEvents":
        raise invalid("Provided value in parameter 'action' is not supported.")

    def change(row: Row) -> Row:
        text = whole if whole is not None else json.dumps(_with(ctx, name, row, request))
        _check(text)
        doc = {**row.doc, "Policy": text, "LastModifiedTime": moment(ctx.world.clock())}
        return replace(row, doc=doc)

    _changed(ctx, name, change)


def _with(ctx: Ctx, bus: str, row: Row, request: Doc) -> Doc:
    principal = request["Principal"]
    statement: Doc = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
        "Action": request["Action"],
        "Resource": names.bus_arn(ctx.account, ctx.region, bus),
    }
    if given := request.get("Condition"):
        statement["Condition"] = {given["Type"]: {given["Key"]: given["Value"]}}
    others = [each for each in _statements(row) if each.get("Sid") != request["StatementId"]]
    return {"Version": "2012-10-17", "Statement": [*others, statement]}


def _statements(row: Row) -> list[Any]:
    found = json.loads(row.doc.get("Policy") or "{}").get("Statement", [])
    return found if isinstance(found, list) else [found]


def _check(text: str) -> None:
    if len(text.encode()) > LONGEST_POLICY:
        words = f"The policy is longer than {LONGEST_POLICY} bytes."
        raise AwsError("PolicyLengthExceededException", words)
    try:
        grammar.parse(text, grammar.RESOURCE)
    except Malformed as error:
        raise invalid(f"Policy is not valid. Reason: {error}") from error


def remove_permission(ctx: Ctx, request: Doc) -> None:
    """The statement is gone from the bus's policy, or the policy is. Raises
    ResourceNotFoundException."""
    name = names.own_bus(ctx, request.get("EventBusName"))
    if not request.get("RemoveAllPermissions") and not request.get("StatementId"):
        raise invalid("Parameter StatementId is required.")

    def change(row: Row) -> Row:
        doc = {k: v for k, v in row.doc.items() if k != "Policy"}
        if not request.get("RemoveAllPermissions"):
            found = _statements(row)
            left = [each for each in found if each.get("Sid") != request["StatementId"]]
            if len(left) == len(found):
                words = "Statement with the provided id does not exist."
                raise AwsError("ResourceNotFoundException", words)
            if left:
                policy = {**json.loads(row.doc["Policy"]), "Statement": left}
                doc["Policy"] = json.dumps(policy)
        return replace(row, doc={**doc, "LastModifiedTime": moment(ctx.world.clock())})

    _changed(ctx, name, change)
