"""Input channels: which objects a channel names, and their way into `input/data/<channel>`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush.engine import beneath
from sagebrush.store.objects import Blob
from sagebrush.world import AwsError, Ctx, Doc

RESERVE = 64 << 20
"""Bytes of disk that a download leaves free."""
MANIFEST_LIMIT = 64 << 20
"""Bytes of a manifest; it is held in memory."""
_URI = re.compile(r"(?:s3|https)://([^/]+)/?(.*)", re.DOTALL)


class StageError(Exception):
    """The job's input cannot be prepared, for a reason of the user's; the text is a FailureReason."""


@dataclass(frozen=True)
class Source:
    """One object and the path it gets beneath its channel's directory."""

    bucket: str
    key: str
    size: int
    path: str


def split(uri: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of an S3 URI. Raises StageError for anything else."""
    m = _URI.fullmatch(uri)
    if not m:
        raise StageError(f"ClientError: {uri} is not an S3 URI")
    return m[1], m[2]


def sources(ctx: Ctx, channel: Doc) -> list[Source]:
    """The objects that the channel names, by its prefix, manifest or augmented manifest.

    An augmented manifest is delivered as the file it is. Raises StageError, in AWS's words where
    nothing is found (CreateTrainingJob, S3DataSource).
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
    """AWS's sentence for an input URI beneath which there is no object."""
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that'
        f" the bucket exists in the selected region ({ctx.region}), that objects exist under that"
        f' S3 prefix, and that the role "{ctx.caller.arn}" has "s3:ListBucket" permissions on'
        f' bucket "{split(uri)[0]}".'
    )


def keys(ctx: Ctx, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    """All (key, size) beneath a prefix, in order."""
    params: Doc = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = ctx.call("s3", "ListObjectsV2", params)
        for item in page.get("Contents", ()):
            yield item["Key"], item["Size"]
        if not page.get("IsTruncated"):
            return
        params = {**params, "ContinuationToken": page["NextContinuationToken"]}


def _prefix(ctx: Ctx, bucket: str, prefix: str) -> Iterator[Source]:
    """Keys that begin with the prefix; what follows its last whole directory is the path."""
    parent = prefix.rpartition("/")[0] + "/" if "/" in prefix else ""
    for key, size in keys(ctx, bucket, prefix):
        path = key[len(prefix) + 1 :] if key.startswith(prefix + "/") else key[len(parent) :]
        if path and not (key.endswith("/") and size == 0):
            yield Source(bucket, key, size, path)


def _manifest(ctx: Ctx, bucket: str, key: str) -> Iterator[Source]:
    """The objects of a manifest: `[{"prefix": "s3://…"}, "relative/path", …]`."""
    where = f"s3://{bucket}/{key}"
    body = ctx.call("s3", "GetObject", {"Bucket": bucket, "Key": key})["Body"]
    if body.length > MANIFEST_LIMIT:
        raise StageError(f"ClientError: Data download failed:the manifest {where} is too large")
    try:
        entries = json.loads(body.read())
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
    return Source(bucket, key, head["ContentLength"], path)


def check_space(found: Sequence[Source], directory: int) -> None:
    """Raises StageError when the disk of `directory` has no room for all of `found`."""
    disk, wanted = os.fstatvfs(directory), sum(source.size for source in found)
    free = disk.f_bavail * disk.f_frsize
    if wanted + RESERVE > free:
        raise StageError(
            "ClientError: Data download failed:No space left on device: the input is"
            f" {wanted / 2**20:.1f} MiB, and {max(free - RESERVE, 0) / 2**20:.1f} MiB are free"
        )


def parts_of(source: Source) -> tuple[str, ...]:
    """The path of a source in parts; raises StageError where it would not stay in its channel."""
    parts = tuple(part for part in source.path.split("/") if part)
    if not parts or any(part in (".", "..") or "\0" in part for part in parts):
        raise StageError(
            f"ClientError: Data download failed:the key {source.key!r} cannot be a file's path"
        )
    return parts


def download(
    ctx: Ctx,
    found: Sequence[Source],
    target: int,
    check: Callable[[], None],
    rewrite: Callable[[bytes], bytes] | None = None,
) -> None:
    """Every object of `found` is a file beneath the directory `target`.

    `check` is called often, and may raise to end it. `rewrite` changes each body on its way.
    Raises StageError where an object is gone or has no place.
    """
    for source in found:
        check()
        parts = parts_of(source)
        try:
            if source.key.endswith("/"):
                raise IsADirectoryError
            params = {"Bucket": source.bucket, "Key": source.key}
            body: Blob = ctx.call("s3", "GetObject", params)["Body"]
            with beneath.created(target, parts) as out:
                _fill(body, out, check, rewrite)
        except AwsError as error:
            raise StageError(
                f"ClientError: Data download failed:{error.code}: {error.message}"
                f" (s3://{source.bucket}/{source.key})"
            ) from error
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise StageError(
                f"ClientError: Data download failed:s3://{source.bucket}/{source.key} would be both"
                " a file and a directory, or the same file as another key"
            ) from error
        except OSError as error:
            raise StageError(
                f"ClientError: Data download failed:{error.strerror or error}"
                f" (s3://{source.bucket}/{source.key})"
            ) from error


def _fill(
    body: Blob,
    out: int,
    check: Callable[[], None],
    rewrite: Callable[[bytes], bytes] | None,
) -> None:
    """Writes `body` to the new file `out`."""
    if rewrite is not None:
        _write(out, rewrite(body.read()))
        return
    pieces: tuple[Any, ...] = body.parts or (body,)
    for piece in pieces:
        if piece.parts or piece.path is None:
            for chunk in piece.chunks():
                check()
                _write(out, chunk)
            continue
        with open(piece.path, "rb", buffering=0) as file:
            for _ in beneath.copy(file.fileno(), piece.offset, piece.length, out):
                check()


def _write(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]
