"""Versions of state machines: published, listed, deleted. A version never changes.

Source: developer guide, "State machine versions"; wordings as recorded (localstack
test_sfn_api_versioning, test_sfn_api_aliasing).
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import arns, tokens
from sagebrush.services.states.plan import plan_of
from sagebrush.services.states.resources import ALIAS, DELETING, VERSION, unqualified
from sagebrush.store.changes import Changes, together
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

MOST = 1000
"""Versions of a state machine (quotas, "Maximum number of published state machine versions")."""


def find(reader: Reader, machine: Row, number: int) -> Row | None:
    """The version of the state machine with that number."""
    return reader.get(machine.account, machine.region, VERSION, f"{machine.name}:{number}")


def all_of(reader: Reader, machine: Row) -> list[Row]:
    """The versions of the state machine, the latest first."""
    found = reader.select(VERSION, account=machine.account, parent=machine.doc["stateMachineArn"])
    return sorted(found, key=lambda row: -int(row.name.rpartition(":")[2]))


def publish(changes: Changes, machine: Row, description: str | None) -> Row:
    """The version of the machine's current revision, which one that was published before may be.
    Raises ServiceQuotaExceededException."""
    versions = all_of(changes, machine)
    if versions and versions[0].doc.get("revisionId") == machine.doc.get("revisionId"):
        return versions[0]
    if len(versions) >= MOST:
        raise AwsError(
            "ServiceQuotaExceededException",
            f"The maximum number of versions ({MOST}) of the state machine has been reached.",
        )
    number = plan_of(machine).get("versions", 0) + 1
    name = f"{machine.name}:{number}"
    doc = {**machine.doc, "stateMachineArn": f"{machine.doc['stateMachineArn']}:{number}"}
    if description is not None:
        doc["description"] = description
    parent = machine.doc["stateMachineArn"]
    changes.store(replace(machine, plan={**machine.plan, "versions": number}))
    plan = {"updated": plan_of(machine).get("updated")}
    row = Row(machine.account, machine.region, VERSION, name, "ACTIVE", doc, plan, parent)
    return changes.insert(row)


def publish_state_machine_version(ctx: Ctx, request: Doc) -> Doc:
    """The current revision is a version. Raises StateMachineDoesNotExist, StateMachineDeleting,
    ConflictException where the revision is another, ServiceQuotaExceededException."""
    arn = request["stateMachineArn"]
    row = unqualified(ctx, arn)

    def work(changes: Changes) -> Doc:
        machine = changes.by_id(row.id)
        if machine is None:
            raise arns.no_machine(arn)
        if machine.status == DELETING:
            raise arns.being_deleted(arn)
        wanted, current = request.get("revisionId"), machine.doc.get("revisionId", "INITIAL")
        if wanted is not None and wanted != current:
            raise AwsError(
                "ConflictException",
                f"Failed to publish the State Machine version for revision {wanted}. The current"
                f" State Machine revision is {current}.",
            )
        version = publish(changes, machine, request.get("description"))
        created = version.created
        return {"creationDate": created, "stateMachineVersionArn": version.doc["stateMachineArn"]}

    return together(ctx.world.db, ctx.world.rows, work)


def list_state_machine_versions(ctx: Ctx, request: Doc) -> Doc:
    """The versions, the latest first; none of a machine that is not there. Raises InvalidArn,
    InvalidToken."""
    named = arns.read(request["stateMachineArn"], "stateMachine")
    after = tokens.read(request, int)
    machine = ctx.world.rows.get(ctx.account, ctx.region, "state-machine", named.name)
    rows = all_of(ctx.world.rows, machine) if machine is not None else []
    numbered = [(int(row.name.rpartition(":")[2]), row) for row in rows]
    if after is not None:
        numbered = [(number, row) for number, row in numbered if number < after[0]]
    most = tokens.size(request)
    page = [
        {"stateMachineVersionArn": row.doc["stateMachineArn"], "creationDate": row.created}
        for _, row in numbered[:most]
    ]
    more = {"nextToken": tokens.write([numbered[most - 1][0]])} if len(numbered) > most else {}
    return {"stateMachineVersions": page, **more}


def delete_state_machine_version(ctx: Ctx, request: Doc) -> None:
    """The version is gone; its number is not used again. Raises InvalidArn, ValidationException, and
    ConflictException where an alias names it."""
    arn = request["stateMachineVersionArn"]
    named = arns.read(arn, "stateMachine")
    if not named.rest.isdigit():
        raise AwsError("ValidationException", f"Not the ARN of a state machine version: {arn}")

    def work(changes: Changes) -> None:
        name = f"{named.name}:{named.rest}"
        row = changes.get(ctx.account, ctx.region, VERSION, name)
        if row is None:
            return
        aliases = changes.select(ALIAS, account=ctx.account, parent=row.parent)
        using = [
            alias.doc["name"]
            for alias in aliases
            if any(r["stateMachineVersionArn"] == arn for r in alias.doc["routingConfiguration"])
        ]
        if using:
            raise AwsError(
                "ConflictException",
                "Version to be deleted must not be referenced by an alias. Current list of aliases"
                f" referencing this version: [{', '.join(using)}]",
            )
        changes.delete(row)

    together(ctx.world.db, ctx.world.rows, work)
