"""What CreateTrainingJob checks beyond the model's constraints, in AWS's words where they are
known."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from sagebrush.access import dispatch
from sagebrush.compute.shim import network
from sagebrush.environments import unavailable
from sagebrush.environments.images import Image, UnknownImage
from sagebrush.errors import AwsError, Doc
from sagebrush.samples import table as samples
from sagebrush.scheduler import members, quotas
from sagebrush.services.sagemaker import roles
from sagebrush.services.sagemaker.training import built_in
from sagebrush.workload import log_lines, sources, streamed_input
from sagebrush.world import Ctx

DAY = 24 * 3600
LONGEST = 28 * DAY
"""Seconds; AWS's largest MaxRuntimeInSeconds."""
LATER = {
    "ServerlessJobConfig": "serverless jobs",
    "ModelPackageConfig": "registering a model package",
    "MlflowConfig": "MLflow tracking",
}
LATER_RESOURCES = {
    "TrainingPlanArn": "training plans are",
    "InstancePreferences": "a choice between instance types is",
}
WHILE_RUNNING = {
    "CheckpointConfig": "S3Uri",
    "DebugHookConfig": "S3OutputPath",
    "TensorBoardOutputConfig": "S3OutputPath",
}
"""Members whose LocalPath is stored while the job runs -> their member with the S3 URI."""
STORED = {"OutputDataConfig": "S3OutputPath", **WHILE_RUNNING}
"""The same, with the members whose files are stored at the job's end."""
ROOT = "/opt/ml/"
SUBMITTED = "sagemaker_submit_directory"
"""The hyperparameter by which SDKs name the archive of the script."""
TAKEN = ("input", "model", "code")
"""Directories of /opt/ml that the platform uses for other files."""


def refuse(message: str) -> NoReturn:
    """Raises ValidationException."""
    raise AwsError("ValidationException", message)


def defaults(request: Doc) -> Doc:
    """The request with the members that AWS fills in where they are absent."""
    output = {"KmsKeyId": "", "CompressionType": "GZIP", **request["OutputDataConfig"]}
    stopping = {"MaxRuntimeInSeconds": DAY, **request.get("StoppingCondition", {})}
    flags = {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
    }
    return {**flags, **request, "OutputDataConfig": output, "StoppingCondition": stopping}


def validate(request: Doc) -> None:
    """Raises ValidationException for errors in the request alone, whatever exists.

    AWS reports those first, then what the request names and does not exist (`check`), quotas last.
    """
    for member, words in LATER.items():
        if member in request:
            refuse(f"{member}: {words} is not supported by Sagebrush yet")
    _algorithm(request["AlgorithmSpecification"])
    _resources(request)
    _times(request)
    _inputs(request)
    for member, where in STORED.items():
        if config := request.get(member):
            if member in WHILE_RUNNING:
                _local(config.get("LocalPath") or ROOT, member)
            place(config[where], member)


def check(ctx: Ctx, request: Doc) -> Image:
    """Returns the image of a valid request; raises ValidationException for what it names and does
    not exist or cannot run here, and ResourceLimitExceeded."""
    spec = request["AlgorithmSpecification"]
    try:
        image = ctx.world.environments.resolve(spec["TrainingImage"])
    except UnknownImage as error:
        refuse(str(error))
    program = "sagemaker_program" in request.get("HyperParameters", {})
    program = program or "SAGEMAKER_PROGRAM" in request.get("Environment", {})
    if image.trains and not (program or "ContainerEntrypoint" in spec):
        image = replace(image, algorithm=image.trains)
    roles.require(ctx, request["RoleArn"], "RoleArn", "training-job", request["TrainingJobName"])
    several(ctx, len(members.members_of("", request["ResourceConfig"])), image, "ResourceConfig")
    if image.brings_models:
        refuse(f"The image {spec['TrainingImage']} has models of its own, and trains none")
    if image.algorithm:
        built_in.check(image.algorithm, request)
    role = ctx.as_role(request["RoleArn"])
    for channel in request.get("InputDataConfig", ()):
        mode = streamed_input.mode(channel, request)
        if mode != "File" and image.container:
            refuse(f"Channel {channel['ChannelName']}: input mode {mode}: an image that runs as a"
                   " container gets its input as files in Sagebrush; use File")  # fmt: skip
        found(role, channel["DataSource"]["S3DataSource"])
    submitted = request.get("HyperParameters", {}).get(SUBMITTED, "").strip('"')
    if unavailable.source(submitted):
        found(role, {"S3Uri": submitted})  # else the job itself tells that it cannot read it
    for member, where in STORED.items():
        if config := request.get(member):
            output(role, config[where], member)
    quotas.refuse(ctx, *instances(request))
    return image


