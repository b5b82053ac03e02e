"""Request bodies: small ones into memory under a cap, S3's into the spool, each compared with
what the request declared of it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aiohttp import StreamReader, web

from sagebrush.errors import AwsError
from sagebrush.protocol import chunked, connections, patience, sigv4
from sagebrush.protocol.message import Request
from sagebrush.protocol.patience import Patience
from sagebrush.protocol.sigv4 import Verified
from sagebrush.store import checksums
from sagebrush.store.objects import ObjectStore
from sagebrush.store.spool import INLINE, Spooled, SpoolWriter

LARGEST_PUT = 5 * 1024**3
"""Bytes of one PutObject or UploadPart (S3 user guide, "Uploading objects")."""
LARGEST_DOCUMENT = 2 * 1024**2
"""Bytes of an S3 request's XML document, and of its policies and lists of keys."""
PREFIX = "x-amz-checksum-"
CHECKSUMS = frozenset(PREFIX + name.lower() for name in checksums.ALGORITHMS)


GONE = (web.RequestPayloadError, ConnectionError, asyncio.IncompleteReadError)


class Disconnected(Exception):
    """The client went away before its request was complete."""


async def go_ahead(raw: web.BaseRequest) -> None:
    """Asks a client that withholds its body (`Expect: 100-continue`) to send it."""
    if raw.headers.get("Expect", "").lower() == "100-continue" and raw.transport is not None:
        raw.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def small(raw: web.BaseRequest, limit: int) -> bytes:
    """The whole body; raises AwsError RequestEntityTooLargeException (413) over `limit` bytes."""
    if not raw.body_exists:
        return b""
    if raw.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        raise _no_transfer_coding()
    if (raw.content_length or 0) > limit:
        raise _too_large(limit)
    await go_ahead(raw)
    waiting = Patience(connections.of(raw), patience.BODY)
    pieces, size = [], 0
    while piece := await next_piece(raw.content, waiting):
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


def _no_transfer_coding() -> AwsError:
    """S3's refusal of a body without a length; RFC 9112, 6.1, of codings that are not understood."""
    words = "A header you provided implies functionality that is not implemented"
    return AwsError("NotImplemented", words, 501, Header="Transfer-Encoding")


def _too_large(limit: int) -> AwsError:
    return AwsError(
        "RequestEntityTooLargeException", f"The request body is larger than {limit} bytes.", 413
    )


async def next_piece(content: StreamReader, waiting: Patience) -> bytes:
    """What has come of a body, b"" at its end; raises Disconnected, and AwsError RequestTimeout where
    `waiting` is used up.

    The error is S3's ("Error responses" in its API reference); other services have none for this.
    """
    try:
        if (piece := content.read_nowait()) or content.is_eof():
            return piece
        async with waiting:
            piece = await content.readany()
        waiting.moved(len(piece))
        return piece
    except TimeoutError as error:
        raise AwsError(
            "RequestTimeout",
            "Your socket connection to the server was not read from or written to within the timeout"
            " period. Idle connections will be closed.",
        ) from error
    except (*GONE, RuntimeError) as error:  # aiohttp's for a reader without a connection
        raise Disconnected from error


@dataclass(frozen=True)
class Declared:
    """What an S3 request says of its body before it sends it."""

    mode: str
    """The `x-amz-content-sha256` text."""
    length: int
    """Bytes of data, without chunk framing."""
    algorithms: frozenset[str]
    trailer: frozenset[str]
    """Lower-case names of the announced trailing headers."""

    @property
    def chunked(self) -> bool:
        return self.mode.startswith("STREAMING-")


def framing(request: Request, upload: bool) -> None:
    """The headers of an S3 request agree on how its body is framed.

    `x-amz-content-sha256` decides whether the body is aws-chunked, as it does at S3: with a
    `STREAMING-` value it is, for any Content-Encoding. Raises NotImplemented (501) for a
    transfer coding around anything but aws-chunked, InvalidRequest and InvalidArgument (400) for
    headers of a framed body with a value that declares it not framed: its chunk sizes would be
    stored as data. (S3 keeps `aws-chunked` as an ordinary Content-Encoding with a plain hash.)
    """
    headers = request.headers
    mode = headers.get("x-amz-content-sha256") or sigv4.UNSIGNED
    streaming = mode.startswith("STREAMING-")
    coding = headers.get("transfer-encoding", "").lower()
    if coding and not (coding == "chunked" and streaming):
        raise _no_transfer_coding()
    if streaming and not upload:
        raise AwsError("InvalidRequest", "The value of x-amz-content-sha256 header is invalid.")
    if streaming:
        return
    encoding = headers.get("content-encoding", "")
    if mode == sigv4.UNSIGNED and "aws-chunked" in _tokens(encoding):
        raise AwsError(
            "InvalidArgument",
            "aws-chunked encoding is not supported when x-amz-content-sha256 UNSIGNED-PAYLOAD is"
            " supplied",
            ArgumentName="Content-Encoding", ArgumentValue=encoding[:200],
        )  # fmt: skip
    if headers.get("x-amz-trailer"):
        words = "The value specified in the x-amz-trailer header is not supported"
        raise AwsError("InvalidRequest", words)
    length = headers.get("x-amz-decoded-content-length")
    if length and length != headers.get("content-length", "0"):
        raise AwsError(
            "InvalidArgument",
            "aws-chunked encoding is not supported with the specified x-amz-content-sha256 value.",
            ArgumentName="x-amz-content-sha256", ArgumentValue=mode[:200],
        )  # fmt: skip


