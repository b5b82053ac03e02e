"""PDF with text of its own (ISO 32000), read by pypdf."""

from __future__ import annotations

import io
import logging
from typing import Any

from .limits import UNPACKED
from .pages import FAILED, Document, PageError, Unreadable

_SCANNED = "Its pages are images, and text recognition is not offered here."


def read(body: bytes, pages: int) -> Document:
    """Return the text of each page.

    Raises Unreadable for what is damaged or opens by a password alone, for more pages than that, and for
    pages that are images without any text. A page that cannot be read is an error of that page.
    """
    # It takes 0.2 s, which other kinds need not.
    import pypdf  # pyright: ignore[reportMissingImports]

    # It tells of damages with pieces of the file, which belong to no log.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    try:
        reader = pypdf.PdfReader(io.BytesIO(body), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("INVALID_DOCUMENT")
        count = len(reader.pages)
    except Unreadable:
        raise
    except Exception:  # a damaged file fails wherever its parser is then, in errors of any class
        raise Unreadable("INVALID_DOCUMENT") from None
    if count > pages:
        raise Unreadable("PAGE_LIMIT_EXCEEDED")
    if not count:
        raise Unreadable("INVALID_DOCUMENT")
    return _document(reader, count)


def _document(reader: Any, count: int) -> Document:
    texts, errors, images, total = [], [], False, 0
    for number in range(count):
        try:
            page = reader.pages[number]
            text = page.extract_text()
            images = images or (not text.strip() and _has_image(page))
        except Exception:  # as above
            text = ""
            errors.append(PageError(number + 1, *FAILED))
        total += len(text)
        if total > UNPACKED:
            raise Unreadable("DOCUMENT_SIZE_EXCEEDED")
        texts.append(text)
    if images and not any(text.strip() for text in texts):
        raise Unreadable("UNSUPPORTED_DOC_TYPE", _SCANNED)
    return Document("NATIVE_PDF", tuple(texts), tuple(errors))


def _has_image(page: Any) -> bool:
    resources = page.get("/Resources")
    objects = (resources.get_object() if resources else {}).get("/XObject")
    return any(
        each.get_object().get("/Subtype") == "/Image"
        for each in (objects.get_object() if objects else {}).values()
    )
