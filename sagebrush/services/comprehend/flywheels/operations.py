"""CreateFlywheel, DescribeFlywheel, UpdateFlywheel, DeleteFlywheel, ListFlywheels.

Source: Amazon Comprehend API reference and developer guide, "Flywheels".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, requests, roles, tags
from sagebrush.services.comprehend.flywheels import (
    checks,
    facts,
    flywheel_life,
    inputs,
    lake,
    listing,
    members,
)
from sagebrush.services.comprehend.flywheels.plan import Plan
from sagebrush.services.comprehend.training import usable
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

FLYWHEEL = Kind(
    facts.FLYWHEEL.kind,
    facts.FLYWHEEL.noun,
    running=facts.FLYWHEEL,
    reconcile=flywheel_life.reconcile,
    fail=flywheel_life.fail,
)
SUMMARY = (
    "FlywheelArn", "ActiveModelArn", "DataLakeS3Uri", "ModelType", "Message", "CreationTime",
    "LastModifiedTime", "LatestFlywheelIteration",
)  # fmt: skip
"""Members of a description that a summary has too."""


def create_flywheel(ctx: Ctx, request: Doc) -> Doc:
    """The flywheel is CREATING; so it is where the same request was sent with that token before.

    Raises InvalidRequestException, KmsKeyValidationException, TooManyTagsException,
    ResourceNotFoundException and ResourceUnavailableException (404) for the model,
    UnsupportedLanguageException, and ResourceInUseException for a name that is taken.
    """
    checks.new(request)
    given = tags.of_request(request)
    checks.security(request.get("DataSecurityConfig") or {})
    row = _drafted(ctx, request, {"tags": given})
    found = ctx.world.rows.get(ctx.account, ctx.region, row.kind, row.name)
    if found is None:
        roles.require(ctx, request["DataAccessRoleArn"], arns.of(row))
    row = members.inserted(ctx, row, request, partial(_check, row))
    answer: Doc = {"FlywheelArn": row.doc["FlywheelArn"]}
    if active := row.doc.get("ActiveModelArn"):
        answer["ActiveModelArn"] = active
    return answer


def _drafted(ctx: Ctx, request: Doc, plan: Plan) -> Row:
    """The row to be. Raises as `create_flywheel` does for what it names."""
    name, now = request["FlywheelName"], ctx.world.clock()
    doc: Doc = {
        "DataAccessRoleArn": request["DataAccessRoleArn"],
        "DataSecurityConfig": request.get("DataSecurityConfig") or {},
        "DataLakeS3Uri": lake.place(request["DataLakeS3Uri"], name, now),
        "CreationTime": moment(now),
        "LastModifiedTime": moment(now),
    }
    if arn := request.get("ActiveModelArn"):
        model = checks.model(ctx, arn)
        types = {kind: each for each, kind in inputs.KINDS.items()}
        doc |= {
            "ActiveModelArn": arn,
            "ModelType": types[model.kind],
            "TaskConfig": inputs.task(model.doc, model.kind),
        }
    else:
        doc |= {name: request[name] for name in ("ModelType", "TaskConfig")}
        checks.language(doc["TaskConfig"]["LanguageCode"])
    row = Row(
        ctx.account, ctx.region, FLYWHEEL.name, name, "CREATING", doc, dict(plan), created=now,
        due_at=now,
    )  # fmt: skip
    return replace(row, doc={"FlywheelArn": arns.of(row), **doc})


def _check(row: Row, rows: Reader) -> None:
    """Raises, in the transaction that stores the flywheel, what `usable.still` does where its model has
    gone meanwhile."""
    if rows.get(row.account, row.region, row.kind, row.name) is not None:
        return  # `Rows.insert` says so
    if arn := row.doc.get("ActiveModelArn"):
        usable.still(rows, arn)


def describe_flywheel(ctx: Ctx, request: Doc) -> Doc:
    """The flywheel. Raises ResourceNotFoundException."""
    return {
        "FlywheelProperties": _described(
            members.required(ctx, request["FlywheelArn"], facts.FLYWHEEL)
        )
    }


def _described(row: Row) -> Doc:
    return {**row.doc, "Status": row.status}


def update_flywheel(ctx: Ctx, request: Doc) -> Doc:
    """What the request names of the flywheel is as it says; a member of DataSecurityConfig that it lacks
    is gone, but for the key of the data lake, which nothing changes.

    Raises ResourceNotFoundException, InvalidRequestException for a model that is not of the flywheel's
    kind and for a flywheel that is not ACTIVE, and KmsKeyValidationException.
    """
    row = members.required(ctx, request["FlywheelArn"], facts.FLYWHEEL)
    security = request.get("DataSecurityConfig")
    checks.security(security or {})
    changes: Doc = {}
    model = request.get("ActiveModelArn")
    if model:
        with _as_listed():
            changes["ActiveModelArn"] = arns.of(checks.promoted(ctx, row, model))
    if role := request.get("DataAccessRoleArn"):
        roles.require(ctx, role, arns.of(row))
        changes["DataAccessRoleArn"] = role

    def change(found: Row) -> Row:
        if found.status != "ACTIVE":
            requests.refuse(f"The flywheel cannot be updated: it is in status {found.status}.")
        doc = {**found.doc, **changes, "LastModifiedTime": moment(ctx.world.clock())}
        if security is not None:
            kept = found.doc["DataSecurityConfig"].get("DataLakeKmsKeyId")
            doc["DataSecurityConfig"] = {
                **security, **({"DataLakeKmsKeyId": kept} if kept else {}),
            }  # fmt: skip
        return replace(found, doc=doc)

    def check(rows: Reader) -> None:
        if model:
            with _as_listed():
                usable.still(rows, model)

    changed = ctx.world.rows.update(row.id, change, check)
    if changed is None:
        raise arns.missing()
    return {"FlywheelProperties": _described(changed)}


@contextmanager
def _as_listed() -> Iterator[None]:
    """Inside, a model that is not trained raises InvalidRequestException: AWS lists no
    ResourceUnavailableException for UpdateFlywheel."""
    try:
        yield
    except AwsError as error:
        if error.code == "ResourceUnavailableException":
            requests.refuse(error.message.removeprefix(requests.UNAVAILABLE))
        raise


def delete_flywheel(ctx: Ctx, request: Doc) -> Doc:
    """The flywheel is DELETING, and its data sets and iterations with it; the data lake and the models
    stay.

    Raises ResourceNotFoundException, ResourceInUseException (400) while an iteration runs or a data set
    is created, and ResourceUnavailableException (404) while it is created itself.
    """
    row = members.required(ctx, request["FlywheelArn"], facts.FLYWHEEL)

    def change(found: Row) -> Row | None:
        if found.status == "DELETING":
            return None
        if found.status not in ("ACTIVE", "FAILED"):
            raise requests.unavailable(f"The flywheel is in status {found.status}.")
        now = ctx.world.clock()
        doc = {**found.doc, "LastModifiedTime": moment(now)}
        return replace(found, status="DELETING", doc=doc, due_at=now)

    def idle(rows: Reader) -> None:
        for kind in (facts.ITERATION, facts.DATASET):
            if members.busy(rows, row, kind):
                words = "The flywheel is in use: it runs an iteration, or creates a dataset."
                raise AwsError("ResourceInUseException", words)

    if ctx.world.rows.update(row.id, change, idle) is None:
        raise arns.missing()
    ctx.world.wake()
    return {}


def list_flywheels(ctx: Ctx, request: Doc) -> Doc:
    """A page of flywheels. Raises InvalidFilterException and InvalidRequestException."""
    rows, token = listing.page(listing.below(ctx, FLYWHEEL.name), request, alone=True)
    found = [
        {**{name: row.doc[name] for name in SUMMARY if name in row.doc}, "Status": row.status}
        for row in rows
    ]
    answer: Doc = {"FlywheelSummaryList": found}
    return {**answer, "NextToken": token} if token else answer
