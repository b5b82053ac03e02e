"""Training jobs: CreateTrainingJob, Describe, List, Stop, Update, Delete. Their life: `life`."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.aws.names import short_id
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity, quotas
from sagebrush.services.sagemaker.jobs import plan, steps
from sagebrush.services.sagemaker.jobs.steps import ENDED
from sagebrush.services.sagemaker.training import checks, life, status
from sagebrush.services.sagemaker.training.facts import TRAINING_JOB
from sagebrush.services.sagemaker.training.plan import plan_of
from sagebrush.services.sagemaker.training.status import status_doc
from sagebrush.services.sagemaker.training.warm_pool import offers
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

KIND = Kind(
    TRAINING_JOB.kind,
    TRAINING_JOB.noun,
    running=TRAINING_JOB,
    missing="Requested resource not found.",
    exists="Training job names must be unique within an AWS account and region, and a training job"
    " with this name already exists ({arn})",
    exists_code="ResourceInUse",
    summary=("TrainingEndTime", "SecondaryStatus", "WarmPoolStatus"),
    reconcile=life.reconcile,
    fail=life.fail,
)
KEEP = "KeepAlivePeriodInSeconds"
DEBUGGED = ("Downloading", "Training")
"""Secondary statuses in which RemoteDebugConfig can be updated (API reference,
UpdateTrainingJob)."""


def create_training_job(ctx: Ctx, request: Doc) -> Doc:
    """The job exists, Starting. Raises ValidationException, ResourceInUse or
    ResourceLimitExceeded."""
    request = checks.defaults(request)
    checks.validate(request)
    kinds.check_new(ctx, KIND, request)
    image = checks.check(ctx, request)
    now = ctx.world.clock()
    doc = {
        **status.begin(now),
        "AlgorithmSpecification": checks.with_metrics(request["AlgorithmSpecification"], image),
        "ModelArtifacts": {"S3ModelArtifacts": status.artifact(request)},
        **_rules(request, now),
    }

    def check(rows: Reader) -> None:
        quotas.check_quota(ctx, *checks.instances(request), rows)

    new = plan.new(f"t-{short_id()}", image)
    row = kinds.draft(ctx, KIND, request, "InProgress", doc, {**new})
    row = kinds.insert(ctx, KIND, row, check)
    return {"TrainingJobArn": row.doc["TrainingJobArn"]}


def _rules(request: Doc, now: float) -> Doc:
    """The document's members about debugger and profiler rules, for which no evaluation runs."""
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
    """The job's document; its place in the queue is computed at the request."""
    row = kinds.find(ctx, KIND, request["TrainingJobName"])
    found = kinds.describe(KIND, row)
    if plan_of(row).get("waiting"):
        turn = capacity.position(ctx.world, plan_of(row)["key"])
        if turn is not None and turn.place:
            found = {**found, **status.waiting(row, turn, ctx.world.clock())}
    return found


def list_training_jobs(ctx: Ctx, request: Doc) -> Doc:
    """A page of jobs. There are no training plans, so a filter for one finds no jobs."""
    if "TrainingPlanArnEquals" in request:
        return {"TrainingJobSummaries": []}
    if wanted := request.get("WarmPoolStatusEquals"):
        return _of_pools(ctx, request, wanted)
    return kinds.list_page(ctx, KIND, request)


def _of_pools(ctx: Ctx, request: Doc, wanted: str) -> Doc:
    """A page of the jobs whose warm pool is in that status, newest first."""
    rows = [
        row
        for row in reversed(ctx.world.rows.select(KIND.name))
        if (row.account, row.region) == (ctx.account, ctx.region)
        and row.doc.get("WarmPoolStatus", {}).get("Status") == wanted
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
    steps.stop(
        ctx,
        KIND,
        request["TrainingJobName"],
        KIND.words,
        lambda job, now: status_doc(job.doc, now, "Stopping", "Stopping the training job"),
    )


def update_training_job(ctx: Ctx, request: Doc) -> Doc:
    """The job's profiler, debugging or keep-alive settings are changed, as far as AWS allows it.

    Raises ValidationException.
    """
    if not set(request) - {"TrainingJobName"}:
        raise AwsError(
            "ValidationException", "Invalid UpdateTrainingJobRequest, the request cannot be empty"
        )
    name, seconds = request["TrainingJobName"], request.get("ResourceConfig", {}).get(KEEP)
    row = kinds.find(ctx, KIND, name)
    _require_open(row, request)
    if row.status in ENDED and not offers.extend(ctx.world, row, seconds):
        raise _no_pool("gone")  # taken by the next job, or ended, a moment ago

    def change(row: Row) -> Row:
        _require_open(row, request)
        doc = {k: v for k, v in request.items() if k not in ("TrainingJobName", "ResourceConfig")}
        if "ResourceConfig" in request:
            doc["ResourceConfig"] = {**row.doc["ResourceConfig"], **request["ResourceConfig"]}
        doc["LastModifiedTime"] = moment(ctx.world.clock())
        return replace(row, doc={**row.doc, **doc})

    after = kinds.update(ctx, KIND, name, change)
    if seconds is not None and row.status not in ENDED and after.status in ENDED:
        offers.extend(ctx.world, after, seconds)  # it ended meanwhile, with the period before
    return {"TrainingJobArn": after.doc["TrainingJobArn"]}


def _require_open(row: Row, request: Doc) -> None:
    """Raises ValidationException for settings that cannot be changed in the job's status."""
    if row.status in ENDED and "ResourceConfig" not in request:
        raise steps.rejected(KIND.words, row)
    pool = row.doc.get("WarmPoolStatus", {}).get("Status", "none")
    if row.status in ENDED and pool != "Available":
        raise _no_pool(pool)
    stage = row.doc["SecondaryStatus"]
    if "RemoteDebugConfig" in request and stage not in DEBUGGED:
        raise AwsError(
            "ValidationException",
            "RemoteDebugConfig can be updated only while the SecondaryStatus of the training job is"
            f" {' or '.join(DEBUGGED)}, and it is {stage}.",
        )


def _no_pool(state: str) -> AwsError:
    return AwsError(
        "ValidationException",
        "KeepAlivePeriodInSeconds can be updated only while the warm pool of the training job is"
        f" Available, and it is {state}.",
    )


def delete_training_job(ctx: Ctx, request: Doc) -> None:
    """The ended job and its directory are deleted. Raises ResourceInUse while it runs or retains a
    warm pool (API reference, DeleteTrainingJob)."""

    def require_free(row: Row) -> None:
        if row.status not in ENDED:
            raise steps.rejected(KIND.words, row, "ResourceInUse")
        if row.doc.get("WarmPoolStatus", {}).get("Status") == "Available":
            raise AwsError(
                "ResourceInUse",
                "The request was rejected because the training job retains an Available warm pool.",
            )

    steps.delete(ctx, KIND, request["TrainingJobName"], require_free, life.remove)