def instances(request: Doc) -> tuple[list[str], str]:
    """The types of the job's instances, and their usage in the names of AWS's quotas."""
    kind = "spot training job" if request["EnableManagedSpotTraining"] else "training job"
    return [member.type for member in members.members_of("", request["ResourceConfig"])], kind


def _algorithm(spec: Doc) -> None:
    if ("TrainingImage" in spec) == ("AlgorithmName" in spec):
        refuse("Specify exactly one of TrainingImage and AlgorithmName in AlgorithmSpecification.")
    if "AlgorithmName" in spec:
        refuse(
            f"AlgorithmName {spec['AlgorithmName']}: algorithm resources are not supported by"
            " Sagebrush yet; give the algorithm's TrainingImage"
        )
    if metrics := spec.get("MetricDefinitions"):
        _metrics(metrics)


def _metrics(definitions: list[Doc]) -> None:
    try:
        log_lines.compiled(definitions)
    except ValueError as error:
        refuse(f"MetricDefinitions: invalid regular expression for {error}")
    names = [d["Name"] for d in definitions]
    if len(set(names)) < len(names):
        refuse("MetricDefinitions: metric names must be unique")


def _resources(request: Doc) -> None:
    resources = request.get("ResourceConfig")
    if resources is None:
        refuse("1 validation error detected: Value at 'resourceConfig' failed to satisfy"
               " constraint: Member must not be null")  # fmt: skip
    for member, words in LATER_RESOURCES.items():
        if member in resources:
            refuse(f"ResourceConfig.{member}: {words} not supported by Sagebrush yet")
    groups = resources.get("InstanceGroups", ())
    if bool(groups) == ("InstanceType" in resources):
        refuse(
            "Specify either InstanceType and InstanceCount, or InstanceGroups, in ResourceConfig."
        )
    names = [group["InstanceGroupName"] for group in groups]
    if len(set(names)) < len(names):
        refuse("ResourceConfig: the InstanceGroupNames of InstanceGroups must be unique")
    wanted = members.groups(resources)
    if any(group["InstanceCount"] < 1 for group in wanted) or (
        not groups and resources.get("InstanceCount", 0) < 1
    ):
        refuse("ResourceConfig: InstanceCount must be at least 1")
    if resources.get("KeepAlivePeriodInSeconds") and request["EnableManagedSpotTraining"]:
        refuse("KeepAlivePeriodInSeconds is not supported with managed spot training")


def several(ctx: Ctx, count: int, image: Image, member: str) -> None:
    """Raises ValidationException where a job cannot have that many instances here."""
    if count > 1 and not ctx.world.backend.networks:
        refuse(
            f"{member}: {count} instances need the sandbox and its network, which are not there on"
            " this host (`sagebrush doctor` tells why); use InstanceCount 1"
        )
    if count > network.MOST:
        refuse(f"{member}: {count} instances: in Sagebrush a job has {network.MOST} at most")
    if count > 1 and image.container:
        refuse(
            f"{member}: {count} instances: an image that runs as a container runs on one instance in"
            " Sagebrush"
        )


def _times(request: Doc) -> None:
    stopping = request["StoppingCondition"]
    runtime = stopping["MaxRuntimeInSeconds"]
    if runtime > LONGEST:
        refuse(f"MaxRuntimeInSeconds {runtime} is more than 28 days ({LONGEST} seconds)")
    wait = stopping.get("MaxWaitTimeInSeconds")
    if request["EnableManagedSpotTraining"]:
        if wait is None or wait < runtime:
            refuse("Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal"
                   " to MaxRuntimeInSeconds")  # fmt: skip
    elif wait is not None:
        refuse("MaxWaitTimeInSeconds above 0 is not allowed when managed spot training is disabled")


def _inputs(request: Doc) -> None:
    seen: set[str] = set()
    for channel in request.get("InputDataConfig", ()):
        name = channel["ChannelName"]
        if name in seen:
            refuse(f"Channel names must be unique: {name} is there twice")
        if name in (".", ".."):
            refuse(f"{name} cannot be a channel's name")
        seen.add(name)
        source = channel["DataSource"]
        if "S3DataSource" not in source:
            if not source:
                refuse(f"Channel {name}: DataSource names no source of data; give S3DataSource")
            refuse(f"Channel {name}: data source {', '.join(source)} is not supported by Sagebrush"
                   " yet; use S3DataSource")  # fmt: skip
        _in_mode(channel, streamed_input.mode(channel, request))
        _group(source["S3DataSource"], request["ResourceConfig"], name)
        split(source["S3DataSource"]["S3Uri"])


