"""Documents in which the entities of a list are sought: a CSV file of Text and Type.

An entry is found where the document has it as it is written, capitals too, as whole words; of entries that
begin at the same word the longest one. The list says nothing of other entities: they count as none.

https://docs.aws.amazon.com/comprehend/latest/dg/cer-entity-list.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ...failures import JobFailed, too_much
from ...storage import Storage
from . import inputs, tables
from .annotated import Annotated, Mention, Sets
from .annotations import CORPUS, DOCUMENT

ENTRIES, LONGEST = 1_000_000, 5_000
"""Entries of a list, and characters of one (guidelines and quotas)."""
COLUMNS = ("Text", "Type")
Words = Callable[[str], Sequence[tuple[int, int]]]
"""The offsets of a text's words (`nlp.custom.words`)."""


class Entries:
    """The entries of a list, by which documents are searched."""

    def __init__(self, types: Mapping[str, str], words: Words) -> None:
        """`types` are those of the entries, by their texts."""
        self._types = types
        self._words = words
        self._lengths: dict[str, set[int]] = {}
        """First word of entries -> how many words they have."""
        for text in types:
            places = words(text)
            if places:
                begin, end = places[0]
                self._lengths.setdefault(text[begin:end], set()).add(len(places))

    def found(self, text: str) -> Annotated:
        """The document with the entries that it has, from left to right and without overlaps."""
        places, mentions, at = self._words(text), [], 0
        while at < len(places):
            begin, end = places[at]
            after = at + 1
            for count in sorted(self._lengths.get(text[begin:end], ()), reverse=True):
                if at + count <= len(places):
                    last = places[at + count - 1][1]
                    kind = self._types.get(text[begin:last])
                    if kind is not None:
                        mentions.append(Mention(begin, last, kind))
                        after = at + count
                        break
            at = after
        return Annotated(text, tuple(mentions))


def read(storage: Storage, data: Mapping[str, Any], types: Collection[str], words: Words) -> Sets:
    """The documents of an InputDataConfig with the entries of its list that are of these types. Raises
    JobFailed."""
    given, uri = data["Documents"], data["EntityList"]["S3Uri"]
    by_line = given.get("InputFormat", "ONE_DOC_PER_LINE") != "ONE_DOC_PER_FILE"
    bucket, found = inputs.files(storage, uri)
    rows = []
    for each in found:
        file = inputs.name(uri, each.key)
        rows += [
            (file, *row)
            for row in tables.rows(file, inputs.content(storage, bucket, each), COLUMNS)
        ]
    entries = Entries(listed(rows, types), words)

    def searched(place: str) -> list[Annotated]:
        texts = inputs.texts(storage, place, by_line, (DOCUMENT, CORPUS))
        return [entries.found(text) for _, text in texts]

    test = given.get("TestS3Uri")
    return Sets(searched(given["S3Uri"]), searched(test) if test else None)


def listed(
    rows: Iterable[tuple[str, int, Mapping[str, str]]], types: Collection[str]
) -> dict[str, str]:
    """The type of each entry of these types; of a text that is listed twice the first. Raises JobFailed."""
    told: dict[str, str] = {}
    for count, (file, number, row) in enumerate(rows, 1):
        if count > ENTRIES:
            raise too_much("entries in its entity list", ENTRIES)
        if not 0 < len(row["Text"]) <= LONGEST:
            raise JobFailed(
                f"INVALID_ENTITY_LIST: The entry on line {number} of the file {file} must have 1 to"
                f" {LONGEST} characters."
            )
        if row["Type"] in types:
            told.setdefault(row["Text"], row["Type"])
    return told
