"""Processing jobs: CreateProcessingJob, Describe, List, Stop, Delete. Their life: `life`."""

from __future__ import annotations

from sagebrush.aws.names import short_id
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import Doc
from sagebrush.scheduler import capacity, quotas
from sagebrush.services.sagemaker.jobs import plan, steps
from sagebrush.services.sagemaker.jobs.steps import ENDED
from sagebrush.services.sagemaker.processing import checks, life
from sagebrush.services.sagemaker.processing.facts import PROCESSING_JOB
from sagebrush.services.sagemaker.processing.plan import plan_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

KIND = Kind(
    PROCESSING_JOB.kind,
    PROCESSING_JOB.noun,
    running=PROCESSING_JOB,
    # aws/amazon-sagemaker-operator-for-k8s, sagemaker_client_wrapper.go
    missing="Could not find requested job with name: {name}",
    exists="Processing job names must be unique within an AWS account and region, and a processing"
    " job with this name already exists ({arn})",
    exists_code="ResourceInUse",
    summary=("ProcessingEndTime", "FailureReason", "ExitMessage"),
    reconcile=life.reconcile,
    fail=life.fail,
)


def create_processing_job(ctx: Ctx, request: Doc) -> Doc:
    """The job exists, InProgress. Raises ValidationException, ResourceInUse or
    ResourceLimitExceeded."""
    request = checks.defaults(request)
    checks.validate(request)
    kinds.check_new(ctx, KIND, request)
    image = checks.check(ctx, request)

    def check(rows: Reader) -> None:
        types = checks.instances(request)
        quotas.check_quota(ctx, types, checks.USE, rows)

    new = plan.new(f"p-{short_id()}", image)
    row = kinds.draft(ctx, KIND, request, "InProgress", {}, {**new})
    row = kinds.insert(ctx, KIND, row, check)
    return {"ProcessingJobArn": row.doc["ProcessingJobArn"]}


def describe_processing_job(ctx: Ctx, request: Doc) -> Doc:
    """The job's document; while it waits, ExitMessage says what for (AWS has no other member for
    it), and later what stands in for what its image promises."""
    row = kinds.find(ctx, KIND, request["ProcessingJobName"])
    found = kinds.describe(KIND, row)
    if plan_of(row).get("waiting"):
        turn = capacity.position(ctx.world, plan_of(row)["key"])
        if turn is not None and turn.place:
            found = {**found, "ExitMessage": turn.words}
    named = plan_of(row)["environment"]
    if plan_of(row)["stage"] == "start" and (doing := ctx.world.environments.doing(named)):
        text = f"Preparing the environment {named} (once on this machine): {doing}"
        found = {**found, "ExitMessage": text}
    if plan_of(row)["stage"] == "download" and (text := plan_of(row).get("installing")):
        found = {**found, "ExitMessage": text}
    return found


def list_processing_jobs(ctx: Ctx, request: Doc) -> Doc:
    """A page of jobs."""
    return kinds.list_page(ctx, KIND, request)


def stop_processing_job(ctx: Ctx, request: Doc) -> None:
    """The job is Stopping. Raises ValidationException when it has ended."""
    steps.stop(ctx, KIND, request["ProcessingJobName"], KIND.words)


def delete_processing_job(ctx: Ctx, request: Doc) -> None:
    """The ended job and its directories are deleted. Raises ResourceInUse while it runs (API
    reference, DeleteProcessingJob)."""

    def require_free(row: Row) -> None:
        if row.status not in ENDED:
            raise steps.rejected(KIND.words, row, "ResourceInUse")

    steps.delete(ctx, KIND, request["ProcessingJobName"], require_free, life.remove)
