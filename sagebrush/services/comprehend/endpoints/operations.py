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
            before = ctx.world.rows.insert(row, partial(_check, row))
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
    found = _endpoints(ctx.world.rows, ctx.account, ctx.region)
    shown, token = listing.page(found, request)
    answer: Doc = {"EndpointPropertiesList": [_described(row) for row in shown]}
    return {**answer, "NextToken": token} if token else answer


def update_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The endpoint is UPDATING, also where it has all of it already.

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

    def change(found: Row) -> Row:
        return _changed(found, request, model, ctx.world.clock())

    def check(rows: Reader) -> None:
        if model is not None:
            usable.still(rows, model.arn)
        if units := request.get("DesiredInferenceUnits"):
            there = _endpoints(rows, row.account, row.region)
            _bounded(units, [each for each in there if each.id != row.id])

    changed = ctx.world.rows.update(row.id, change, check)
    if changed is None:
        raise _missing()
    ctx.world.wake()
    return {"DesiredModelArn": changed.doc["DesiredModelArn"]}


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
    rows = _endpoints(ctx.world.rows, ctx.account, ctx.region)
    return next((row for row in rows if plan_of(row).get("token") == token), None)


def _endpoints(rows: Reader, account: str, region: str) -> list[Row]:
    """The account's endpoints of both kinds in the region."""
    found = (row for kind in KINDS for row in rows.select(kind, account=account))
    return [row for row in found if row.region == region]


def _row(ctx: Ctx, request: Doc) -> Row:
    """The endpoint's row. Raises ResourceNotFoundException (404), as one that Application Auto Scaling
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
        "wanted": {"number": 1, "archive": model.archive, "flywheel": flywheel or ""},
    }
    if token := request.get("ClientRequestToken"):
        plan["token"] = token
    kind = f"{model.kind}-endpoint"
    row = Row(
        ctx.account, ctx.region, kind, name, "CREATING", doc, dict(plan), created=now, due_at=now
    )
    return replace(row, doc={"EndpointArn": arns.of(row), **doc})


def _check(row: Row, rows: Reader) -> None:
    """Raises, in the transaction that stores the endpoint, ResourceInUseException where one of the other
    kind has the name or another one the token, ResourceLimitExceededException for more units than there
    may be, and what `usable.still` does where its model has gone meanwhile."""
    there = _endpoints(rows, row.account, row.region)
    if any((each.kind, each.name) == (row.kind, row.name) for each in there):
        return  # `Rows.insert` says so, and it may be the same request's
    token = plan_of(row).get("token")
    if token is not None and any(plan_of(each).get("token") == token for each in there):
        raise AwsError("ResourceInUseException", requests.TOKEN_IN_USE)
    if any(each.name == row.name for each in there):
        raise _in_use()
    usable.still(rows, row.doc["DesiredModelArn"])
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


def _changed(found: Row, request: Doc, model: Trained | None, now: float) -> Row:
    """The row with the request's changes, UPDATING, also where they change nothing: the endpoint is
    IN_SERVICE again at its next step.

    Raises ResourceNotFoundException for one that is being deleted, ResourceInUseException while another
    change goes on, and ResourceUnavailableException for one that has failed.
    """
    if found.status == "DELETING":
        raise _missing()
    if found.status in BUSY:
        words = f"The endpoint is in status {found.status}: another change of it goes on."
        raise Busy("ResourceInUseException", words)
    if found.status != "IN_SERVICE":
        raise requests.unavailable(f"The endpoint is in status {found.status}.")
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
        number = wanted["number"] + (model.archive != wanted["archive"])
        wanted = Version(number=number, archive=model.archive, flywheel=flywheel or "")
    doc.pop("Message", None)
    plan = {**found.plan, "wanted": wanted}
    return replace(found, status="UPDATING", doc=doc, plan=plan, due_at=now)


def _described(row: Row) -> Doc:
    return {**row.doc, "Status": row.status}
