"""CreateEndpoint, DescribeEndpoint, ListEndpoints, UpdateEndpoint and DeleteEndpoint.

Source: Amazon Comprehend API reference; developer guide, "Guidelines and quotas" (units).
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial

from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Busy, Doc, Missing
from sagebrush.services.comprehend import arns, requests, roles, tags
from sagebrush.services.comprehend.endpoints import facts, life, listing
from sagebrush.services.comprehend.endpoints.facts import BUSY, Endpoint
from sagebrush.services.comprehend.endpoints.plan import Plan, Version, plan_of
from sagebrush.services.comprehend.training import usable
from sagebrush.services.comprehend.training.usable import Trained
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

MOST, MOST_TOGETHER = 10, 100
"""Inference units of an endpoint, and of an account's in a region together."""


def _kind(running: Endpoint) -> Kind:
    return Kind(
        running.kind, running.noun, running=running, reconcile=life.reconcile, fail=life.fail
    )


CLASSIFIER = _kind(facts.CLASSIFIER)
RECOGNIZER = _kind(facts.RECOGNIZER)
KINDS = (CLASSIFIER.name, RECOGNIZER.name)


def create_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The endpoint is CREATING; so it is where the same request was sent with that token before.

    Raises InvalidRequestException, ResourceInUseException, ResourceLimitExceededException,
    ResourceNotFoundException, ResourceUnavailableException and TooManyTagsException.
    """
    digest = requests.digest(request)
    before = _sent_before(ctx, request)
    if before is None:
        model = usable.of_request(ctx, request, "ModelArn")
        if model is None:
            requests.refuse("ModelArn or FlywheelArn must be given.")
        row = _drafted(ctx, request, model, digest)
        if role := request.get("DataAccessRoleArn"):
            roles.require(ctx, role, arns.of(row))
        try:
            before = ctx.world.rows.insert(row, partial(_room, row))
            ctx.world.wake()
        except Exists:
            before = _sent_before(ctx, request)
            if before is None:
                raise _in_use() from None
    if plan_of(before).get("request") != digest:
        raise AwsError("ResourceInUseException", requests.TOKEN_IN_USE)
    return {"EndpointArn": arns.of(before), "ModelArn": before.doc["DesiredModelArn"]}


def describe_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The endpoint. Raises ResourceNotFoundException."""
    return {"EndpointProperties": _described(_row(ctx, request))}


def list_endpoints(ctx: Ctx, request: Doc) -> Doc:
    """A page of the endpoints of both kinds, the newest first. Raises InvalidRequestException."""
    found = [row for kind in KINDS for row in _rows(ctx, kind)]
    shown, token = listing.page(found, request)
    answer: Doc = {"EndpointPropertiesList": [_described(row) for row in shown]}
    return {**answer, "NextToken": token} if token else answer


def update_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The endpoint is UPDATING, or IN_SERVICE where it has all of it already.

    Raises InvalidRequestException, ResourceInUseException while another change goes on,
    ResourceLimitExceededException, ResourceNotFoundException and ResourceUnavailableException.
    """
    row = _row(ctx, request)
    wanted = ("DesiredModelArn", "DesiredInferenceUnits", "DesiredDataAccessRoleArn", "FlywheelArn")
    if not any(member in request for member in wanted):
        requests.refuse(f"Give one of {', '.join(wanted)}.")
    model = usable.of_request(ctx, request, "DesiredModelArn")
    if model is not None and f"{model.kind}-endpoint" != row.kind:
        requests.refuse(
            f"An endpoint of type {row.kind} cannot serve a model of type {model.kind}."
        )
    if role := request.get("DesiredDataAccessRoleArn"):
        roles.require(ctx, role, arns.of(row))
    units = request.get("DesiredInferenceUnits", row.doc["DesiredInferenceUnits"])
    _bounded(units, [each for kind in KINDS for each in _rows(ctx, kind) if each.id != row.id])

    def change(found: Row) -> Row | None:
        return _changed(found, request, model, ctx.world.clock())

    row = ctx.world.rows.update(row.id, change) or row
    ctx.world.wake()
    return {"DesiredModelArn": row.doc["DesiredModelArn"]}


def delete_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The endpoint is DELETING, and gone when what serves it is. Raises ResourceNotFoundException."""

    def change(found: Row) -> Row:
        now = ctx.world.clock()
        doc = {**found.doc, "LastModifiedTime": moment(now)}
        return replace(found, status="DELETING", doc=doc, due_at=now)

    if ctx.world.rows.update(_row(ctx, request).id, change) is None:
        raise _missing()
    ctx.world.wake()
    return {}


