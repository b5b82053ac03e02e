"""Why a job of Comprehend's ends, or a document of it is not analysed: AWS's codes and words.

Sources: developer guide, "Asynchronous batch processing" (errors of documents); examples of the AWS CLI's
`list-key-phrases-detection-jobs`. No text of these has anything of a document.
"""

from __future__ import annotations

from dataclasses import dataclass


class JobFailed(Exception):
    """The job cannot be done; the text is its Message."""


@dataclass(frozen=True)
class DocumentError:
    """Why one document has no result."""

    code: str
    message: str


NO_READ = (
    "NO_READ_ACCESS_TO_INPUT: The provided data access role does not have proper access to the input"
    " data."
)
NO_WRITE = (
    "NO_WRITE_ACCESS_TO_OUTPUT: The provided data access role does not have write access to the output"
    " S3 URI or it does not have access to the output S3 KMS Key."
)
NOTHING = "NO_INPUT_DATA: No object's key begins with the S3 URI of the input."
CHANGED = "INPUT_CHANGED: An object of the input changed while it was read."
ENCODING = DocumentError(
    "UNSUPPORTED_ENCODING",
    "Document is not in UTF-8 format and all subsequent lines are ignored.",
)
"""Of a line and, in the guide's example, of a file too."""
EMPTY = DocumentError("EMPTY_DOCUMENT", "Document is empty.")
"""Sagebrush's own: AWS does not say what it makes of one."""
UNREADABLE = DocumentError("INTERNAL_SERVER_ERROR", "Document could not be analyzed.")


def too_large(limit: int) -> DocumentError:
    """Of a document with more bytes than that."""
    return DocumentError(
        "DOCUMENT_SIZE_EXCEEDED", f"Document size exceeds maximum size limit {limit} bytes."
    )


def too_much(what: str, limit: int) -> JobFailed:
    """Of an input with more than that: AWS's quota, in Sagebrush's words."""
    return JobFailed(f"INPUT_LIMIT_EXCEEDED: The input has more than {limit} {what}.")
