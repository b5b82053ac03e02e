"""Training documents in files of their own: PDF, Word and plain text, that rows of a CSV file name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...failures import JobFailed
from ...storage import Storage
from .examples import Example, Place

MOST, SKIPPED = 50 << 20, 10_000
"""Bytes of a file, and documents that cannot be read, at most."""


@dataclass(frozen=True)
class Skipped:
    """A document, or a page of one, that could not be read."""

    file: str
    page: int | None
    code: str
    message: str


class _Unread(Exception):
    """Why a page has no text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read(
    storage: Storage, folder: tuple[str, str], places: Iterable[Place], skipped: list[Skipped]
) -> Iterator[Example]:
    """The text of each place below the folder (bucket, prefix), as an example; what cannot be read is
    told in `skipped`. Raises JobFailed."""
    last = ""
    document: Any = None
    for place in places:
        try:
            if document is None or place.file != last:
                last, document = place.file, None
                document = _document(storage, folder, place.file)
            text = _text(document, place.page)
        except _Unread as error:
            skipped.append(Skipped(place.file, place.page, error.code, str(error)))
            if len(skipped) > SKIPPED:
                raise JobFailed(
                    f"INVALID_TRAINING_DATA: More than {SKIPPED} documents cannot be read."
                ) from None
        else:
            yield Example(place.labels, text)


def _document(storage: Storage, folder: tuple[str, str], name: str) -> Any:
    """The pages of the file (`nlp.documents`). Raises _Unread."""
    reading = importlib.import_module("nlp.documents")
    bucket, prefix = folder
    key = f"{prefix}{name}" if not prefix or prefix.endswith("/") else f"{prefix}/{name}"
    found = storage.found(bucket, key)
    if found is None:
        raise _Unread("DOCUMENT_NOT_FOUND", "There is no such document.")
    if found.size > MOST:
        raise _Unread(
            "DOCUMENT_SIZE_EXCEEDED",
            "Document size is too large. Check the size of your file and resubmit the request.",
        )
    try:
        return reading.read(b"".join(storage.blocks(bucket, found)), reading.ASYNCHRONOUS)
    except reading.Unreadable as error:
        raise _Unread(error.reason, str(error)) from None


def _text(document: Any, page: int | None) -> str:
    """The page's text, or that of all pages. Raises _Unread where it has none."""
    if page is not None and page > len(document.pages):
        raise _Unread("PAGE_NOT_FOUND", "The document has no such page.")
    for error in document.errors:
        if error.page == page:
            raise _Unread(error.code, error.message)
    text = document.text if page is None else document.pages[page - 1]
    if not text.strip():
        raise _Unread("EMPTY_DOCUMENT", "Document is empty.")
    return text
