"""A text without its personal information, as the job StartPiiEntitiesDetectionJob writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum

from ..spans import Span

ALL = "ALL"
CHARACTERS = "!@#$%&*"
"""What may stand for a character (API reference, RedactionConfig)."""


class Mode(Enum):
    """RedactionConfig's MaskMode."""

    MASK = "MASK"
    REPLACE_WITH_PII_ENTITY_TYPE = "REPLACE_WITH_PII_ENTITY_TYPE"


def redact(
    text: str,
    spans: Iterable[Span],
    mode: Mode,
    character: str = "*",
    types: Collection[str] = (ALL,),
) -> str:
    """Return the text with each span of these types masked, or replaced by its type in brackets.

    A mask keeps the spaces and line breaks of what it hides: "Jane Doe" becomes "**** ***", or
    "[NAME]" (Amazon Comprehend Developer Guide, "Redact PII entities" and "Redacting PII entities
    with asynchronous jobs"; of the latter's example file, the masks run through spaces). Of spans
    that overlap, what comes first is hidden first. Raises ValueError for a character that AWS does
    not take.
    """
    if len(character) != 1 or character not in CHARACTERS:
        raise ValueError("the mask character is one of " + CHARACTERS)
    parts, done = [], 0
    for span in sorted(spans, key=lambda span: (span.begin, -span.end)):
        if span.end <= done or (ALL not in types and span.label not in types):
            continue
        begin = max(done, span.begin)
        parts.append(text[done:begin])
        hidden = text[begin : span.end]
        if mode is Mode.MASK:
            parts.append("".join(char if char.isspace() else character for char in hidden))
        elif begin == span.begin:
            parts.append(f"[{span.label}]")
        done = span.end
    parts.append(text[done:])
    return "".join(parts)
