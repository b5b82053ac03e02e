"""What is read of a file: its pages, and why a page or the whole file cannot be read, in AWS's words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PageError:
    """Why a page has no text: an item of `Errors` (API reference, ErrorsListItem); `page` counts from 1."""

    page: int
    code: str
    message: str


@dataclass(frozen=True)
class Document:
    """The text of each page, and of which of AWS's DocumentTypes the file is.

    A page with an error is an empty text.
    """

    kind: str
    pages: tuple[str, ...]
    errors: tuple[PageError, ...] = ()

    @property
    def text(self) -> str:
        """All pages as one text, a line each after the other."""
        return "\n".join(self.pages)


# API reference, InvalidRequestDetail.
_WORDS = {
    "DOCUMENT_SIZE_EXCEEDED": "Document size is too large. Check the size of your file and resubmit the request.",
    "UNSUPPORTED_DOC_TYPE": "Document type is not supported. Check the file type and resubmit the request.",
    "PAGE_LIMIT_EXCEEDED": "Too many pages in the document. Check the number of pages in your file and resubmit the request.",
    "NOT_TEXTRACT_JSON": "Document is not Amazon Textract JSON format. Verify the format and resubmit the request.",
    "INVALID_DOCUMENT": "Invalid document. Check the file and resubmit the request.",
}


class Unreadable(Exception):
    """The file cannot be read. `reason` is InvalidRequestDetail's Reason; the text says it in AWS's words.

    Neither has anything of the file.
    """

    def __init__(self, reason: str, more: str = "") -> None:
        super().__init__(_WORDS[reason] + (f" {more}" if more else ""))
        self.reason = reason


TOO_MANY_CHARACTERS = (
    "PAGE_CHARACTERS_EXCEEDED",
    "Too many text characters on the page (10,000 characters maximum).",
)
FAILED = (
    "INTERNAL_SERVER_ERROR",
    "The request encountered a service issue. Try the API request again.",
)
