"""What CreateTransformJob checks beyond the model's constraints, in AWS's words where they are known."""

from __future__ import annotations

from sagebrush.access import principals
from sagebrush.companion.transform import jsonpath
from sagebrush.companion.transform.plan import TOGETHER
from sagebrush.companion.transform.processing import CSV, FORMATS, kind
from sagebrush.engine import kinds
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import members, quotas
from sagebrush.services.sagemaker.hosting import model
from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.services.sagemaker.training.checks import output, place, refuse, split
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

USE = "transform job"
"""The usage in the names of AWS's quotas."""
MOST = 100
"""Instances of a job (API reference, TransformResources)."""
PAYLOAD = 6
"""MaxPayloadInMB where the request has none."""


def validate(request: Doc) -> None:
    """Raises ValidationException for errors in the request alone, whatever exists."""
    payload, concurrency = request.get("MaxPayloadInMB"), request.get("MaxConcurrentTransforms", 0)
    if payload is not None and payload > TOGETHER:
        refuse(f"MaxPayloadInMB {payload} cannot be greater than {TOGETHER} MB")
    if concurrency * (PAYLOAD if payload is None else payload) > TOGETHER:
        refuse(
            f"MaxConcurrentTransforms * MaxPayloadInMB cannot exceed {TOGETHER} MB, and"
            f" {concurrency} * {PAYLOAD if payload is None else payload} does"
        )
    count = request["TransformResources"]["InstanceCount"]
    if count > MOST:
        refuse(f"TransformResources: InstanceCount {count} is more than {MOST}")
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        refuse(
            f"TransformInput: S3DataType {source['S3DataType']} is not compatible with batch"
            " transform; use S3Prefix or ManifestFile"
        )
    split(source["S3Uri"])
    place(request["TransformOutput"]["S3OutputPath"], "TransformOutput")
    _data(request)
    if capture := request.get("DataCaptureConfig"):
        place(capture["DestinationS3Uri"], "DataCaptureConfig")
        if capture.get("GenerateInferenceId"):
            _format(request["TransformOutput"].get("Accept"), "Accept", "GenerateInferenceId")


def asks(data: Doc) -> bool:
    """Whether a DataProcessing filters or joins anything."""
    filters = [data.get(member, "$").strip() != "$" for member in ("InputFilter", "OutputFilter")]
    return any(filters) or data.get("JoinSource", "None") != "None"


def _data(request: Doc) -> None:
    """Raises ValidationException for a DataProcessing that cannot be done, in its own words where a
    path does not parse (aws/aws-sdk issue 184)."""
    data = request.get("DataProcessing", {})
    given, asked = request["TransformInput"], request["TransformOutput"]
    content, accept = kind(given.get("ContentType")), kind(asked.get("Accept"))
    for member, of in (("InputFilter", content), ("OutputFilter", accept)):
        text = data.get(member, "$")
        try:
            jsonpath.parse(text, csv=of == CSV)
        except jsonpath.Invalid as error:
            refuse(f'Invalid {member}: "{text}". {error}')
    if not asks(data):
        return
    _format(given.get("ContentType"), "ContentType", "DataProcessing")
    _format(asked.get("Accept"), "Accept", "DataProcessing")
    if data.get("JoinSource", "None") == "Input" and (content == CSV) != (accept == CSV):
        refuse(
            "DataProcessing: JoinSource Input needs ContentType and Accept of the same format, and"
            f" {content} and {accept} are not"
        )
    lines = given.get("SplitType", "None") == "Line" and asked.get("AssembleWith") == "Line"
    if CSV in (content, accept) and not lines:
        refuse("DataProcessing: text/csv needs SplitType and AssembleWith Line")
    if given.get("SplitType", "None") not in ("None", "Line"):
        refuse(f"DataProcessing: SplitType {given['SplitType']} cannot be filtered or joined")


def _format(given: str | None, member: str, what: str) -> None:
    if kind(given) not in FORMATS:
        refuse(f"{what}: {member} must be one of {', '.join(FORMATS)}, and is {given or 'not set'}")


def check(ctx: Ctx, request: Doc) -> tuple[Row, list[Container]]:
    """The model of a valid request, and its containers. Raises ValidationException for what it names
    and does not exist or cannot run here, and ResourceLimitExceeded."""
    found = kinds.find(ctx, model.KIND, request["ModelName"])
    if model.mode(found.doc) == "Direct":
        refuse(
            f"Model {request['ModelName']}: containers with direct invocation cannot be used for"
            " batch transform; use InferenceExecutionConfig with Mode Serial"
        )
    if model.hosts_many(found.doc):
        refuse(
            f"Model {request['ModelName']}: a container of Mode MultiModel cannot be used for batch"
            " transform"
        )
    containers = model.containers(ctx, found.doc)
    role = found.doc.get("ExecutionRoleArn")
    itself = ctx.caller.role is None and ctx.caller.user is None
    if not role and not itself and not principals.administers(ctx.world, ctx.caller):
        # its job reads and writes as the execution role: allowed to administrators' keys alone
        raise AwsError(
            "ValidationException",
            f"Model {request['ModelName']} has no ExecutionRoleArn, as which the transform job would"
            " read its input and write its output.",
        )
    acting = acting_as(ctx.world, role, ctx.account, ctx.region)
    output(acting, request["TransformOutput"]["S3OutputPath"], "TransformOutput")
    if capture := request.get("DataCaptureConfig"):
        output(acting, capture["DestinationS3Uri"], "DataCaptureConfig")
    quotas.refuse(ctx, instances(request), USE)
    return found, containers


def acting_as(world: World, role: str | None, account: str, region: str) -> Ctx:
    """A context that acts as the model's role, or as the owner's execution role."""
    return world.service_ctx(role_of(world, role, account), region)


def role_of(world: World, role: str | None, account: str) -> str:
    """The ARN of the role that the job acts as."""
    return role or f"arn:aws:iam::{account}:role/{world.settings.role}"


def instances(request: Doc) -> list[str]:
    """The types of the job's instances."""
    return [each.type for each in members.members_of("", request["TransformResources"])]
