"""Models: an image, the location of the model's data, and the role that it runs as."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sagebrush.access import principals
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.environments import unavailable
from sagebrush.environments.images import UnknownTag
from sagebrush.environments.store import Image, UnknownImage
from sagebrush.errors import AwsError, Doc
from sagebrush.samples import table
from sagebrush.services.sagemaker import roles
from sagebrush.services.sagemaker.serving import container
from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.world import Ctx

KIND = Kind(name="model", noun="Model", has_status=False, running=None)
UNSUPPORTED = {
    "ModelPackageName": "model packages",
    "InferenceSpecificationName": "model packages",
    "AdditionalModelDataSources": "additional model data sources",
}
"""Members of a container that are refused because they would be ignored -> what they ask for."""
_S3_ADDRESS = re.compile(
    r"(?:(.+)\.)?s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z0-9]+)+)?\.amazonaws\.com(?:\.cn)?"
)
"""Hosts of AWS's S3, of any region; the bucket before them, if it is there ("Methods for accessing a
bucket" in the S3 guide)."""


def create_model(ctx: Ctx, request: Doc) -> Doc:
    """The model exists; its images and its data were checked. Raises ValidationException."""
    definitions = definitions_of(request)
    mode(request)
    locations = [data_location(each) for each in definitions]
    kinds.check_new(ctx, KIND, request)
    images = [resolve(ctx, each) for each in definitions]
    role = request.get("ExecutionRoleArn")
    if role:
        roles.require(ctx, role, "ExecutionRoleArn", KIND.name, request["ModelName"])
    for image, location in zip(images, locations, strict=True):
        if location is None and image.algorithm and not image.brings_models:
            raise AwsError(
                "ValidationException",
                f"Model data is required for the built-in algorithm {image.algorithm}: set"
                " ModelDataUrl to the S3ModelArtifacts of its training job.",
            )
        if location is not None:
            _require_data(ctx, location, role)
    row = kinds.create(ctx, KIND, request, doc={"EnableNetworkIsolation": isolated(request)})
    return {"ModelArn": row.doc["ModelArn"]}


def describe_model(ctx: Ctx, request: Doc) -> Doc:
    """The model as it was created."""
    return kinds.describe(KIND, kinds.find(ctx, KIND, request["ModelName"]))


def list_models(ctx: Ctx, request: Doc) -> Doc:
    """A page of the models."""
    return kinds.list_page(ctx, KIND, request)


def delete_model(ctx: Ctx, request: Doc) -> None:
    """The model is deleted; endpoints that serve it are not affected, and its data stays in S3."""
    kinds.delete(ctx, KIND, request["ModelName"])


def definitions_of(model: Doc) -> list[Doc]:
    """The containers of a model (document or request), as AWS defines them, in their order.

    Raises ValidationException for none, more than 15, names twice or in a part of them, and for
    what Sagebrush does not support.
    """
    primary, several = model.get("PrimaryContainer"), model.get("Containers")
    if primary is not None and several:
        raise AwsError(
            "ValidationException",
            "PrimaryContainer and Containers cannot be given together.",
        )
    found: list[Doc] = [primary] if primary is not None else list(several or ())
    if not found:
        raise AwsError("ValidationException", "PrimaryContainer or Containers is required.")
    for each in found:
        _check_multi(each, found)
        for member, words in UNSUPPORTED.items():
            if each.get(member):
                raise _unsupported(f"{words} ({member})")
    _check_hostnames(model, found)
    return found


def _check_multi(each: Doc, all_: list[Doc]) -> None:
    """Raises ValidationException for what a container of many models cannot have."""
    if each.get("Mode") != "MultiModel":
        if each.get("MultiModelConfig"):
            raise AwsError("ValidationException", "MultiModelConfig needs Mode MultiModel.")
        return
    if len(all_) > 1:
        raise _unsupported("Mode MultiModel beside other containers of a model")
    if each.get("ModelDataSource") or not each.get("ModelDataUrl"):
        raise AwsError(
            "ValidationException",
            "Mode MultiModel needs ModelDataUrl, the S3 prefix under which the models are.",
        )


def hosts_many(model: Doc) -> bool:
    """Whether the model (document) is one of Mode MultiModel."""
    return any(each.get("Mode") == "MultiModel" for each in definitions_of(model))


def _check_hostnames(model: Doc, definitions: list[Doc]) -> None:
    """Raises ValidationException for hostnames that do not tell the containers apart."""
    names = [each["ContainerHostname"] for each in definitions if each.get("ContainerHostname")]
    if len(definitions) == 1:
        return
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AwsError(
            "ValidationException",
            f"ContainerHostname must be unique in a model: {', '.join(twice)} is there twice.",
        )
    if mode(model) == "Direct" and len(names) < len(definitions):
        raise AwsError(
            "ValidationException",
            "ContainerHostname is required for each container of a multi-container endpoint with"
            " direct invocation.",
        )
    if names and len(names) < len(definitions):
        raise AwsError(
            "ValidationException",
            "ContainerHostname must be given for every container in an inference pipeline, or for"
            " none.",
        )


