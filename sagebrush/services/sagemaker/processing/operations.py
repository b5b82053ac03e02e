"""Processing jobs: CreateProcessingJob, Describe, List, Stop, Delete. Their life: `life`."""

from __future__ import annotations

from sagebrush.aws.names import short_id
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker.jobs import steps
from sagebrush.services.sagemaker.jobs.steps import ENDED
from sagebrush.services.sagemaker.processing import checks, life
from sagebrush.services.sagemaker.processing.plan import Plan, plan_of
from sagebrush.world import Ctx

KIND = Kind(
    "processing-job",
    "ProcessingJob",
    exists="Processing job names must be unique within an AWS account and region, and a processing"
    " job with this name already exists ({arn})",
    exists_code="ResourceInUse",
    summary=("ProcessingEndTime", "FailureReason", "ExitMessage"),
    list_member="ProcessingJobSummaries",
    reconcile=life.reconcile,
    fail=life.fail,
)


def create_processing_job(ctx: Ctx, request: Doc) -> Doc:
    """The job exists and is on its way. Raises ValidationException, ResourceInUse or
    ResourceLimitExceeded."""
    name = request["ProcessingJobName"]
    if ctx.world.rows.get(ctx.account, ctx.region, KIND.name, name):
        raise AwsError(KIND.exists_code, KIND.say(KIND.exists, ctx, name))
    request = checks.defaults(request)
    image = checks.check(ctx, request)
    plan: Plan = {
        "key": f"p-{short_id()}",
        "stage": "start",
        "environment": image.environment,
        "algorithm": image.algorithm or "",
        "container": image.container,
        "framework": image.framework,
    }
    row = kinds.create(ctx, KIND, request, "InProgress", {}, {**plan})
    return {"ProcessingJobArn": row.doc["ProcessingJobArn"]}


def describe_processing_job(ctx: Ctx, request: Doc) -> Doc:
    """The job as it is now; while it waits, ExitMessage says for what (AWS has no other place)."""
    row = kinds.find(ctx, KIND, request["ProcessingJobName"])
    found = kinds.describe(KIND, row)
    if plan_of(row).get("waiting"):
        turn = capacity.turn(ctx.world, plan_of(row)["key"])
        if turn is not None and turn.place:
            found = {**found, "ExitMessage": turn.words}
    return found


def list_processing_jobs(ctx: Ctx, request: Doc) -> Doc:
    """A page of jobs."""
    return kinds.list_page(ctx, KIND, request)


def stop_processing_job(ctx: Ctx, request: Doc) -> None:
    """The job is Stopping. Raises ValidationException when it has ended."""
    steps.stop(ctx, kinds.find(ctx, KIND, request["ProcessingJobName"]), KIND.words)


def delete_processing_job(ctx: Ctx, request: Doc) -> None:
    """The ended job and its directories are gone. Raises ValidationException while it runs."""
    row = kinds.find(ctx, KIND, request["ProcessingJobName"])
    if row.status not in ENDED:
        raise steps.rejected(KIND.words, row)
    life.remove(ctx.world, row)
    ctx.world.rows.delete(row.id)