def _tokens(text: str) -> list[str]:
    """The entries of a comma-separated header, in lower case."""
    return [part.strip().lower() for part in text.split(",") if part.strip()]


def declared(request: Request, raw: web.BaseRequest, upload: bool) -> Declared:
    """What the request says of its body; raises AwsError when it cannot be taken as announced.

    `upload`: an object's or a part's bytes; anything else is a document, and small.
    """
    headers = request.headers
    mode = headers.get("x-amz-content-sha256") or sigv4.UNSIGNED
    streaming = mode.startswith("STREAMING-")
    if streaming and mode not in chunked.MODES:
        raise AwsError("NotImplemented", f"The payload signing mode {mode[:80]} is not supported.")
    text = headers.get("x-amz-decoded-content-length" if streaming else "content-length", "")
    told = text.isascii() and text.isdigit()
    if upload and not (raw.body_exists or "content-length" in headers):
        told = False
    if not told and (upload or raw.body_exists):
        raise AwsError(
            "MissingContentLength", "You must provide the Content-Length HTTP header.", 411
        )
    digits = text.lstrip("0")[:19] or "0"  # with so many it is too much, whatever follows
    length, limit = int(digits) if told else 0, LARGEST_PUT if upload else LARGEST_DOCUMENT
    if length > limit:
        raise AwsError(
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
            ProposedSize=str(length),
            MaxSizeAllowed=str(limit),
        )
    trailer = frozenset(_tokens(headers.get("x-amz-trailer", "")))
    if trailer - CHECKSUMS:
        words = "The value specified in the x-amz-trailer header is not supported"
        raise AwsError("InvalidRequest", words)
    _one_checksum(headers, trailer)
    return Declared(mode, length, _algorithms(headers, trailer), trailer)


def _one_checksum(headers: Mapping[str, str], trailer: frozenset[str]) -> None:
    """Raises InvalidRequest (400) for several checksums, empty ones too, or one of another name."""
    sent = CHECKSUMS & headers.keys()
    words = "Expecting a single x-amz-checksum- header"
    if len(sent) > 1:
        raise AwsError("InvalidRequest", f"{words}. Multiple checksum Types are not allowed.")
    if len(trailer) + len(sent) > 1:
        raise AwsError("InvalidRequest", words)
    said = headers.get("x-amz-sdk-checksum-algorithm", "").lower()
    if said and sent | trailer and PREFIX + said not in sent | trailer:
        words = "Value for x-amz-sdk-checksum-algorithm header is invalid."
        raise AwsError("InvalidRequest", words)


def _algorithms(headers: Mapping[str, str], trailer: frozenset[str]) -> frozenset[str]:
    """The checksums to compute: those announced, by value, by trailer or by name."""
    names = {n.removeprefix(PREFIX).upper() for n in (*headers, *trailer) if n.startswith(PREFIX)}
    for header in ("x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"):
        names.add(headers.get(header, "").upper())
    if not names & set(checksums.ALGORITHMS):
        names.add("CRC64NVME")  # what S3 keeps of an object that came without a checksum
    if sigv4.is_sha256(headers.get("x-amz-content-sha256", "")):
        names.add("SHA256")
    return frozenset(names & set(checksums.ALGORITHMS))


