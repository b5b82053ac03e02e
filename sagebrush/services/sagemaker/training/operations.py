"""Training jobs: CreateTrainingJob, Describe, List, Stop, Update, Delete. Their life: `life`."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.aws.names import short_id
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker.jobs import steps
from sagebrush.services.sagemaker.jobs.steps import ENDED
from sagebrush.services.sagemaker.training import (
    checks,
    life,
    warm_pool,
)
from sagebrush.services.sagemaker.training import (
    status as training_status,
)
from sagebrush.services.sagemaker.training.plan import Plan, plan_of
from sagebrush.services.sagemaker.training.status import status_doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

KIND = Kind(
    "training-job",
    "TrainingJob",
    missing="Requested resource not found.",
    exists="Training job names must be unique within an AWS account and region, and a training job"
    " with this name already exists ({arn})",
    exists_code="ResourceInUse",
    summary=("TrainingEndTime", "SecondaryStatus", "WarmPoolStatus"),
    list_member="TrainingJobSummaries",
    reconcile=life.reconcile,
    fail=life.fail,
)


def create_training_job(ctx: Ctx, request: Doc) -> Doc:
    """The job exists, Starting. Raises ValidationException, ResourceInUse or ResourceLimitExceeded."""
    name = request["TrainingJobName"]
    if ctx.world.rows.get(ctx.account, ctx.region, KIND.name, name):
        raise AwsError(KIND.exists_code, KIND.say(KIND.exists, ctx, name))
    request = checks.defaults(request)
    image = checks.check(ctx, request)
    now = ctx.world.clock()
    doc = {
        **training_status.begin(now),
        "AlgorithmSpecification": checks.with_metrics(
            request["AlgorithmSpecification"], image.algorithm
        ),
        "ModelArtifacts": {"S3ModelArtifacts": training_status.artifact(request)},
        **_rules(request, now),
    }
    plan: Plan = {
        "key": f"t-{short_id()}",
        "stage": "start",
        "environment": image.environment,
        "algorithm": image.algorithm or "",
        "container": image.container,
        "framework": image.framework,
    }
    row = kinds.create(ctx, KIND, request, "InProgress", doc, {**plan})
    return {"TrainingJobArn": row.doc["TrainingJobArn"]}


def _rules(request: Doc, now: float) -> Doc:
    """What is said of debugger and profiler rules, which no evaluation runs for."""
    found: Doc = {}
    for kind in ("Debug", "Profiler"):
        rules = request.get(f"{kind}RuleConfigurations")
        if rules:
            found[f"{kind}RuleEvaluationStatuses"] = [
                {
                    "RuleConfigurationName": rule["RuleConfigurationName"],
                    "RuleEvaluationStatus": "Stopped",
                    "StatusDetails": "Sagebrush does not evaluate rules yet.",
                    "LastModifiedTime": moment(now),
                }
                for rule in rules
            ]
    return found


def describe_training_job(ctx: Ctx, request: Doc) -> Doc:
    """The job as it is now; the place in the queue is of this moment."""
    row = kinds.find(ctx, KIND, request["TrainingJobName"])
    found = kinds.describe(KIND, row)
    if plan_of(row).get("waiting"):
        turn = capacity.turn(ctx.world, plan_of(row)["key"])
        if turn is not None and turn.place:
            found = {**found, **training_status.waiting(row, turn, ctx.world.clock())}
    return found


def list_training_jobs(ctx: Ctx, request: Doc) -> Doc:
    """A page of jobs. There are no training plans: asking for those finds none."""
    if "TrainingPlanArnEquals" in request:
        return {"TrainingJobSummaries": []}
    if wanted := request.get("WarmPoolStatusEquals"):
        return _of_pools(ctx, request, wanted)
    return kinds.list_page(ctx, KIND, request)


def _of_pools(ctx: Ctx, request: Doc, status: str) -> Doc:
    """A page of the jobs whose warm pool is in that status, newest first."""
    rows = [
        row
        for row in reversed(ctx.world.rows.select(KIND.name))
        if row.doc.get("WarmPoolStatus", {}).get("Status") == status
        and request.get("NameContains", "").lower() in row.name.lower()
    ]
    page, token = kinds.paginate(rows, request.get("NextToken"), request.get("MaxResults", 10))
    names = ("TrainingJobName", "TrainingJobArn", "CreationTime", "LastModifiedTime",
             "TrainingEndTime", "SecondaryStatus", "WarmPoolStatus")  # fmt: skip
    found = [
        {n: row.doc[n] for n in names if n in row.doc} | {"TrainingJobStatus": row.status}
        for row in page
    ]
    return {"TrainingJobSummaries": found, **({"NextToken": token} if token else {})}


def stop_training_job(ctx: Ctx, request: Doc) -> None:
    """The job is Stopping. Raises ValidationException when it has ended."""
    row = kinds.find(ctx, KIND, request["TrainingJobName"])
    steps.stop(
        ctx,
        row,
        KIND.words,
        lambda job, now: status_doc(job.doc, now, "Stopping", "Stopping the training job"),
    )


def update_training_job(ctx: Ctx, request: Doc) -> Doc:
    """The job's profiler, debugging or keep-alive settings are changed, as far as AWS allows."""
    row = kinds.find(ctx, KIND, request["TrainingJobName"])

    def change(row: Row) -> Row:
        if row.status in ENDED and "ResourceConfig" not in request:
            raise steps.rejected(KIND.words, row)
        pool = row.doc.get("WarmPoolStatus", {}).get("Status", "none")
        if row.status in ENDED and pool != "Available":
            raise AwsError(
                "ValidationException",
                "KeepAlivePeriodInSeconds can be updated only while the warm pool of the training"
                f" job is Available, and it is {pool}.",
            )
        doc = {k: v for k, v in request.items() if k not in ("TrainingJobName", "ResourceConfig")}
        if "ResourceConfig" in request:
            doc["ResourceConfig"] = {**row.doc["ResourceConfig"], **request["ResourceConfig"]}
        doc["LastModifiedTime"] = moment(ctx.world.clock())
        return replace(row, doc={**row.doc, **doc})

    ctx.world.rows.update(row.id, change)
    seconds = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds")
    if seconds is not None and row.status in ENDED:
        warm_pool.extend(ctx.world, row, seconds)
    return {"TrainingJobArn": row.doc["TrainingJobArn"]}


def delete_training_job(ctx: Ctx, request: Doc) -> None:
    """The ended job and its directory are gone. Raises ValidationException while it runs."""
    row = kinds.find(ctx, KIND, request["TrainingJobName"])
    if row.status not in ENDED:
        raise steps.rejected(KIND.words, row)
    life.remove(ctx.world, row)
    ctx.world.rows.delete(row.id)