def mode(model: Doc) -> str:
    """How the model's containers are invoked: `Serial` or `Direct`. Raises ValidationException for
    `Direct` with one container."""
    found = model.get("InferenceExecutionConfig", {}).get("Mode", "Serial")
    if found == "Direct" and len(model.get("Containers") or ()) < 2:
        raise AwsError(
            "ValidationException",
            "InferenceExecutionConfig with Mode Direct needs Containers with more than one member.",
        )
    return found


def containers(ctx: Ctx, model: Doc) -> list[Container]:
    """The containers of a model, resolved now. Raises ValidationException."""
    return [
        container.resolved(
            each, container.name_of(each, place), resolve(ctx, each), data_location(each)
        )
        for place, each in enumerate(definitions_of(model))
    ]


def _unsupported(what: str) -> AwsError:
    return AwsError("ValidationException", f"Sagebrush does not support {what} yet.")


def isolated(model: Doc) -> bool:
    """Whether the model's containers have no network."""
    return bool(model.get("EnableNetworkIsolation", False))


def resolve(ctx: Ctx, definition: Doc) -> Image:
    """The container's image, resolved; raises ValidationException naming the nearest known
    image."""
    if not definition.get("Image"):
        raise AwsError("ValidationException", "Image is required in the container definition.")
    try:
        image = ctx.world.environments.resolve(definition["Image"])
    except UnknownTag as error:
        text = f"Requested image {definition['Image']} not found. {error.known}"
        raise AwsError("ValidationException", text) from error
    except UnknownImage as error:
        raise AwsError("ValidationException", str(error)) from error
    return image


def data_location(definition: Doc) -> tuple[str, str, str] | None:
    """(bucket, key, how) of the model's data: `archive`, `object` or `prefix`; None without any.

    Raises ValidationException for a location that is not in S3.
    """
    url, source = definition.get("ModelDataUrl"), definition.get("ModelDataSource")
    if url and source:
        raise AwsError(
            "ValidationException", "ModelDataUrl and ModelDataSource cannot be given together."
        )
    if url:
        how = "models" if definition.get("Mode") == "MultiModel" else "archive"
        return (*_split(url), how)
    if not source:
        return None
    s3 = source.get("S3DataSource")
    if not s3:
        raise AwsError("ValidationException", "S3DataSource is required in ModelDataSource.")
    for member in ("HubAccessConfig", "ManifestS3Uri"):
        if s3.get(member):
            raise _unsupported(f"{member} of a model data source")
    if s3["CompressionType"] == "Gzip":
        if s3["S3DataType"] != "S3Object":
            raise AwsError(
                "ValidationException",
                "CompressionType Gzip needs S3DataType S3Object: a single tar.gz archive.",
            )
        return (*_split(s3["S3Uri"]), "archive")
    if s3["S3DataType"] == "S3Object":
        return (*_split(s3["S3Uri"]), "object")
    if not s3["S3Uri"].endswith("/"):
        raise AwsError(
            "ValidationException",
            f"The S3Uri of S3DataType S3Prefix must end with a slash: {s3['S3Uri']}",
        )
    return (*_split(s3["S3Uri"]), "prefix")


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url, allow_fragments=False)
    if parts.scheme == "https" and (address := _S3_ADDRESS.fullmatch(parts.netloc)):
        # notebooks still name model data by its address: the bucket is in the host, or leads the path
        place = f"{address[1]}{parts.path}" if address[1] else parts.path[1:]
        parts = urlsplit(f"s3://{place}", allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
        raise AwsError("ValidationException", f"Model data must be at s3://bucket/key, not {url}.")
    return parts.netloc, parts.path[1:] + (f"?{parts.query}" if parts.query else "")


def _require_data(ctx: Ctx, location: tuple[str, str, str], role: str | None) -> None:
    """The data exists and the role may read it; else raises ValidationException in AWS's words."""
    bucket, key, how = location
    reader = ctx.as_role(role) if role else ctx
    url = f"s3://{bucket}/{key}"
    itself = ctx.caller.role is None and ctx.caller.user is None
    if not role and not itself and not principals.administers(ctx.world, ctx.caller):
        # without a role the execution role reads the data: allowed to administrators' keys alone
        raise AwsError(
            "ValidationException",
            f"Could not access model data at {url}. Please ensure that ExecutionRoleArn is given"
            " and that its permissions allow s3:GetObject on it.",
        )
    if how == "models":  # as on AWS, models may come later
        return
    why = ""
    try:
        if how == "prefix":
            page = reader.call(
                "s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": key, "MaxKeys": 1}
            )
            missing = not page.get("Contents")
        else:
            reader.call("s3", "HeadObject", {"Bucket": bucket, "Key": key})
            missing = False
    except AwsError as error:
        if error.status == 403 or error.code in ("AccessDenied", "AccessDeniedException"):
            raise AwsError(
                "ValidationException",
                f"Could not access model data at {url}. Please ensure that the role"
                f' "{role}" exists and that its permissions allow s3:GetObject on it:'
                f" {error.message}",
            ) from error
        if error.code == "PermanentRedirect":
            raise AwsError(
                "ValidationException",
                f"Could not access model data at {url}. Please ensure that the object is located"
                f" in {ctx.region}.",
            ) from error
        missing, why = True, error.message
    if missing:
        hint = f" ({why})" if why and table.find(bucket) else ""  # a public bucket of AWS's
        raise AwsError(
            "ValidationException",
            f"Could not find model data at {url}.{unavailable.source(url)}{hint}",
        )
