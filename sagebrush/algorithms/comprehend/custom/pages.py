"""What is answered of a file beside its classes or entities: its pages, and the lines and words of their text.

Sources: API reference, ClassifyDocument, DetectEntities and Block; developer guide, "Outputs for real-time
analysis" and "Outputs for asynchronous analysis jobs". Blocks have no Geometry: text is read from the file
itself, and not from a picture of its pages. Offsets are Unicode code points.
"""

from __future__ import annotations

import re
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

Doc = dict[str, Any]
PLAIN = "PLAIN_TEXT"
"""The DocumentType of text, which has no blocks."""
_LINE = re.compile(r"\S(?:[^\n]*\S)?")
_WORD = re.compile(r"\S+")
_BEGIN = attrgetter("begin")


class PageError(Protocol):
    """Why a page could not be read (`nlp.documents`)."""

    page: int
    code: str
    message: str


class File(Protocol):
    """A file that was read (`nlp.documents.Document`)."""

    kind: str
    pages: tuple[str, ...]
    errors: tuple[Any, ...]


@dataclass(frozen=True)
class Block:
    """A line or a word, and where it is in the text of its page."""

    id: str
    text: str
    begin: int
    words: tuple[Block, ...] = ()

    @property
    def end(self) -> int:
        """The offset after its last character."""
        return self.begin + len(self.text)


def readable(file: File) -> list[int]:
    """The numbers of the pages without an error, from 1."""
    failed = {error.page for error in file.errors}
    return [number for number in range(1, len(file.pages) + 1) if number not in failed]


def described(file: File) -> Doc:
    """DocumentMetadata, DocumentType and Errors of the file in the answer to a request."""
    numbered = list(enumerate(file.pages, 1))
    counts = [{"Page": number, "Count": len(text)} for number, text in numbered]
    return {
        "DocumentMetadata": {"Pages": len(numbered), "ExtractedCharacters": counts},
        "DocumentType": [{"Page": number, "Type": file.kind} for number, _ in numbered],
        "Errors": errors(file),
    }


def errors(file: File, page: int | None = None) -> list[Doc]:
    """The file's Errors, or those of one page."""
    return [
        {"Page": each.page, "ErrorCode": each.code, "ErrorMessage": each.message}
        for each in file.errors
        if page in (None, each.page)
    ]


def numbered(answer: Mapping[str, Any], page: int) -> Doc:
    """Classes or labels of a page, each with the number of the page."""
    return {member: [{**each, "Page": page} for each in found] for member, found in answer.items()}


def lines(text: str) -> list[Block]:
    """The lines of a page that have words, without the white space around them."""
    found: list[Block] = []
    for line in _LINE.finditer(text):
        words = tuple(
            Block(_id(), word[0], line.start() + word.start()) for word in _WORD.finditer(line[0])
        )
        found.append(Block(_id(), line[0], line.start(), words))
    return found


def blocks(of: Sequence[Block], page: int) -> list[Doc]:
    """The lines, each followed by its words, as Blocks of an answer."""
    found: list[Doc] = []
    for line in of:
        children = {"Type": "CHILD", "Ids": [word.id for word in line.words]}
        found.append(_shown("LINE", line, page, [children]))
        found += [_shown("WORD", word, page, []) for word in line.words]
    return found


def referring(entities: Sequence[Mapping[str, Any]], of: Sequence[Block]) -> list[Doc]:
    """The entities with BlockReferences in place of offsets, which are those in a page's text."""
    found: list[Doc] = []
    for each in entities:
        begin, end = each["BeginOffset"], each["EndOffset"]
        rest = {k: v for k, v in each.items() if k not in ("BeginOffset", "EndOffset")}
        references = [_reference(line, begin, end) for line in _met(of, begin, end)]
        found.append({**rest, "BlockReferences": references})
    return found


def _reference(line: Block, begin: int, end: int) -> Doc:
    return {
        "BlockId": line.id,
        **_within(line, begin, end),
        "ChildBlocks": [
            {"ChildBlockId": word.id, **_within(word, begin, end)}
            for word in _met(line.words, begin, end)
        ],
    }


def _met(of: Sequence[Block], begin: int, end: int) -> list[Block]:
    """The blocks with a character between the offsets. They are in order and none overlaps another, so of
    those that begin before the first offset only the last one may reach it."""
    first = max(0, bisect_right(of, begin, key=_BEGIN) - 1)
    last = bisect_left(of, end, key=_BEGIN)
    return [block for block in of[first:last] if begin < block.end]


def _within(block: Block, begin: int, end: int) -> Doc:
    """The part of the block that is between the offsets, counted from its own beginning."""
    return {
        "BeginOffset": max(begin, block.begin) - block.begin,
        "EndOffset": min(end, block.end) - block.begin,
    }


def _shown(kind: str, block: Block, page: int, relationships: list[Doc]) -> Doc:
    return {
        "Id": block.id,
        "BlockType": kind,
        "Text": block.text,
        "Page": page,
        "Relationships": relationships,
    }


def _id() -> str:
    return str(uuid.uuid4())
