"""Documents with the entities that are in them: what a recognizer is trained on and tested with.

The words of the failures are AWS's own where they are known (aws-samples/amazon-comprehend-examples,
`customer_errors.py` of the conversion from Ground Truth).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...failures import JobFailed


@dataclass(frozen=True, order=True)
class Mention:
    """An entity in a document: `text[begin:end]`, in code points."""

    begin: int
    end: int
    type: str


@dataclass(frozen=True)
class Annotated:
    """A document with its entities, from left to right and without overlaps."""

    text: str
    mentions: tuple[Mention, ...]


@dataclass(frozen=True)
class Sets:
    """What a recognizer is made of; `test` is None where a part of `train` is to be kept for it."""

    train: list[Annotated]
    test: list[Annotated] | None


@dataclass(frozen=True)
class Place:
    """Where a document stands: the name of its file, and its line from 0, None where it is the file."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return f"in the file {self.file}" + ("" if self.line is None else f" on line {self.line}")


def annotated(place: Place, text: str, mentions: Iterable[Mention]) -> Annotated:
    """The document with these entities, each told once and without the spaces around it. Raises JobFailed
    for one that is not within the text, and for two that overlap."""
    kept: list[Mention] = []
    for each in sorted(set(mentions)):
        where = f"The offset begins at position {each.begin} and ends at position {each.end}."
        if each.end < each.begin:
            raise JobFailed(
                f"An incorrect annotation is located {place}. {where}"
                " End Offset cannot be less than Begin Offset."
            )
        if each.begin < 0 or each.end > len(text):
            raise JobFailed(
                f"An offset exceeds the maximum length {place}. {where}"
                f" An offset can be up to {len(text)} in length."
            )
        named = text[each.begin : each.end]
        if not named.strip():
            raise JobFailed(f"An incorrect annotation is located {place}. {where} It has no text.")
        if kept and each.begin < kept[-1].end:
            raise JobFailed(
                f"Overlapping annotations are located {place}. Annotations must not overlap."
                f" The annotations are: {kept[-1].type} and {each.type}."
            )
        begin = each.begin + len(named) - len(named.lstrip())
        kept.append(Mention(begin, begin + len(named.strip()), each.type))
    return Annotated(text, tuple(kept))


def too_large(place: Place, limit: int) -> JobFailed:
    """Of a document with more bytes than that."""
    return JobFailed(
        f"A document exceeds the maximum size {place}. Each document can be up to {limit} bytes."
    )