async def spool(
    raw: web.BaseRequest, request: Request, verified: Verified | None, store: ObjectStore,
    said: Declared,
) -> Request:  # fmt: skip
    """The request with its body spooled and verified; its headers describe the data alone.

    Chunk framing is gone: `content-length` is the data's, `content-encoding` no longer names
    aws-chunked, and trailing headers are there like others. Raises AwsError (and leaves nothing
    behind) when the body is not what was declared, Disconnected when it ends early.
    """
    writer = store.spool(said.algorithms)
    try:
        headers = dict(request.headers)
        if raw.body_exists:
            await go_ahead(raw)
            headers |= await _fill(raw, writer, said, verified)
        if writer.size != said.length:
            raise AwsError(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            )
        if writer.size <= INLINE:
            spooled = writer.finish()
        else:
            spooled = await asyncio.get_running_loop().run_in_executor(None, writer.finish)
    except BaseException:
        if writer.size > INLINE:
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, writer.abort))
        raise
    try:
        compare(request.method, request.query, headers, said, spooled)
    except AwsError:
        store.drop(spooled)
        raise
    headers["content-length"] = str(spooled.size)
    if said.chunked:
        kept = [p.strip() for p in headers.pop("content-encoding", "").split(",")]
        kept = [p for p in kept if p and p.lower() != "aws-chunked"]
        if kept:
            headers["content-encoding"] = ",".join(kept)
        headers.pop("transfer-encoding", None)
    return replace(request, headers=headers, body=spooled)


async def _fill(
    raw: web.BaseRequest, writer: SpoolWriter, said: Declared, verified: Verified | None
) -> dict[str, str]:
    """The body is in the spool; its trailing headers."""
    decoder = None
    if said.chunked:
        signed = said.mode != chunked.UNSIGNED_TRAILER
        signer = chunked.Signer(verified) if signed and verified else None
        decoder = chunked.Decoder(said.length, signer, said.mode != chunked.SIGNED)
    waiting = Patience(connections.of(raw), patience.BODY)
    while piece := await next_piece(raw.content, waiting):
        for data in decoder.feed(piece) if decoder else (piece,):
            wait = writer.write(data)
            if wait is not None:
                await asyncio.wrap_future(wait)
        if writer.size > said.length:
            raise AwsError("IncompleteBody", "The request body is longer than its declared length")
    if decoder is None:
        return {}
    decoder.close()
    if said.trailer != set(decoder.trailers):
        raise chunked.malformed_trailer()
    return decoder.trailers


def compare(
    method: str, query: list[tuple[str, str]], headers: Mapping[str, str], said: Declared,
    spooled: Spooled,
) -> None:  # fmt: skip
    """Returns when the body is what its declared hashes say; raises AwsError when not."""
    if sigv4.is_sha256(said.mode):
        computed = base64.b64decode(spooled.checksums["SHA256"]).hex()
        if computed != said.mode:
            raise AwsError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                ClientComputedContentSHA256=said.mode,
                S3ComputedContentSHA256=computed,
            )
    md5 = headers.get("content-md5")
    if md5 is not None:
        _compare_md5(md5, spooled)
    elif _deletes(method, query) and not any(name.startswith(PREFIX) for name in headers):
        words = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        raise AwsError("InvalidRequest", words)
    if method == "POST" and any(name == "uploadId" for name, _ in query):
        return  # CompleteMultipartUpload: the checksum is the object's, not this body's
    for name, value in headers.items():
        algorithm = name.removeprefix(PREFIX).upper()
        if not name.startswith(PREFIX) or algorithm not in checksums.ALGORITHMS:
            continue
        if not checksums.valid(algorithm, value):
            kind = "trailing header" if name in said.trailer else "header"
            raise AwsError("InvalidRequest", f"Value for {name} {kind} is invalid.")
        if spooled.checksums.get(algorithm) != value:
            raise AwsError(
                "BadDigest",
                f"The {algorithm} you specified did not match the calculated checksum.",
            )


def _deletes(method: str, query: list[tuple[str, str]]) -> bool:
    """Whether the body is DeleteObjects' list, which must come with a digest."""
    return method == "POST" and any(name == "delete" for name, _ in query)


def _compare_md5(declared_md5: str, spooled: Spooled) -> None:
    try:
        wanted = base64.b64decode(declared_md5, validate=True)
        if len(wanted) != 16:
            raise ValueError
    except (binascii.Error, ValueError) as error:
        words = "The Content-MD5 you specified was invalid."
        shown = {"Content-MD5": declared_md5[:200]}
        raise AwsError("InvalidDigest", words, 400, **shown) from error
    if wanted.hex() != spooled.md5:
        raise AwsError(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            ExpectedDigest=declared_md5,
            CalculatedDigest=base64.b64encode(bytes.fromhex(spooled.md5)).decode(),
        )


def sha256(body: bytes) -> str:
    """The body's hash as signatures carry it."""
    return hashlib.sha256(body).hexdigest() if body else sigv4.EMPTY_SHA256
