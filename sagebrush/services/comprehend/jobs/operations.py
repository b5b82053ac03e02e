"""Start, Describe, List and Stop of every family of asynchronous jobs, made from one table.

Source: Amazon Comprehend API reference.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, requests, roles, tags, work
from sagebrush.services.comprehend.jobs import checks, facts, life, listing
from sagebrush.services.comprehend.jobs.families import (
    ACTIVE,
    BUSY,
    ENDED,
    EVENTS,
    FAMILIES,
    Family,
    output,
)
from sagebrush.services.comprehend.jobs.plan import Plan, plan_of
from sagebrush.services.comprehend.requests import TOKEN_IN_USE
from sagebrush.services.comprehend.training import usable
from sagebrush.services.comprehend.training.usable import Trained
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx, Operation

CLOSED = (
    "Event detection is not available to new customers of Amazon Comprehend, and not in Sagebrush"
    " either."
)
MISSING = "The specified job was not found. Check the job ID and try again."
SHOWN = (
    "InputDataConfig", "DataAccessRoleArn", "JobName", "LanguageCode", "VolumeKmsKeyId", "VpcConfig",
)  # fmt: skip
"""Members of a request that a description has too, of every family."""


KINDS = {
    name: Kind(name, job.noun, running=job, reconcile=life.reconcile, fail=life.fail)
    for name, job in facts.JOBS.items()
}
"""`Row.kind` -> the kind, of every family. What AWS says in its verbs is this module's, not that of
SageMaker's kinds."""


