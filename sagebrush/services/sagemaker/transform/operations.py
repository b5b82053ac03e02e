"""Batch transform jobs: CreateTransformJob, Describe, List, Stop. Their life: `life`."""

from __future__ import annotations

from sagebrush.aws.names import short_id
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import Doc
from sagebrush.scheduler import quotas
from sagebrush.services.sagemaker.hosting import model
from sagebrush.services.sagemaker.jobs import steps
from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.services.sagemaker.transform import checks, life
from sagebrush.services.sagemaker.transform.facts import TRANSFORM_JOB
from sagebrush.services.sagemaker.transform.plan import Plan
from sagebrush.store.rows import Reader
from sagebrush.world import Ctx

KIND = Kind(
    TRANSFORM_JOB.kind,
    TRANSFORM_JOB.noun,
    running=TRANSFORM_JOB,
    # aws/amazon-sagemaker-operator-for-k8s, sagemaker_client_wrapper.go
    missing="Could not find requested job with name: {name}",
    exists="Transform job names must be unique within an AWS account and region, and a transform job"
    " with this name already exists ({arn})",
    exists_code="ResourceInUse",
    summary=("TransformEndTime", "FailureReason"),
    reconcile=life.reconcile,
    fail=life.fail,
)
STRATEGIES = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}


def create_transform_job(ctx: Ctx, request: Doc) -> Doc:
    """The job exists, InProgress. Raises ValidationException, ResourceInUse or
    ResourceLimitExceeded."""
    checks.validate(request)
    kinds.check_new(ctx, KIND, request)
    found, containers = checks.check(ctx, request)

    def check(rows: Reader) -> None:
        quotas.check_quota(ctx, checks.instances(request), checks.USE, rows)

    new: Plan = {
        "key": f"b-{short_id()}",
        "stage": "start",
        "containers": [_set(each, request) for each in containers],
        "role": found.doc.get("ExecutionRoleArn"),
        "isolated": model.isolated(found.doc),
    }
    row = kinds.draft(ctx, KIND, request, "InProgress", _defaults(request), {**new})
    row = kinds.insert(ctx, KIND, row, check)
    return {"TransformJobArn": row.doc["TransformJobArn"]}


def _defaults(request: Doc) -> Doc:
    """The document's members that AWS fills in where they are absent."""
    given, asked = request["TransformInput"], request["TransformOutput"]
    data = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    return {
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **given},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **asked},
        "DataProcessing": {**data, **request.get("DataProcessing", {})},
    }


def _set(container: Container, request: Doc) -> Container:
    """The container with the job's environment. Source: developer guide, "Use Your Own Inference Code
    with Batch Transform": what the user does not set is not passed."""
    env = {"SAGEMAKER_BATCH": "true"}
    if (payload := request.get("MaxPayloadInMB")) is not None:
        env["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(payload)
    if strategy := request.get("BatchStrategy"):
        env["SAGEMAKER_BATCH_STRATEGY"] = STRATEGIES[strategy]
    if count := request.get("MaxConcurrentTransforms"):
        env["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(count)
    return {**container, "env": {**container["env"], **request.get("Environment", {}), **env}}


def describe_transform_job(ctx: Ctx, request: Doc) -> Doc:
    """The job's document."""
    return kinds.describe(KIND, kinds.find(ctx, KIND, request["TransformJobName"]))


def list_transform_jobs(ctx: Ctx, request: Doc) -> Doc:
    """A page of jobs."""
    return kinds.list_page(ctx, KIND, request)


def stop_transform_job(ctx: Ctx, request: Doc) -> None:
    """The job is Stopping. Raises ValidationException when it has ended."""
    steps.stop(ctx, KIND, request["TransformJobName"], KIND.words)
