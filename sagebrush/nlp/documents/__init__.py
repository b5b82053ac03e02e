"""Files that hold a document, as pages of text: plain text, PDF, Word, and what Amazon Textract read.

They come from strangers: a reader's memory is bounded by the limits that it is given, its time only by
the process that it runs in, which is never the control plane's.
"""

from .limits import ASYNCHRONOUS, SYNCHRONOUS, Limits
from .pages import Document, PageError, Unreadable
from .reading import read

__all__ = ["ASYNCHRONOUS", "SYNCHRONOUS", "Document", "Limits", "PageError", "Unreadable", "read"]
