"""How requests refer to resources, parsed in one place for access checks and operations alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sagebrush.access import principals
from sagebrush.aws.names import Arn
from sagebrush.credentials import role_of
from sagebrush.errors import AwsError
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


@dataclass(frozen=True)
class CopySource:
    """The object that a copy reads; `version` is None where the request names none."""

    bucket: str
    key: str
    version: str | None = None


def copy_source(text: str) -> CopySource:
    """What the header `x-amz-copy-source` names: `bucket/key`, percent-encoded.

    A leading slash is left out, `+` is a space, and `?versionId=` is found before anything is
    decoded (S3 API Reference, CopyObject). Raises AwsError InvalidArgument (400), and
    NotImplemented (501) for an access point.
    """
    path, versioned, version = text.partition("?versionId=")
    path = unquote(path.replace("+", " ")).removeprefix("/")  # S3 reads + as a space here
    if path.startswith("arn:"):
        words = "Copying from an access point is not implemented by Sagebrush."
        raise AwsError("NotImplemented", words, 501)
    bucket, slash, key = path.partition("/")
    if not slash or not bucket or not key:
        what = "object key" if bucket else "bucket name"
        raise AwsError(
            "InvalidArgument", f"Invalid copy source {what}",
            ArgumentName="x-amz-copy-source", ArgumentValue=text,
        )  # fmt: skip
    return CopySource(bucket, key, version if versioned else None)


def queue(url: str) -> tuple[str, str]:
    """The account and the name of the queue in a QueueUrl, of whatever host; the account is "" where the
    URL is a name alone."""
    account, _, name = url.rstrip("/").rpartition("/")
    return account.rpartition("/")[2], name


def log_group(ctx: Ctx, identifier: str) -> str:
    """The name of the log group that a name or an ARN (with or without `:*`) identifies.

    Raises AwsError ResourceNotFoundException (400) for an ARN of another account or region, whose
    log groups are not here.
    """
    if not identifier.startswith("arn:"):
        return identifier
    arn = Arn.parse(identifier)
    kind, _, name = (arn.resource if arn else "").partition(":")
    if arn is None or (arn.service, arn.region, arn.account, kind) != (
        "logs", ctx.region, ctx.account, "log-group",
    ):  # fmt: skip
        words = "The specified log group does not exist."
        raise AwsError("ResourceNotFoundException", words)
    return name.removesuffix(":*")


def log_groups(ctx: Ctx, request: Mapping[str, Any]) -> list[str]:
    """The names of the log groups that a request names, in whichever of its members."""
    found = [request[member] for member in LOG_GROUP_NAMES if request.get(member) is not None]
    given = [request[member] for member in LOG_GROUP_IDENTIFIERS if request.get(member) is not None]
    return [*found, *(log_group(ctx, identifier) for identifier in given)]


LOG_GROUP_NAMES = ("logGroupName",)
LOG_GROUP_IDENTIFIERS = ("logGroupIdentifier",)


def sagemaker_arn(ctx: Ctx, text: str) -> str:
    """The canonical ARN of the SageMaker resource that `text` names in any case and partition.

    An ARN of another account, region or service is returned unchanged: no such resource exists
    here.
    """
    arn = Arn.parse(text)
    if arn is None or (arn.service, arn.region, arn.account) != (
        "sagemaker", ctx.region, ctx.account,
    ):  # fmt: skip
        return text
    return str(Arn("sagemaker", ctx.region, ctx.account, arn.resource.lower()))


def role_arn(ctx: Ctx, text: str) -> str:
    """The canonical ARN of the role that `text` names.

    Operations find a role by the last part of its ARN: ARNs that differ in path or partition name one
    role, and policies are evaluated for its own. For a role that does not exist, or is another
    account's, the given ARN is returned.
    """
    account, name = role_of(text)
    row = role_row(ctx, name) if account == ctx.account else None
    return row.doc["Arn"] if row is not None else text


def role_row(ctx: Ctx, name: str) -> Row | None:
    """The row of the account's role, or None where there is none or it was deleted."""
    return principals.find(ctx.world, ctx.account, name)
