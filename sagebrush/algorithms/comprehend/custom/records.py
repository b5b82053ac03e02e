"""What a job with a custom model writes of a document, or of a page of one.

Source: developer guide, "Outputs for asynchronous analysis jobs" of custom classification and of custom entity
recognition: a record for each page of a file that is no plain text. The numbers of lines are texts in the
records of classification alone.
"""

from __future__ import annotations

import json

from ..documents import Document, Page
from ..results import Answer, members
from . import pages
from .serving import CLASSIFIER

TYPES = {"NATIVE_PDF": "NativePDF"}
"""DocumentType of the API -> in records, where the guide shows another word."""


class Records:
    """The form of records by a model of that kind."""

    def __init__(self, kind: str) -> None:
        self._classifies = kind == CLASSIFIER

    def __call__(self, document: Document, answer: Answer) -> str:
        """The line of JSON that tells of one document or page."""
        found = members(document, answer)
        if self._classifies and document.line is not None:
            found["Line"] = str(document.line)
        if document.page is not None:
            found |= _paged(document.page)
            if "Entities" in found:
                lines = pages.lines(document.text)
                found["Entities"] = pages.referring(found["Entities"], lines)
                found["Blocks"] = pages.blocks(lines, document.page.number)
        return json.dumps(found, sort_keys=True) + "\n"


def _paged(page: Page) -> pages.Doc:
    return {
        "DocumentMetadata": {"PageNumber": page.number, "Pages": page.of},
        "DocumentType": TYPES.get(page.kind, page.kind),
    }
