"""Documents in files of bytes: a file each, or a line each, read as a stream.

Lines end with LF, CR or CRLF (developer guide, "Asynchronous batch processing"). A document is what its
bytes say in UTF-8, whole: a byte order mark is its first character, and offsets count it, as they do for
whoever decodes the file as UTF-8.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from . import failures
from .failures import DocumentError

PLAIN = "PLAIN_TEXT"
"""The DocumentType of a file without pages."""
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Page:
    """Which page of a file a document is."""

    number: int
    """From 1."""
    of: int
    kind: str
    """The file's DocumentType."""


@dataclass(frozen=True)
class Document:
    """One document, or the place of one that cannot be read."""

    file: str
    """The name of its file: the key, without the folder that all have in common."""
    line: int | None
    """Its number in the file, from 0; None where the file is the document."""
    text: str = ""
    ending: str = ""
    """How its line ended."""
    error: DocumentError | None = None
    page: Page | None = None
    """None where the file has no pages: it is plain text."""


@dataclass(frozen=True)
class Line:
    """A line as it is in its file; `body` is None where it has more bytes than a document may."""

    body: bytes | None
    ending: bytes


def of_lines(file: str, blocks: Iterable[bytes], limit: int) -> Iterator[Document]:
    """Each line as a document, up to the first that is not UTF-8, which is an error and the last."""
    for number, line in enumerate(lines(blocks, limit)):
        place = Document(file, number, ending=line.ending.decode())
        if line.body is None:
            yield replace(place, error=failures.too_large(limit))
        elif not line.body:
            yield replace(place, error=failures.EMPTY)
        else:
            try:
                yield replace(place, text=line.body.decode())
            except UnicodeDecodeError:
                yield replace(place, error=failures.ENCODING)
                return


def of_file(file: str, blocks: Iterable[bytes], limit: int) -> Document:
    """The file as one document; no more of it is read than a document may have."""
    place, held = Document(file, None), bytearray()
    for block in blocks:
        held += block
        if len(held) > limit:
            return replace(place, error=failures.too_large(limit))
    if not held:
        return replace(place, error=failures.EMPTY)
    try:
        return replace(place, text=held.decode())
    except UnicodeDecodeError:
        return replace(place, error=failures.ENCODING)


def of_pages(file: str, blocks: Iterable[bytes], limit: int) -> list[Document]:
    """The pages of a file of whatever kind `nlp.documents` reads, each as a document; of plain text, which may
    have `limit` bytes, the one."""
    reader = importlib.import_module("nlp.documents")
    limits = replace(reader.ASYNCHRONOUS, plain=limit)
    most, held = max(limits.pdf, limits.word, limit), bytearray()
    for block in blocks:
        held += block
        if len(held) > most:
            return [Document(file, None, error=failures.too_large(most))]
    if not held:
        return [Document(file, None, error=failures.EMPTY)]
    try:
        found = reader.read(bytes(held), limits)
    except reader.Unreadable as error:
        return [Document(file, None, error=DocumentError(error.reason, str(error)))]
    if found.kind == PLAIN:
        return [Document(file, None, found.text)]
    wrong = {each.page: DocumentError(each.code, each.message) for each in found.errors}
    return [
        Document(
            file,
            None,
            text,
            error=wrong.get(number) or (None if text.strip() else failures.EMPTY),
            page=Page(number, len(found.pages), found.kind),
        )
        for number, text in enumerate(found.pages, 1)
    ]


def whole(text: str) -> str:
    """The text with U+FFFD in place of each half of a surrogate pair that stands alone: JSON may name one,
    and it is no character. Offsets stay as they are."""
    return _HALVES.sub("\ufffd", text)


def lines(blocks: Iterable[bytes], limit: int) -> Iterator[Line]:
    """The lines of a file that comes in blocks. What is held is a block and one line of `limit` bytes."""
    held, over = b"", False
    for block in blocks:
        # bytes are split at LF, CR and CRLF alone
        pieces = (held + block).splitlines(keepends=True)
        held = pieces.pop() if pieces and not pieces[-1].endswith(b"\n") else b""
        for piece in pieces:
            yield _line(piece, limit, over)
            over = False
        if len(held) > limit + 1:  # a CR at the end may be half of a CRLF
            held, over = (b"\r" if held.endswith(b"\r") else b""), True
    if held or over:
        yield _line(held, limit, over)


def _line(piece: bytes, limit: int, over: bool) -> Line:
    size = 2 if piece.endswith(b"\r\n") else int(piece.endswith((b"\n", b"\r")))
    body, ending = piece[: len(piece) - size], piece[len(piece) - size :]
    return Line(None if over or len(body) > limit else body, ending)