def _sent_before(ctx: Ctx, request: Doc) -> Row | None:
    """The endpoint that a request with the same ClientRequestToken created."""
    token = request.get("ClientRequestToken")
    if token is None:
        return None
    rows = (row for kind in KINDS for row in _rows(ctx, kind))
    return next((row for row in rows if plan_of(row).get("token") == token), None)


def _rows(ctx: Ctx, kind: str) -> list[Row]:
    return [
        row for row in ctx.world.rows.select(kind, account=ctx.account) if row.region == ctx.region
    ]


def _row(ctx: Ctx, request: Doc) -> Row:
    """The endpoint's row. Raises ResourceNotFoundException (400), as one that Application Auto Scaling
    knows for what is gone."""
    row = arns.row_of(ctx, request["EndpointArn"])
    if row is None:
        raise _missing()
    return row


def _missing() -> AwsError:
    error = arns.missing()
    return Missing(error.code, error.message, error.status)


def _in_use() -> AwsError:
    words = "The endpoint name is already in use. Use a different name and try your request again."
    return AwsError("ResourceInUseException", words)


def _drafted(ctx: Ctx, request: Doc, model: Trained, digest: str) -> Row:
    now = ctx.world.clock()
    name = request["EndpointName"]
    doc: Doc = {
        "ModelArn": model.arn,
        "DesiredModelArn": model.arn,
        "DesiredInferenceUnits": request["DesiredInferenceUnits"],
        "CreationTime": moment(now),
        "LastModifiedTime": moment(now),
    }
    if role := request.get("DataAccessRoleArn"):
        doc |= {"DataAccessRoleArn": role, "DesiredDataAccessRoleArn": role}
    if flywheel := request.get("FlywheelArn"):
        doc["FlywheelArn"] = flywheel
    plan: Plan = {
        "tags": tags.of_request(request),
        "request": digest,
        "child": f"{name}-{secrets.token_hex(6)}",
        "wanted": {"number": 1, "archive": model.archive},
    }
    if token := request.get("ClientRequestToken"):
        plan["token"] = token
    kind = f"{model.kind}-endpoint"
    row = Row(
        ctx.account, ctx.region, kind, name, "CREATING", doc, dict(plan), created=now, due_at=now
    )
    return replace(row, doc={"EndpointArn": arns.of(row), **doc})


def _room(row: Row, rows: Reader) -> None:
    """Raises ResourceInUseException where an endpoint of either kind has the name, and
    ResourceLimitExceededException for more units than there may be."""
    there = [
        each
        for kind in KINDS
        for each in rows.select(kind, account=row.account)
        if each.region == row.region
    ]
    if any(each.name == row.name for each in there):
        raise _in_use()
    _bounded(row.doc["DesiredInferenceUnits"], there)


def _bounded(units: int, others: list[Row]) -> None:
    """Raises ResourceLimitExceededException for more units than an endpoint, or together with the others
    an account, may have."""
    together = units + sum(row.doc["DesiredInferenceUnits"] for row in others)
    for number, most, whose in (
        (units, MOST, "an endpoint"),
        (together, MOST_TOGETHER, "an account"),
    ):
        if number > most:
            words = f"{number} inference units exceed the quota of {whose}, which is {most}."
            raise AwsError("ResourceLimitExceededException", words)


def _changed(found: Row, request: Doc, model: Trained | None, now: float) -> Row | None:
    """The row as it is with the request's changes; None where they change nothing."""
    if found.status == "DELETING":
        raise _missing()
    if found.status in BUSY:
        words = f"The endpoint is in status {found.status}: another change of it goes on."
        raise Busy("ResourceInUseException", words)
    if found.status != "IN_SERVICE":
        raise usable.unavailable(f"The endpoint is in status {found.status}.")
    doc = {**found.doc, "LastModifiedTime": moment(now)}
    for member in ("DesiredInferenceUnits", "DesiredDataAccessRoleArn"):
        if member in request:
            doc[member] = request[member]
    wanted = plan_of(found)["wanted"]
    if model is not None:
        doc["DesiredModelArn"] = model.arn
        doc.pop("FlywheelArn", None)
        if flywheel := request.get("FlywheelArn"):
            doc["FlywheelArn"] = flywheel
        if model.archive != wanted["archive"]:
            wanted = Version(number=wanted["number"] + 1, archive=model.archive)
    doc.pop("Message", None)
    plan = {**found.plan, "wanted": wanted}
    return replace(found, status="UPDATING", doc=doc, plan=plan, due_at=now)


def _described(row: Row) -> Doc:
    return {**row.doc, "Status": row.status}
