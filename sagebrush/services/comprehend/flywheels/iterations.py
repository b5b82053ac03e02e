"""StartFlywheelIteration, DescribeFlywheelIteration, ListFlywheelIterationHistory.

Source: Amazon Comprehend API reference and developer guide, "Flywheel iterations".
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, requests
from sagebrush.services.comprehend.flywheels import (
    facts,
    inputs,
    iteration_life,
    lake,
    listing,
    members,
)
from sagebrush.services.comprehend.flywheels.plan import Plan, plan_of
from sagebrush.store import changes
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

ITERATION = Kind(
    facts.ITERATION.kind,
    facts.ITERATION.noun,
    running=facts.ITERATION,
    reconcile=iteration_life.reconcile,
    fail=iteration_life.fail,
)


def start_flywheel_iteration(ctx: Ctx, request: Doc) -> Doc:
    """The iteration is TRAINING, or EVALUATING where there are new test data alone; so it is where the
    same request was sent with that token before.

    Raises ResourceNotFoundException; InvalidRequestException for a flywheel that is not ACTIVE, has no
    data set that no iteration had, or no training data at all and no model; ResourceInUseException (400)
    while another iteration runs.
    """
    flywheel = members.required(ctx, request["FlywheelArn"], facts.FLYWHEEL)
    token = request.get("ClientRequestToken")
    row = _earlier(ctx.world.rows, flywheel, token)
    while row is None:
        drafted = _drafted(ctx, flywheel, request)
        try:
            row = changes.together(
                ctx.world.db, ctx.world.rows, partial(_begun, flywheel, token, drafted)
            )
        except Exists:  # the iteration before began in this second, and has ended
            continue
        ctx.world.wake()
    return {name: row.doc[name] for name in ("FlywheelArn", "FlywheelIterationId")}


def _begun(flywheel: Row, token: str | None, drafted: Row, rows: changes.Changes) -> Row:
    """The iteration as stored, which its flywheel names; or the one that the token began. Raises what
    forbids an iteration."""
    if earlier := _earlier(rows, flywheel, token):
        return earlier
    current = members.active(rows, flywheel)
    if members.busy(rows, flywheel, facts.ITERATION):
        words = "The flywheel runs an iteration already. Start another when that has ended."
        raise AwsError("ResourceInUseException", words)
    stored = rows.insert(drafted)
    told = {
        "LatestFlywheelIteration": stored.doc["FlywheelIterationId"],
        "LastModifiedTime": moment(stored.created),
    }
    rows.store(replace(current, doc={**current.doc, **told}))
    return stored


def _earlier(rows: Reader, flywheel: Row, token: str | None) -> Row | None:
    """The iteration that a request with that token began."""
    found = members.of(rows, flywheel, facts.ITERATION) if token else []
    return next((row for row in found if plan_of(row).get("token") == token), None)


def _drafted(ctx: Ctx, flywheel: Row, request: Doc) -> Row:
    rows = ctx.world.rows
    new = members.unused(rows, flywheel)
    every = members.of(rows, flywheel, facts.DATASET, ("COMPLETED",))
    trains = bool(members.in_part(new, inputs.TRAIN))
    if not new:
        requests.refuse(
            "The flywheel has no new dataset that is COMPLETED. Create a dataset before you start an"
            " iteration."
        )
    if not (trains or flywheel.doc.get("ActiveModelArn")):
        requests.refuse("The flywheel has no model yet, and no dataset of type TRAIN to train one.")
    plan: Plan = {
        "train": members.in_part(every, inputs.TRAIN),
        "test": members.in_part(every, inputs.TEST),
        "trains": trains,
    }
    if token := request.get("ClientRequestToken"):
        plan["token"] = token
    now = ctx.world.clock()
    number = _number(members.of(rows, flywheel, facts.ITERATION), now)
    doc: Doc = {
        "FlywheelArn": flywheel.doc["FlywheelArn"],
        "FlywheelIterationId": number,
        "CreationTime": moment(now),
        "EvaluationManifestS3Prefix": lake.evaluation(flywheel.doc["DataLakeS3Uri"], number),
    }
    if active := flywheel.doc.get("ActiveModelArn"):
        doc["EvaluatedModelArn"] = active
    return Row(
        ctx.account, ctx.region, ITERATION.name, f"{flywheel.name}/{number}",
        "TRAINING" if trains else "EVALUATING", doc, dict(plan), created=now, due_at=now,
    )  # fmt: skip


def _number(before: list[Row], now: float) -> str:
    """The iteration's id: the time, or the next second that no iteration has."""
    used = {row.doc["FlywheelIterationId"] for row in before}
    while lake.stamp(now) in used:
        now += 1.0
    return lake.stamp(now)


def describe_flywheel_iteration(ctx: Ctx, request: Doc) -> Doc:
    """The iteration. Raises ResourceNotFoundException."""
    flywheel = members.required(ctx, request["FlywheelArn"], facts.FLYWHEEL)
    name = f"{flywheel.name}/{request['FlywheelIterationId']}"
    row = ctx.world.rows.get(ctx.account, ctx.region, ITERATION.name, name)
    if row is None:
        raise arns.missing()
    return {"FlywheelIterationProperties": _described(row)}


def _described(row: Row) -> Doc:
    return {**row.doc, "Status": row.status}


def list_flywheel_iteration_history(ctx: Ctx, request: Doc) -> Doc:
    """A page of the flywheel's iterations. Raises ResourceNotFoundException, InvalidFilterException and
    InvalidRequestException."""
    flywheel = members.required(ctx, request["FlywheelArn"], facts.FLYWHEEL)
    found = listing.below(ctx, ITERATION.name, flywheel.name)
    rows, token = listing.page(found, request)
    answer: Doc = {"FlywheelIterationPropertiesList": [_described(row) for row in rows]}
    return {**answer, "NextToken": token} if token else answer
