"""Bodies of objects and their checksums: verified, stored, described."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3.names import no_such_bucket
from sagebrush.store import checksums
from sagebrush.store.catalog import Checksum
from sagebrush.store.db import Conflict, Tx
from sagebrush.store.objects import Blob
from sagebrush.store.spool import Spooled
from sagebrush.world import Ctx

T = TypeVar("T")


MAX_PUT = 5 * 1024**3


def write(ctx: Ctx, bucket: str, change: Callable[[Tx], T], frees: bool = False) -> T:
    """`change`'s result, committed. Raises NoSuchBucket when the bucket was deleted concurrently.

    `change` may run again where others filled the disk; one that `frees` some has a reserve of it.
    """
    try:
        return ctx.world.db.write(change, urgent=frees)
    except Conflict as error:
        raise no_such_bucket(bucket) from error


def store(
    ctx: Ctx, bucket: str, body: Spooled, change: Callable[[Tx], list[str]], result: Doc
) -> Future[Doc]:
    """Returns `result`, a future that is set once `change` is committed and freed files are
    removed.

    `change` puts the `body` into rows and returns the blobs that this frees. When it fails, the
    body is removed and the future raises what `write` raises.
    """
    objects, answer = ctx.world.objects, Future[Doc]()
    answer.set_running_or_notify_cancel()  # a client that disconnects does not undo what was started

    def freed(blobs: list[str]) -> None:
        objects.discard(blobs)
        answer.set_result(result)

    def done(written: Future[list[str]]) -> None:
        error = written.exception()
        if error is not None:
            objects.drop(body)
            gone = isinstance(error, Conflict)
            answer.set_exception(no_such_bucket(bucket) if gone else error)
        elif blobs := written.result():
            # Not here, in the thread of the only writer: removing a large file takes a while.
            objects.pool.submit(freed, blobs)
        else:
            answer.set_result(result)

    ctx.world.db.submit(change).add_done_callback(done)
    return answer


def quoted(etag: str) -> str:
    """The ETag as headers and documents carry it."""
    return f'"{etag}"'


def given_checksum(request: Doc) -> tuple[str, str] | None:
    """The one (algorithm, base64 value) that the request declares, or None.

    Raises InvalidRequest (400) for several, for a malformed one, and for an announced one that is
    missing.
    """
    found = [
        (a, request[f"Checksum{a}"]) for a in checksums.ALGORITHMS if f"Checksum{a}" in request
    ]
    if len(found) > 1:
        raise AwsError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    if not found:
        if "ChecksumAlgorithm" in request:
            raise AwsError(
                "InvalidRequest",
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or"
                " x-amz-trailer headers were found.",
            )
        return None
    algorithm, value = found[0]
    if not checksums.valid(algorithm, value):
        raise AwsError(
            "InvalidRequest", f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."
        )
    if request.get("ChecksumAlgorithm", algorithm).upper() != algorithm:
        raise AwsError(
            "InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid."
        )
    return algorithm, value


def verify_body(request: Doc, body: Spooled) -> tuple[str, str] | None:
    """The checksum that the request declares, verified for `body`; None when it declares none.

    Raises BadDigest, InvalidDigest, InvalidRequest (400).
    """
    declared = request.get("ContentMD5")
    if declared is not None:
        try:
            raw = base64.b64decode(declared, validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) != 16:
            raise AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.")
        if raw.hex() != body.md5:
            raise AwsError(
                "BadDigest", "The Content-MD5 you specified did not match what we received."
            )
    given = given_checksum(request)
    if given is not None and checksum_of(body, given[0]) != given[1]:
        raise AwsError(
            "BadDigest", f"The {given[0]} you specified did not match the calculated checksum."
        )
    return given


def checksum_of(body: Spooled, algorithm: str) -> str:
    """The body's checksum: what was computed on arrival, else computed now."""
    found = body.checksums.get(algorithm)
    if found is None:
        found = checksums.of(algorithm, Blob(body.size, body.path, data=body.data).chunks())
    return found


def checksum_members(found: Checksum | None) -> Doc:
    """The members of results that describe a checksum."""
    if found is None:
        return {}
    return {f"Checksum{found.algorithm}": found.value, "ChecksumType": found.type}


def body_of(ctx: Ctx, request: Doc) -> Spooled:
    """The request's body. Raises EntityTooLarge (400) beyond 5 GB."""
    body = request.get("Body")
    if not isinstance(body, Spooled):
        body = ctx.world.objects.spool_bytes(bytes(body or b""))
    if body.size > MAX_PUT:
        raise AwsError(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400,
            ProposedSize=body.size, MaxSizeAllowed=MAX_PUT,
        )  # fmt: skip
    return body
