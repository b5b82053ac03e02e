"""State machines: created, described, updated, listed, deleted; definitions, validated."""

from __future__ import annotations

import uuid
from dataclasses import replace

from sagebrush.asl import references, validation
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import arns, configuration, tokens, versions
from sagebrush.services.states.plan import plan_of
from sagebrush.services.states.port import port_of
from sagebrush.services.states.resources import ACTIVE, DELETING, KIND, find, unqualified
from sagebrush.services.states.tasks import refusals
from sagebrush.store.changes import Changes, together
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx

_UPDATES = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration")


def create_state_machine(ctx: Ctx, request: Doc) -> Doc:
    """The state machine exists; one of that name and the same content is answered as it is.

    Raises InvalidName, InvalidDefinition, InvalidArn, InvalidLoggingConfiguration,
    InvalidTracingConfiguration, InvalidEncryptionConfiguration, TooManyTags, ValidationException,
    StateMachineAlreadyExists, StateMachineDeleting.
    """
    name, express = request["name"], request.get("type") == "EXPRESS"
    arns.check_name(name)
    arn = arns.made(ctx, f"stateMachine:{name}")
    doc = _document(ctx, request, arn, express)
    plan = {"tags": configuration.tags(request.get("tags")), "versions": 0}
    _check_description(request)

    def work(changes: Changes) -> Doc:
        before = changes.get(ctx.account, ctx.region, KIND, name)
        if before is not None:
            return _again(changes, before, request, doc)
        row = changes.insert(Row(ctx.account, ctx.region, KIND, name, ACTIVE, doc, plan))
        answer: Doc = {"stateMachineArn": arn, "creationDate": row.created}
        if request.get("publish"):
            version = versions.publish(changes, row, request.get("versionDescription"))
            answer["stateMachineVersionArn"] = version.doc["stateMachineArn"]
        return answer

    try:
        return together(ctx.world.db, ctx.world.rows, work)
    except Exists:
        raise AwsError(
            "StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'"
        ) from None


def _document(ctx: Ctx, request: Doc, arn: str, express: bool) -> Doc:
    configuration.check_definition(request["definition"], express)
    refusals.check(request["definition"], ctx.world.operations)
    configuration.check_encryption(request.get("encryptionConfiguration"))
    doc: Doc = {
        "stateMachineArn": arn,
        "name": request["name"],
        "definition": request["definition"],
        "roleArn": request["roleArn"],
        "type": request.get("type", "STANDARD"),
        "loggingConfiguration": configuration.logging(ctx, request.get("loggingConfiguration")),
        "tracingConfiguration": configuration.tracing(request.get("tracingConfiguration")),
        "encryptionConfiguration": configuration.ENCRYPTION,
    }
    configuration.check_role(ctx, request["roleArn"], arn)
    return doc


def _check_description(request: Doc) -> None:
    if request.get("versionDescription") is not None and not request.get("publish"):
        raise AwsError(
            "ValidationException", "Version description can only be set when publish is true"
        )


def _again(changes: Changes, row: Row, request: Doc, doc: Doc) -> Doc:
    """The answer to a creation that was done before; tags and role may differ (API reference,
    "CreateStateMachine": what idempotency is based on)."""
    arn = row.doc["stateMachineArn"]
    if row.status == DELETING:
        raise arns.being_deleted(arn)
    members = ("definition", "type", "loggingConfiguration", "tracingConfiguration")
    first = versions.find(changes, row, 1)
    published = first is not None
    same = all(row.doc.get(m) == doc.get(m) for m in members) and published == bool(
        request.get("publish")
    )
    if first is not None and first.doc.get("description") != request.get("versionDescription"):
        same = False
    if not same:
        raise AwsError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
    answer: Doc = {"stateMachineArn": arn, "creationDate": row.created}
    if first is not None:
        answer["stateMachineVersionArn"] = first.doc["stateMachineArn"]
    return answer


def describe_state_machine(ctx: Ctx, request: Doc) -> Doc:
    """The state machine or version as it is. Raises InvalidArn, StateMachineDoesNotExist."""
    found = find(ctx, request["stateMachineArn"])
    if found.alias is not None:
        raise arns.no_machine(request["stateMachineArn"])
    row = found.version or found.machine
    doc = {**row.doc, "status": found.machine.status, "creationDate": row.created}
    if found_references := references.variables(doc["definition"]):
        doc["variableReferences"] = found_references
    if request.get("includedData") == "METADATA_ONLY":
        doc["definition"] = ""
        doc.pop("variableReferences", None)
    return doc