def _start(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """The job is SUBMITTED; so it is where the same request was sent with that token before.

    Raises InvalidRequestException, ResourceNotFoundException, KmsKeyValidationException,
    TooManyTagsException, TooManyRequestsException (429) for more than ACTIVE jobs at once, and
    ResourceInUseException where the token is another request's, and ResourceUnavailableException
    where the custom model is not trained.
    """
    request = checks.defaults(family, request)
    given = tags.of_request(request)
    job_id = _job_id(ctx, family, request.get("ClientRequestToken"))
    digest = requests.digest(request)
    before = ctx.world.rows.get(ctx.account, ctx.region, family.kind, job_id)
    if before is None:
        model = checks.check(ctx, family, request)
        plan: Plan = {"tags": given, "request": digest}
        if model is not None:  # of a flywheel the one that is active now
            plan["model"] = model.archive
            request = {**request, checks.MEMBERS[model.kind]: model.arn}
        row = _drafted(ctx, family, request, job_id, plan)
        roles.require(ctx, request["DataAccessRoleArn"], row.doc["JobArn"])
        try:
            before = ctx.world.rows.insert(row, partial(_check, row, model))
            ctx.world.wake()
        except Exists:  # the same token at the same time
            before = _row(ctx, family, job_id)
    if plan_of(before).get("request") != digest:
        raise AwsError("ResourceInUseException", TOKEN_IN_USE)
    answer = {"JobId": job_id, "JobArn": before.doc["JobArn"], "JobStatus": before.status}
    for member in ("EntityRecognizerArn", "DocumentClassifierArn"):
        if member in before.doc:
            answer[member] = before.doc[member]
    return answer


def _job_id(ctx: Ctx, family: Family, token: str | None) -> str:
    """32 hexadecimal digits: the same for the same token, else never the same."""
    if token is None:
        return secrets.token_hex(16)
    text = json.dumps([ctx.account, ctx.region, family.kind, token])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _drafted(ctx: Ctx, family: Family, request: Doc, job_id: str, plan: Plan) -> Row:
    now = ctx.world.clock()
    where = request["OutputDataConfig"]
    place = output(where["S3Uri"], ctx.account, family, job_id)
    doc: Doc = {
        "JobId": job_id,
        "SubmitTime": moment(now),
        "OutputDataConfig": {**where, "S3Uri": place},
        **{name: request[name] for name in (*SHOWN, *family.members) if name in request},
    }
    row = Row(
        ctx.account, ctx.region, family.kind, job_id, "SUBMITTED", doc, dict(plan), created=now, due_at=now
    )  # fmt: skip
    return replace(row, doc={**doc, "JobArn": arns.of(row)})


def _check(row: Row, model: Trained | None, rows: Reader) -> None:
    """Raises, in the transaction that stores the job, TooManyRequestsException where as many jobs of the
    family are active as may be, and what `usable.still` does where its model has gone meanwhile."""
    if rows.get(row.account, row.region, row.kind, row.name) is not None:
        return  # the same token at the same time: `Rows.insert` says so
    if model is not None:
        usable.still(rows, model.arn)
    active = rows.select(row.kind, BUSY, account=row.account)
    if sum(each.region == row.region for each in active) >= ACTIVE:
        raise AwsError(
            "TooManyRequestsException",
            f"The account has {ACTIVE} active jobs of this type, as many as it may have at once."
            " Resubmit your request later.",
            429,
        )


def _row(ctx: Ctx, family: Family, job_id: str) -> Row:
    row = ctx.world.rows.get(ctx.account, ctx.region, family.kind, job_id)
    if row is None:
        raise AwsError("JobNotFoundException", MISSING, 404)
    return row


def _described(row: Row) -> Doc:
    return {**row.doc, "JobStatus": row.status}


def _describe(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """The job; while it waits, its Message says what for. Raises JobNotFoundException."""
    row = _row(ctx, family, request["JobId"])
    found = _described(row)
    if row.status == "SUBMITTED":
        child = life.find(ctx.world, row)
        if child is not None and child.get("ExitMessage"):
            found["Message"] = child["ExitMessage"]
    return {family.properties: found}


def _list(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """A page of jobs. Raises InvalidFilterException and InvalidRequestException."""
    rows, token = listing.page(ctx, family, request)
    answer: Doc = {f"{family.properties}List": [_described(row) for row in rows]}
    return {**answer, "NextToken": token} if token else answer


def _stop(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """The job is STOP_REQUESTED, or STOPPED already. Raises JobNotFoundException, and
    InvalidRequestException for one that has completed or failed."""

    def change(found: Row) -> Row | None:
        if found.status in ("COMPLETED", "FAILED"):
            requests.refuse(f"The job cannot be stopped: it is in status {found.status}.")
        if found.status in (*ENDED, "STOP_REQUESTED"):
            return None
        due = ctx.world.clock() + (0.0 if plan_of(found).get("started") else work.NOTICE)
        return replace(found, status="STOP_REQUESTED", due_at=due)

    row = ctx.world.rows.update(_row(ctx, family, request["JobId"]).id, change)
    if row is None:
        raise AwsError("JobNotFoundException", MISSING, 404)
    ctx.world.wake()
    return {"JobId": row.name, "JobStatus": row.status}


# ---- events, which nobody can start


def _closed(ctx: Ctx, request: Doc) -> Doc:
    """Raises InvalidRequestException."""
    requests.refuse(CLOSED)


def _no_job(ctx: Ctx, request: Doc) -> Doc:
    """Raises JobNotFoundException."""
    raise AwsError("JobNotFoundException", MISSING, 404)


def _no_jobs(ctx: Ctx, request: Doc) -> Doc:
    """No job."""
    return {f"{EVENTS.properties}List": []}


def _made(verb: Callable[[Family, Ctx, Doc], Doc], family: Family) -> Operation:
    """The verb as an operation of the family."""

    def operation(ctx: Ctx, request: Doc) -> Doc:
        return verb(family, ctx, request)

    operation.__doc__ = verb.__doc__
    return operation


def _operations() -> dict[str, Operation]:
    table: dict[str, Operation] = {
        f"Start{EVENTS.job}": _closed,
        f"Describe{EVENTS.job}": _no_job,
        f"Stop{EVENTS.job}": _no_job,
        f"List{EVENTS.job}s": _no_jobs,
    }
    for family in FAMILIES.values():
        table[f"Start{family.job}"] = _made(_start, family)
        table[f"Describe{family.job}"] = _made(_describe, family)
        table[f"List{family.job}s"] = _made(_list, family)
        if family.stops:
            table[f"Stop{family.job}"] = _made(_stop, family)
    return table


OPERATIONS = _operations()
"""AWS's name of each operation -> the function (`registry.collect`)."""
