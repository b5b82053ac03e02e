"""What Amazon Textract read of a document: the answer of DetectDocumentText or AnalyzeDocument, as JSON."""

from __future__ import annotations

import json
from typing import Any

from .pages import Document, Unreadable


def looks_so(body: bytes) -> bool:
    """Return whether the file may be one: an object that names blocks at its beginning or anywhere."""
    return body[:64].lstrip().startswith(b"{") and b'"Blocks"' in body


def read(body: bytes, pages: int) -> Document:
    """Return the lines of each page. Raises Unreadable for other JSON, and for more pages than that."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("NOT_TEXTRACT_JSON") from None
    blocks = told.get("Blocks") if isinstance(told, dict) else None
    if not isinstance(blocks, list) or not all(_is_block(block) for block in blocks):
        raise Unreadable("NOT_TEXTRACT_JSON")
    lines: dict[int, list[str]] = {}
    for block in blocks:
        page = lines.setdefault(block.get("Page", 1), [])
        if block["BlockType"] == "LINE":
            page.append(block.get("Text", ""))
    if len(lines) > pages:
        raise Unreadable("PAGE_LIMIT_EXCEEDED")
    analyzed = "AnalyzeDocumentModelVersion" in told
    kind = "TEXTRACT_ANALYZE_DOCUMENT_JSON" if analyzed else "TEXTRACT_DETECT_DOCUMENT_TEXT_JSON"
    return Document(kind, tuple("\n".join(lines[number]) for number in sorted(lines)) or ("",))


def _is_block(block: Any) -> bool:
    return (
        isinstance(block, dict)
        and isinstance(block.get("BlockType"), str)
        and type(block.get("Page", 1)) is int
        and isinstance(block.get("Text", ""), str)
    )
