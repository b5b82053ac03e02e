"""Aliases of state machines, each of which points to one or two versions by weights.

Source: developer guide, "State machine aliases"; wordings as recorded (localstack
test_sfn_api_aliasing).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import arns, tokens
from sagebrush.services.states.resources import ALIAS, DELETING, KIND, VERSION, find
from sagebrush.store.changes import Changes, together
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

MOST = 100
"""Aliases of a state machine (quotas)."""


def chosen(ctx: Ctx, alias: Row, drawn: float) -> Row | None:
    """The version that an execution runs which is started by the alias; `drawn` from 0 to below 1
    decides by the weights. None where it is gone."""
    share = drawn * 100
    routes = alias.doc["routingConfiguration"]
    for route in routes:
        if share < route["weight"]:
            break
        share -= route["weight"]
    else:
        route = routes[-1]
    name = route["stateMachineVersionArn"].split(":", 6)[6]
    return ctx.world.rows.get(ctx.account, ctx.region, VERSION, name)


def create_state_machine_alias(ctx: Ctx, request: Doc) -> Doc:
    """The alias exists; the same again is answered as it is. Raises ValidationException,
    ResourceNotFound, ConflictException, StateMachineDeleting, ServiceQuotaExceededException."""
    routes = request["routingConfiguration"]
    machine_name = _check_shape(ctx, routes)
    name, description = request["name"], request.get("description")
    machine_arn = arns.made(ctx, f"stateMachine:{machine_name}")
    arn = f"{machine_arn}:{name}"

    def work(changes: Changes) -> Doc:
        _check_there(changes, ctx, machine_name, routes)
        full = f"{machine_name}:{name}"
        before = changes.get(ctx.account, ctx.region, ALIAS, full)
        if before is not None:
            same = before.doc["routingConfiguration"] == routes
            if not same or before.doc.get("description") != description:
                raise AwsError(
                    "ConflictException",
                    "Failed to create alias because an alias with the same name and a different"
                    " routing configuration already exists.",
                )
            return {"stateMachineAliasArn": arn, "creationDate": before.created}
        if len(changes.select(ALIAS, account=ctx.account, parent=machine_arn)) >= MOST:
            raise AwsError(
                "ServiceQuotaExceededException",
                f"The maximum number of aliases ({MOST}) of the state machine has been reached.",
            )
        doc: Doc = {"stateMachineAliasArn": arn, "name": name, "routingConfiguration": routes}
        if description is not None:
            doc["description"] = description
        row = Row(ctx.account, ctx.region, ALIAS, full, "ACTIVE", doc, {}, machine_arn)
        return {"stateMachineAliasArn": arn, "creationDate": changes.insert(row).created}

    return together(ctx.world.db, ctx.world.rows, work)


def _check_shape(ctx: Ctx, routes: list[Doc]) -> str:
    """The name of the state machine whose versions the routes name. Raises ValidationException,
    InvalidArn."""
    given = [route["stateMachineVersionArn"] for route in routes]
    received = f"Received: [{', '.join(given)}]"
    named = [arns.read(arn, "stateMachine") for arn in given]
    if not all(one.rest.isdigit() for one in named):
        raise _invalid(f"Routing configuration must contain state machine version ARNs. {received}")
    if len(set(given)) < len(given):
        raise _invalid(
            f"Routing configuration must contain distinct state machine version ARNs. {received}"
        )
    if len({one.machine for one in named}) > 1:
        raise _invalid(
            "Routing configuration must contain versions of the same state machine. " + received
        )
    weights = [route["weight"] for route in routes]
    if sum(weights) != 100:
        raise _invalid(f"Sum of routing configuration weights must equal 100. Received: {weights}")
    if (named[0].account, named[0].region) != (ctx.account, ctx.region):
        raise _missing()
    return named[0].name


def _invalid(why: str) -> AwsError:
    return AwsError("ValidationException", why)


def _missing() -> AwsError:
    return AwsError("ResourceNotFound", "Request references a resource that does not exist.")


def _check_there(reader: Reader, ctx: Ctx, name: str, routes: list[Doc]) -> None:
    machine = reader.get(ctx.account, ctx.region, KIND, name)
    if machine is None:
        raise _missing()
    if machine.status == DELETING:
        raise arns.being_deleted(machine.doc["stateMachineArn"])
    for route in routes:
        version = route["stateMachineVersionArn"].split(":", 6)[6]
        if reader.get(ctx.account, ctx.region, VERSION, version) is None:
            raise _missing()


def _row(ctx: Ctx, arn: str, reader: Reader) -> Row | None:
    """The alias of that ARN. Raises InvalidArn."""
    named = arns.read(arn, "stateMachine")
    if (named.account, named.region) != (ctx.account, ctx.region) or not named.rest:
        return None
    return reader.get(ctx.account, ctx.region, ALIAS, f"{named.name}:{named.rest}")


def describe_state_machine_alias(ctx: Ctx, request: Doc) -> Doc:
    """The alias. Raises InvalidArn, ResourceNotFound."""
    row = _row(ctx, request["stateMachineAliasArn"], ctx.world.rows)
    if row is None:
        raise _missing()
    return {**row.doc, "creationDate": row.created, "updateDate": row.updated}


def update_state_machine_alias(ctx: Ctx, request: Doc) -> Doc:
    """The alias has another description or other routes. Raises ValidationException,
    ResourceNotFound."""
    arn, given = request["stateMachineAliasArn"], dict[str, Any]()
    for member in ("description", "routingConfiguration"):
        if request.get(member) is not None:
            given[member] = request[member]
    if not given:
        raise _invalid("Either the description or the routingConfiguration must be specified.")
    routes = given.get("routingConfiguration")
    name = _check_shape(ctx, routes) if routes else ""

    def work(changes: Changes) -> Doc:
        row = _row(ctx, arn, changes)
        if row is None:
            raise _missing()
        if routes:
            if name != row.name.partition(":")[0]:
                raise _invalid("An alias can only point to versions of its own state machine.")
            _check_there(changes, ctx, name, routes)
        return {"updateDate": changes.store(replace(row, doc={**row.doc, **given})).updated}

    return together(ctx.world.db, ctx.world.rows, work)


def delete_state_machine_alias(ctx: Ctx, request: Doc) -> None:
    """The alias is gone, or never was (recorded). Raises InvalidArn."""
    row = _row(ctx, request["stateMachineAliasArn"], ctx.world.rows)
    if row is not None:
        ctx.world.rows.delete(row.id)


def list_state_machine_aliases(ctx: Ctx, request: Doc) -> Doc:
    """The aliases of a state machine, or those that name a version, by name. Raises InvalidArn,
    InvalidToken, StateMachineDoesNotExist."""
    arn = request["stateMachineArn"]
    found = find(ctx, arn)
    after = tokens.read(request, str)
    parent = found.machine.doc["stateMachineArn"]
    rows = ctx.world.rows.select(ALIAS, account=ctx.account, parent=parent)
    if found.version is not None:
        rows = [
            row
            for row in rows
            if any(r["stateMachineVersionArn"] == arn for r in row.doc["routingConfiguration"])
        ]
    rows = sorted(rows, key=lambda row: row.doc["name"])
    if after is not None:
        rows = [row for row in rows if row.doc["name"] > after[0]]
    most = tokens.size(request)
    page = [
        {"stateMachineAliasArn": row.doc["stateMachineAliasArn"], "creationDate": row.created}
        for row in rows[:most]
    ]
    more = {"nextToken": tokens.write([rows[most - 1].doc["name"]])} if len(rows) > most else {}
    return {"stateMachineAliases": page, **more}
