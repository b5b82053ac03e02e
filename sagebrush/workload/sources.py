"""What an input channel names: the objects of its prefix or manifest, their order, an instance's share.

Sources: CreateTrainingJob (Channel, S3DataSource, ShuffleConfig).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sagebrush.aws.scalars import json_of
from sagebrush.companion import order, pipes
from sagebrush.environments import unavailable
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler.members import Member
from sagebrush.store.objects import Blob
from sagebrush.world import Ctx

MANIFEST_LIMIT = 64 << 20
"""Bytes of a manifest; it is held in memory."""
_URI = re.compile(r"(?:s3|https)://([^/]+)/?(.*)", re.DOTALL)
_HOST = re.compile(
    r"https://(?:([^/]+)\.)?s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z0-9]+)+)?\.amazonaws\.com"
    r"(?:\.cn)?/(.*)",
    re.DOTALL,
)
"""An address of S3's, of any region; the bucket before its host, if it is there, as AWS's notebooks
write inputs and outputs ("Methods for accessing a bucket" in the S3 guide)."""


class StageError(Exception):
    """The job's input cannot be prepared, for a reason of the user's; the text is a FailureReason."""


@dataclass(frozen=True)
class Source:
    """One object and the path it gets under its channel's directory."""

    bucket: str
    key: str
    size: int
    path: str
    etag: str = ""


@dataclass(frozen=True)
class Shard:
    """Which part of a channel's objects an instance gets: its own number, of how many instances."""

    own: int = 0
    of: int = 1


ALL = Shard()
"""An instance that gets all."""


def shard(s3: Doc, job: Sequence[Member], member: Member) -> Shard | None:
    """The part of what `s3` (an S3DataSource or a ProcessingS3Input) names that `member` of `job`
    gets; None where it is for other instance groups."""
    groups = s3.get("InstanceGroupNames")
    named = [each.name for each in job if not groups or each.group in groups]
    if member.name not in named:
        return None
    if s3.get("S3DataDistributionType") != "ShardedByS3Key":
        return ALL
    return Shard(named.index(member.name), len(named))


def ordered(found: Sequence[Source], part: Shard, seed: int | None = None) -> list[Source]:
    """What an instance gets of `found`, in the order in which it gets it (in the first epoch)."""
    return [found[n] for n in order.arranged(len(found), seed, 0, [part.own, part.of])]


def seed(channel: Doc) -> int | None:
    """The seed of a channel's ShuffleConfig; None where it is not shuffled."""
    return channel.get("ShuffleConfig", {}).get("Seed")


def split(uri: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of an S3 URI, or of S3's own address of it. Raises StageError for
    anything else."""
    if host := _HOST.fullmatch(uri):
        uri = f"s3://{host[1]}/{host[2]}" if host[1] else f"s3://{host[2]}"
    m = _URI.fullmatch(uri)
    if not m:
        raise StageError(f"ClientError: {uri} is not an S3 URI")
    return m[1], m[2]


def sources(ctx: Ctx, channel: Doc) -> list[Source]:
    """The objects that the channel names, by its prefix or manifest; of an augmented manifest itself.

    Raises StageError, in AWS's words where nothing is found (CreateTrainingJob, S3DataSource).
    """
    s3 = channel["DataSource"]["S3DataSource"]
    bucket, prefix = split(s3["S3Uri"])
    try:
        if s3["S3DataType"] == "ManifestFile":
            found = list(_manifest(ctx, bucket, prefix))
        elif s3["S3DataType"] == "AugmentedManifestFile":
            found = [_one(ctx, bucket, prefix, prefix.rsplit("/", 1)[-1])]
        else:
            found = list(_prefix(ctx, bucket, prefix))
    except AwsError as error:
        raise StageError(
            f"ClientError: Data download failed:{error.code}: {error.message}"
            f" (channel {channel['ChannelName']}, {s3['S3Uri']})"
        ) from error
    if not found:
        raise StageError(f"ClientError: Data download failed:{nothing(ctx, s3['S3Uri'])}")
    return found


def nothing(ctx: Ctx, uri: str) -> str:
    """AWS's sentence for an input URI under which there is no object."""
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that'
        f" the bucket exists in the selected region ({ctx.region}), that objects exist under that"
        f' S3 prefix, and that the role "{ctx.caller.arn}" has "s3:ListBucket" permissions on'
        f' bucket "{split(uri)[0]}".{unavailable.source(uri)}'
    )


