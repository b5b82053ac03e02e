"""What CreateProcessingJob checks beyond the model's constraints, in AWS's words where they are
known."""

from __future__ import annotations

from sagebrush.environments.images import Image, UnknownImage
from sagebrush.errors import Doc
from sagebrush.scheduler import members, quotas
from sagebrush.services.sagemaker import roles
from sagebrush.services.sagemaker.training.checks import (
    LONGEST,
    found,
    output,
    place,
    refuse,
    several,
    split,
)
from sagebrush.world import Ctx

USE = "processing job"
"""The usage in the names of AWS's quotas."""
DAY = 24 * 3600
ROOT = "/opt/ml/"
OWN = ("/opt/ml/config", "/opt/ml/output/message")
"""Paths in /opt/ml that the platform itself uses."""


def defaults(request: Doc) -> Doc:
    """The request with the members that AWS fills in where they are absent."""
    stopping = {"MaxRuntimeInSeconds": DAY, **request.get("StoppingCondition", {})}
    return {**request, "StoppingCondition": stopping}


def validate(request: Doc) -> None:
    """Raises ValidationException for errors in the request alone, whatever exists."""
    config = request["ProcessingResources"]["ClusterConfig"]
    if "InstancePreferences" in config or "InstanceType" not in config:
        refuse("ClusterConfig: a choice between instance types is not supported by Sagebrush yet;"
               " give InstanceType and InstanceCount")  # fmt: skip
    if config.get("InstanceCount", 0) < 1:
        refuse("ClusterConfig: InstanceCount must be at least 1")
    runtime = request["StoppingCondition"]["MaxRuntimeInSeconds"]
    if runtime > LONGEST:
        refuse(f"MaxRuntimeInSeconds {runtime} is more than 28 days ({LONGEST} seconds)")
    _inputs(request)
    _outputs(request)


def check(ctx: Ctx, request: Doc) -> Image:
    """Returns the image of a valid request; raises ValidationException for what it names and does
    not exist or cannot run here, and ResourceLimitExceeded."""
    try:
        image = ctx.world.environments.resolve(request["AppSpecification"]["ImageUri"])
    except UnknownImage as error:
        refuse(str(error))
    if not image.container and not request["AppSpecification"].get("ContainerEntrypoint"):
        refuse(
            "AppSpecification: ContainerEntrypoint is needed: this image stands for an environment,"
            " which runs no program by itself"
        )
    job = request["ProcessingJobName"]
    roles.require(ctx, request["RoleArn"], "RoleArn", "processing-job", job)
    several(ctx, len(instances(request)), image, "ClusterConfig")
    role = ctx.as_role(request["RoleArn"])
    for each in request.get("ProcessingInputs", ()):
        found(role, each["S3Input"])
    for each in request.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        output(role, each["S3Output"]["S3Uri"], f"ProcessingOutput {each['OutputName']}")
    quotas.refuse(ctx, instances(request), USE)
    return image


def instances(request: Doc) -> list[str]:
    """The types of the job's instances."""
    config = request["ProcessingResources"]["ClusterConfig"]
    return [member.type for member in members.members_of("", config)]


def _inputs(request: Doc) -> None:
    seen: set[str] = set()
    for each in request.get("ProcessingInputs", ()):
        name = each["InputName"]
        if name in seen:
            refuse(f"Input names must be unique: {name} is there twice")
        seen.add(name)
        if "DatasetDefinition" in each:
            refuse(f"ProcessingInput {name}: DatasetDefinition (Athena, Redshift) is not supported"
                   " by Sagebrush; use S3Input")  # fmt: skip
        if "S3Input" not in each:
            refuse(f"ProcessingInput {name}: S3Input must be given")
        s3 = each["S3Input"]
        if s3.get("S3InputMode", "File") != "File":
            refuse(f"ProcessingInput {name}: S3InputMode {s3['S3InputMode']} is not supported by"
                   " Sagebrush; use File")  # fmt: skip
        if s3.get("S3CompressionType", "None") != "None":
            refuse(f"ProcessingInput {name}: S3CompressionType can be Gzip only if the input mode is"
                   " Pipe")  # fmt: skip
        _local(s3.get("LocalPath"), f"ProcessingInput {name}")
        split(s3["S3Uri"])


def _outputs(request: Doc) -> None:
    seen: set[str] = set()
    for each in request.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        name = each["OutputName"]
        if name in seen:
            refuse(f"Output names must be unique: {name} is there twice")
        seen.add(name)
        if "S3Output" not in each:
            refuse(f"ProcessingOutput {name}: only S3Output is supported by Sagebrush")
        _local(each["S3Output"].get("LocalPath"), f"ProcessingOutput {name}")
        place(each["S3Output"]["S3Uri"], f"ProcessingOutput {name}")


def _local(path: str | None, what: str) -> None:
    """Raises ValidationException for a LocalPath that is no directory under /opt/ml or that the
    platform itself uses."""
    if path is None:
        refuse(f"{what}: LocalPath must be given")
    parts = path.rstrip("/").split("/")
    if not path.startswith(ROOT) or {".", "..", ""} & set(parts[1:]) or len(parts) < 4:
        refuse(f"{what}: LocalPath {path} must be a directory beneath /opt/ml")
    if any(path.rstrip("/") == own or path.startswith(own + "/") for own in OWN):
        refuse(f"{what}: LocalPath {path} is reserved")