def _in_mode(channel: Doc, mode: str) -> None:
    """Raises ValidationException for settings that a channel cannot have in its input mode
    (S3DataSource)."""
    name, source = channel["ChannelName"], channel["DataSource"]["S3DataSource"]
    kind, attributes = source["S3DataType"], source.get("AttributeNames")
    for member in ("CompressionType", "RecordWrapperType"):
        if mode != "Pipe" and channel.get(member, "None") != "None":
            refuse(f"Channel {name}: {member} {channel[member]} is used only in Pipe input mode; in"
                   f" {mode} mode leave it unset or set it to None")  # fmt: skip
    if kind == "Converse":
        refuse(f"Channel {name}: S3DataType Converse is not supported by Sagebrush yet")
    if kind == "AugmentedManifestFile" and mode != "Pipe":
        refuse(f"Channel {name}: S3DataType AugmentedManifestFile can only be used if the channel's"
               f" input mode is Pipe, not {mode}; a file of JSON lines is read as a file with"
               " S3DataType S3Prefix")  # fmt: skip
    if kind == "AugmentedManifestFile" and not attributes:
        refuse(
            f"Channel {name}: AttributeNames must be given with S3DataType AugmentedManifestFile"
        )
    if kind != "AugmentedManifestFile" and attributes:
        refuse(f"Channel {name}: AttributeNames can only be given with S3DataType"
               f" AugmentedManifestFile, not {kind}")  # fmt: skip


def _group(source: Doc, resources: Doc, channel: str) -> None:
    """Raises ValidationException for a channel of an instance group that does not exist."""
    there = {group["InstanceGroupName"] for group in resources.get("InstanceGroups", ())}
    for name in source.get("InstanceGroupNames", ()):
        if name not in there:
            refuse(f"Channel {channel}: InstanceGroupNames names {name}, which is not among the"
                   " InstanceGroups of ResourceConfig")  # fmt: skip


def split(uri: str) -> tuple[str, str]:
    """(bucket, prefix) of an input; raises ValidationException where it is not an S3 URI."""
    try:
        return sources.split(uri)
    except sources.StageError as error:
        refuse(str(error).removeprefix("ClientError: "))


def found(ctx: Ctx, source: Doc) -> None:
    """Raises AWS's error when no object's key begins with the URI's prefix."""
    bucket, prefix = split(source["S3Uri"])
    try:
        params: Doc = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1}
        if not ctx.call("s3", "ListObjectsV2", params).get("Contents"):
            refuse(sources.nothing(ctx, source["S3Uri"]))
    except sources.StageError as error:
        refuse(str(error).removeprefix("ClientError: "))
    except AwsError as error:
        if error.status >= 500:
            raise
        said = error.code != "NoSuchBucket" or samples.find(bucket)  # AWS's: how to put it here
        why = f" ({error.code}: {error.message})" if said else ""
        refuse(sources.nothing(ctx, source["S3Uri"]) + why)


def _local(path: str, member: str) -> None:
    """Raises ValidationException for a LocalPath whose files could not be stored."""
    taken = any(f"{path.rstrip('/')}/".startswith(f"{ROOT}{name}/") for name in TAKEN)
    if not path.startswith(ROOT) or ".." in path.split("/") or taken:
        refuse(f"{member}: LocalPath {path} must be a directory beneath /opt/ml, not"
               f" {', '.join(TAKEN)}")  # fmt: skip


def place(uri: str, member: str) -> tuple[str, str]:
    """(bucket, prefix) of an output location; raises ValidationException where it is not an S3
    URI."""
    try:
        return sources.split(uri)
    except sources.StageError:
        refuse(f"{member}: {uri} is not an S3 URI")


def output(ctx: Ctx, uri: str, member: str) -> None:
    """Raises an error at once, rather than after hours of training, when the role cannot store
    results."""
    bucket, prefix = place(uri, member)
    try:
        ctx.call("s3", "HeadBucket", {"Bucket": bucket})
    except AwsError as error:
        if error.status >= 500:
            raise
        if error.status == 403 and _may_write(ctx, bucket, prefix):
            return
        refuse(
            f"{member}: the S3 bucket of the output path {uri} cannot be used: it does not exist in"
            f" the selected region ({ctx.region}), or the role has no access to it."
        )


def _may_write(ctx: Ctx, bucket: str, prefix: str) -> bool:
    """Whether the role, which may not read the bucket, may write objects under the prefix: by its own
    policies and the bucket's."""
    key = "/".join(part for part in (prefix.strip("/"), "job/output/model.tar.gz") if part)
    try:
        dispatch.authorise(ctx, "s3", "PutObject", {"Bucket": bucket, "Key": key})
    except AwsError:
        return False
    return True


def with_metrics(spec: Doc, image: Image) -> Doc:
    """The algorithm's specification, with the metrics that a built-in algorithm always reports; AWS has
    them too where a script runs in the algorithm's image."""
    algorithm = image.algorithm or image.trains
    if not algorithm:
        return spec
    always = built_in.metrics(algorithm)
    given = spec.get("MetricDefinitions", [])
    names = {definition["Name"] for definition in given}
    return {**spec, "MetricDefinitions": [*given, *(d for d in always if d["Name"] not in names)]}
