"""One function for files of every kind."""

from __future__ import annotations

import re
from dataclasses import replace

from . import pdf, textract, word
from .limits import Limits
from .pages import TOO_MANY_CHARACTERS, Document, PageError, Unreadable

# Images are read by text recognition alone, which is not offered here; old Word files (OLE) AWS does not take.
_OTHERS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\x00",
    b"MM\x00*",
    b"GIF8",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
    b"RIFF",
)
_HALVES = re.compile("[\ud800-\udfff]")


def read(body: bytes, limits: Limits) -> Document:
    """Return the pages of the file, of a kind that its own bytes tell.

    Raises Unreadable for what is no text, PDF, Word document or Textract's JSON, for what is damaged or
    encrypted, and for what is larger than the limits. A page with more characters than the limit is an
    error of that page.
    """
    if b"%PDF-" in body[:1024]:
        document = pdf.read(_sized(body, limits.pdf), limits.pages)
    elif body[:4] == b"PK\x03\x04":
        document = word.read(_sized(body, limits.word), limits.pages)
    elif body.startswith(_OTHERS):
        raise Unreadable("UNSUPPORTED_DOC_TYPE")
    elif textract.looks_so(body):
        document = textract.read(_sized(body, limits.textract), limits.pages)
    else:
        document = _plain(_sized(body, limits.plain))
    # JSON and PDF may name halves of surrogate pairs, which are no characters: no encoder takes them
    whole = replace(document, pages=tuple(_HALVES.sub("\ufffd", page) for page in document.pages))
    return whole if limits.characters is None else _within(whole, limits.characters)


def _sized(body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise Unreadable("DOCUMENT_SIZE_EXCEEDED")
    return body


def _plain(body: bytes) -> Document:
    try:
        return Document("PLAIN_TEXT", (body.decode("utf-8"),))
    except UnicodeDecodeError:
        raise Unreadable("UNSUPPORTED_DOC_TYPE") from None


def _within(document: Document, characters: int) -> Document:
    over = [number for number, page in enumerate(document.pages, 1) if len(page) > characters]
    pages = tuple("" if number in over else page for number, page in enumerate(document.pages, 1))
    errors = (PageError(number, *TOO_MANY_CHARACTERS) for number in over)
    return replace(document, pages=pages, errors=(*document.errors, *errors))
