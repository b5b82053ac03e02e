"""How large a file may be: Amazon Comprehend Developer Guide, "Inputs for real-time custom analysis" and
"Inputs for asynchronous custom analysis"."""

from __future__ import annotations

from dataclasses import dataclass

_KB, _MB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bytes of a file of each kind, pages of one, and characters of a page (None: as many as there are)."""

    plain: int
    pdf: int
    word: int
    textract: int
    pages: int
    characters: int | None


SYNCHRONOUS = Limits(10 * _KB, 10 * _MB, 10 * _MB, 1 * _MB, 1, 10_000)
ASYNCHRONOUS = Limits(10 * _MB, 50 * _MB, 5 * _MB, 1 * _MB, 100, None)
UNPACKED = 64 * _MB
"""Bytes of a Word document's XML, and characters of a PDF's text, at most. AWS names no such limit; a file
within the others may be unpacked to a thousand times its size."""