def wherever(ctx: Ctx, bucket: str, key: str) -> Blob:
    """The object's bytes, in whichever region its bucket is. So AWS's containers get code: by boto3,
    which follows S3 there; input and models must be in the job's own region. Raises AwsError."""
    params = {"Bucket": bucket, "Key": key}
    try:
        return ctx.call("s3", "GetObject", params)["Body"]
    except AwsError as error:
        if error.code != "PermanentRedirect":
            raise
        return replace(ctx, region=error.fields["Region"]).call("s3", "GetObject", params)["Body"]


def keys(ctx: Ctx, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    """All (key, size) under a prefix, in order."""
    for item in _listed(ctx, bucket, prefix):
        yield item["Key"], item["Size"]


def _listed(ctx: Ctx, bucket: str, prefix: str) -> Iterator[Doc]:
    params: Doc = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = ctx.call("s3", "ListObjectsV2", params)
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        params = {**params, "ContinuationToken": page["NextContinuationToken"]}


def _prefix(ctx: Ctx, bucket: str, prefix: str) -> Iterator[Source]:
    """Keys that begin with the prefix; what follows its last whole directory is the path."""
    parent = prefix.rpartition("/")[0] + "/" if "/" in prefix else ""
    for item in _listed(ctx, bucket, prefix):
        key, size = item["Key"], item["Size"]
        path = key[len(prefix) + 1 :] if key.startswith(prefix + "/") else key[len(parent) :]
        if path and not (key.endswith("/") and size == 0):
            yield Source(bucket, key, size, path, item.get("ETag", ""))


def _manifest(ctx: Ctx, bucket: str, key: str) -> Iterator[Source]:
    """The objects of a manifest: `[{"prefix": "s3://…"}, "relative/path", …]`."""
    where = f"s3://{bucket}/{key}"
    body = ctx.call("s3", "GetObject", {"Bucket": bucket, "Key": key})["Body"]
    if body.length > MANIFEST_LIMIT:
        raise StageError(f"ClientError: Data download failed:the manifest {where} is too large")
    try:
        entries = json_of(body.read())
        base, names = entries[0]["prefix"], entries[1:]
        if not all(isinstance(name, str) for name in [base, *names]):
            raise TypeError("its entries must be strings")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StageError(
            f"ClientError: Data download failed:{where} is no manifest, a JSON list of"
            f' {{"prefix": "s3://…"}} and relative paths: {error}'
        ) from error
    home, start = split(base)
    for name in names:
        yield _one(ctx, home, start + name, name)


def _one(ctx: Ctx, bucket: str, key: str, path: str) -> Source:
    try:
        head = ctx.call("s3", "HeadObject", {"Bucket": bucket, "Key": key})
    except AwsError as error:
        if error.status != 404:
            raise
        raise StageError(
            f"ClientError: Data download failed:NoSuchKey: s3://{bucket}/{key} does not exist"
        ) from error
    return Source(bucket, key, head["ContentLength"], path, head.get("ETag", ""))


def lines(ctx: Ctx, channel: Doc) -> list[list[Any]]:
    """The values of AttributeNames in each line of the channel's augmented manifest, in its order.

    Raises StageError, for a line without them too.
    """
    s3 = channel["DataSource"]["S3DataSource"]
    where, names = s3["S3Uri"], s3["AttributeNames"]
    bucket, key = split(where)
    try:
        body = ctx.call("s3", "GetObject", {"Bucket": bucket, "Key": key})["Body"]
    except AwsError as error:
        raise StageError(
            f"ClientError: Data download failed:{error.code}: {error.message} ({where})"
        ) from error
    if body.length > MANIFEST_LIMIT:
        raise StageError(f"ClientError: Data download failed:the manifest {where} is too large")
    found = []
    for number, line in enumerate(body.read().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            values = _values(json_of(line), names)
        except (ValueError, KeyError, TypeError) as error:
            why = f"it has no attribute {error}" if isinstance(error, KeyError) else str(error)
            raise StageError(
                f"ClientError: Data download failed:line {number} of the augmented manifest {where}"
                f" cannot be used: {why}"
            ) from error
        found.append(values)
    if not found:
        raise StageError(f"ClientError: Data download failed:the manifest {where} has no line")
    return found


def _values(line: Any, names: Sequence[str]) -> list[Any]:
    """What `names` are in a line; raises ValueError, KeyError and TypeError."""
    if not isinstance(line, dict):
        raise TypeError("it is no JSON object")
    values = [line[name] for name in names]
    for name, value in zip(names, values, strict=True):
        if name.endswith(pipes.REFERENCE) and not is_object(value):
            raise ValueError(f"{name} is not the S3 URI of an object: {json.dumps(value)}")
    return values


def is_object(uri: Any) -> bool:
    """Whether it is an S3 URI with a key."""
    try:
        pipes.split(uri)
    except pipes.Broken:
        return False
    return True
