"""Input channels' way down: objects become files in `input/data/<channel>`. What a channel names: sources."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from sagebrush.errors import AwsError
from sagebrush.store.objects import Blob
from sagebrush.workload import dirfd
from sagebrush.workload.sources import Source, StageError
from sagebrush.world import Ctx

RESERVE = 64 << 20
"""Bytes of disk that a download leaves free."""


def check_space(found: Sequence[Source], directory: int) -> None:
    """Raises StageError when the disk of `directory` has no room for all of `found`."""
    disk, wanted = os.fstatvfs(directory), sum(source.size for source in found)
    free = disk.f_bavail * disk.f_frsize
    if wanted + RESERVE > free:
        raise StageError(
            "ClientError: Data download failed:No space left on device: the input is"
            f" {wanted / 2**20:.1f} MiB, and {max(free - RESERVE, 0) / 2**20:.1f} MiB are free beside"
            f" the {RESERVE >> 20} MiB that are kept"
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
    """Every object of `found` is a file under the directory `target`.

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
            with dirfd.created(target, parts) as out:
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
        if piece.parts or piece.path is None or piece.arriving is not None:
            for chunk in piece.chunks():
                check()
                _write(out, chunk)
            continue
        with open(piece.path, "rb", buffering=0) as file:
            for _ in dirfd.copy(file.fileno(), piece.offset, piece.length, out):
                check()


def _write(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]