def update_state_machine(ctx: Ctx, request: Doc) -> Doc:
    """The state machine is as the request says, under a new revision; executions that run go on as
    they began. Raises as `create_state_machine` does, and MissingRequiredParameter."""
    if not any(
        request.get(m) is not None for m in (*_UPDATES, "publish", "encryptionConfiguration")
    ):
        raise AwsError(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the"
            " TracingConfiguration must be specified",
        )
    arn = request["stateMachineArn"]
    row = unqualified(ctx, arn)
    _check_description(request)
    wanted = {m: request[m] for m in _UPDATES if request.get(m) is not None}
    if "definition" in wanted:
        configuration.check_definition(wanted["definition"], row.doc["type"] == "EXPRESS")
        refusals.check(wanted["definition"], ctx.world.operations)
    configuration.check_encryption(request.get("encryptionConfiguration"))
    if "loggingConfiguration" in wanted:
        before = row.doc["loggingConfiguration"]
        given = {**before, **wanted["loggingConfiguration"]}
        wanted["loggingConfiguration"] = configuration.logging(ctx, given)
    if "tracingConfiguration" in wanted:
        wanted["tracingConfiguration"] = configuration.tracing(wanted["tracingConfiguration"])
    if "roleArn" in wanted:
        configuration.check_role(ctx, wanted["roleArn"], arn)

    def work(changes: Changes) -> Doc:
        old = changes.by_id(row.id)
        if old is None:
            raise arns.no_machine(arn)
        if old.status == DELETING:
            raise arns.being_deleted(arn)
        new, now = old, ctx.world.clock()
        if any(old.doc.get(m) != v for m, v in wanted.items()):
            doc = {**old.doc, **wanted, "revisionId": str(uuid.uuid4())}
            new = changes.store(replace(old, doc=doc, plan={**old.plan, "updated": now}))
        answer: Doc = {"updateDate": plan_of(new).get("updated", now)}
        if "revisionId" in new.doc:
            answer["revisionId"] = new.doc["revisionId"]
        if request.get("publish"):
            version = versions.publish(changes, new, request.get("versionDescription"))
            answer["stateMachineVersionArn"] = version.doc["stateMachineArn"]
        return answer

    return together(ctx.world.db, ctx.world.rows, work)


def list_state_machines(ctx: Ctx, request: Doc) -> Doc:
    """The state machines by name. Raises InvalidToken."""
    after = tokens.read(request, str)
    rows = [
        row
        for row in ctx.world.rows.select(KIND, account=ctx.account)
        if row.region == ctx.region and row.status != DELETING
    ]
    rows.sort(key=lambda row: row.name)
    if after is not None:
        rows = [row for row in rows if row.name > after[0]]
    most = tokens.size(request)
    page = [
        {
            "stateMachineArn": row.doc["stateMachineArn"],
            "name": row.name,
            "type": row.doc["type"],
            "creationDate": row.created,
        }
        for row in rows[:most]
    ]
    more = {"nextToken": tokens.write([rows[most - 1].name])} if len(rows) > most else {}
    return {"stateMachines": page, **more}


def delete_state_machine(ctx: Ctx, request: Doc) -> None:
    """The state machine is DELETING, and gone with its versions and aliases once none of its
    executions runs; one that is not there is none. Raises InvalidArn, ValidationException."""
    named = arns.read(request["stateMachineArn"], "stateMachine")
    if named.rest:
        raise AwsError(
            "ValidationException",
            "State machine versions and aliases are deleted by DeleteStateMachineVersion and"
            " DeleteStateMachineAlias.",
        )
    if (named.account, named.region) != (ctx.account, ctx.region):
        return
    row = ctx.world.rows.get(ctx.account, ctx.region, KIND, named.name)
    if row is not None:
        port = port_of(ctx.world)
        port.deleting.add(named.arn)
        ctx.world.rows.update(row.id, lambda old: replace(old, status=DELETING))
        port.finish(named.arn)


def validate_state_machine_definition(ctx: Ctx, request: Doc) -> Doc:
    """What AWS would say of the definition (`asl.validation`), errors first."""
    express = request.get("type") == "EXPRESS"
    found = validation.diagnose(request["definition"], express)
    if not any(one.severity == "ERROR" for one in found):
        found += refusals.lacking(request["definition"], ctx.world.operations)
    failed = any(one.severity == "ERROR" for one in found)
    if request.get("severity", "ERROR") == "ERROR":
        found = [one for one in found if one.severity == "ERROR"]
    found.sort(key=lambda one: one.severity)
    most = request.get("maxResults") or 100
    return {
        "result": "FAIL" if failed else "OK",
        "diagnostics": [one.document() for one in found[:most]],
        "truncated": len(found) > most,
    }
