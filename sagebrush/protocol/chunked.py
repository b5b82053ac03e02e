"""The aws-chunked body: chunk sizes, chunk signatures and trailing headers, read as it arrives.

S3 API Reference, "Signature calculations: transferring payload in multiple chunks" and "… with
trailing headers".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from sagebrush.errors import AwsError
from sagebrush.protocol.sigv4 import Verified, chunk_signature, trailer_signature

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MODES = (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER)
SMALLEST = 8192
"""Bytes that every chunk but the last must have."""
CHUNK_SIGNATURE = b"chunk-signature"
TRAILER_SIGNATURE = b"x-amz-trailer-signature"
LONGEST_LINE = 16 * 1024
"""Bytes of a chunk's size line, and of all trailing headers together."""


@dataclass(frozen=True)
class Signer:
    """What verifies chunk signatures: the request's own signature is the first link of the chain."""

    verified: Verified

    def chunk(self, previous: str, sha256: str) -> str:
        """The signature of a chunk after the one signed `previous`."""
        return chunk_signature(self.verified.signing, self.verified.claim, previous, sha256)

    def trailer(self, previous: str, lines: bytes) -> str:
        """The signature of the trailing headers."""
        return trailer_signature(self.verified.signing, self.verified.claim, previous, lines)


class Decoder:
    """Takes an aws-chunked body in pieces of any size and gives its data.

    Nothing that it gave may be believed before `close` has returned.
    """

    def __init__(self, length: int, signer: Signer | None, trailing: bool) -> None:
        """`length`: the decoded length that was declared; `signer`: None for unsigned chunks."""
        self._expected = length
        self._signer = signer
        self._trailing = trailing
        self._previous = signer.verified.claim.signature if signer else ""
        self._claimed = ""
        self._hash = hashlib.sha256()
        self._line = bytearray()
        self._left = 0
        self._size = SMALLEST
        self._number = 0
        self._take = self._size_line
        self._trailer_lines: list[bytes] = []
        self._paused = False
        """An empty line came before the trailer's signature."""
        self._ended = False
        self.trailers: dict[str, str] = {}
        """Trailing headers by lower-case name, whole once `close` has returned."""
        self.length = 0
        """Bytes of data so far."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The data in `piece`. Raises AwsError for a wrong signature or a malformed chunk."""
        found: list[bytes] = []
        view, at = memoryview(piece), 0
        while at < len(view):
            if self._ended:  # bytes follow the end
                raise _incomplete()
            if self._left:
                data = bytes(view[at : at + self._left])
                at += len(data)
                self._data(data)
                found.append(data)
                continue
            end = piece.find(b"\n", at)
            stop = len(piece) if end < 0 else end + 1
            self._line += view[at:stop]
            at = stop
            if len(self._line) > LONGEST_LINE:
                raise _incomplete()
            if end >= 0:
                line = bytes(self._line)
                self._line.clear()
                self._take(line)
        return found

    def close(self) -> None:
        """The body is complete and every signature holds; raises AwsError when not."""
        if not self._ended:
            raise _incomplete()
        if self.length != self._expected:
            raise AwsError(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the"
                " x-amz-decoded-content-length HTTP header",
            )

    def _size_line(self, line: bytes) -> None:
        size, semicolon, extension = line.removesuffix(b"\r\n").partition(b";")
        digits = 0 < len(size) <= 15 and not size.strip(b"0123456789abcdefABCDEF")
        if not digits or not line.endswith(b"\r\n"):
            raise _incomplete()
        self._left = int(size, 16)
        if self._left and self._size < SMALLEST:
            raise AwsError(
                "InvalidChunkSizeError",
                "Only the last chunk is allowed to have a size less than 8192 bytes",
                403,
                Chunk=str(self._number + 1),
                BadChunkSize=str(self._size),
            )
        if self.length + self._left > self._expected:
            raise AwsError(
                "IncompleteBody",
                "The chunks hold more bytes than the x-amz-decoded-content-length HTTP header says",
            )
        self._size = self._left
        self._number += 1
        name, _, value = extension.partition(b"=")
        if bool(semicolon) != (self._signer is not None) or (semicolon and name != CHUNK_SIGNATURE):
            raise _incomplete()
        self._claimed = value.decode("ascii", "replace")
        if self._left:
            self._take = self._after_data
        else:
            self._check_chunk()
            self._take = self._trailer_line

    def _data(self, data: bytes) -> None:
        self._left -= len(data)
        self.length += len(data)
        if self._signer is not None:
            self._hash.update(data)

    def _after_data(self, line: bytes) -> None:
        if line != b"\r\n":
            raise _incomplete()
        self._check_chunk()
        self._take = self._size_line

    def _check_chunk(self) -> None:
        if self._signer is None:
            return
        due = self._signer.chunk(self._previous, self._hash.hexdigest())
        if not hmac.compare_digest(due.encode(), self._claimed.encode()):
            raise _mismatch()
        self._previous = due
        self._hash = hashlib.sha256()

    def _trailer_line(self, line: bytes) -> None:
        """A trailing header, or the empty line that ends the body.

        AWS's page shows an empty line before the trailer's signature too, and some SDKs send it.
        """
        text = line.rstrip(b"\r\n")
        if text:
            if not self._trailing:
                raise malformed_trailer()
            self._trailer_lines.append(text)
            if sum(map(len, self._trailer_lines)) > LONGEST_LINE:
                raise malformed_trailer()
        elif self._signer is None or not self._trailing or self._signature() is not None:
            self._end()
        elif not self._trailer_lines or self._paused:
            raise _incomplete()
        else:
            self._paused = True

    def _signature(self) -> str | None:
        """The trailer's signature, once it came."""
        last = self._trailer_lines[-1] if self._trailer_lines else b""
        name, _, value = last.partition(b":")
        return value.strip().decode("ascii", "replace") if name == TRAILER_SIGNATURE else None

    def _end(self) -> None:
        self._ended = True
        signature, lines = self._signature(), self._trailer_lines
        if signature is not None:
            lines = lines[:-1]
        for line in lines:
            name, colon, value = line.decode("utf-8", "replace").partition(":")
            name = name.strip().lower()
            if not colon or name in self.trailers:
                raise malformed_trailer()
            self.trailers[name] = value.strip()
        if self._signer is not None and self._trailing:
            signed = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            due = self._signer.trailer(self._previous, signed.encode())
            if not hmac.compare_digest(due.encode(), (signature or "").encode()):
                raise _mismatch()


def _mismatch() -> AwsError:
    return AwsError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your"
        " key and signing method.",
        403,
    )


def _incomplete() -> AwsError:
    """S3's error for any malformed chunk: it then cannot know where the body ends."""
    return AwsError("IncompleteBody", "The request body terminated unexpectedly")


def malformed_trailer() -> AwsError:
    """The refusal of trailing headers that are not those that were announced."""
    return AwsError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our"
        " published schema.",
    )
