"""Documents of data sets, in the one form in which the data lake keeps them: JSON Lines.

A line is `{"Text": ..., "Labels": [...]}` of a classifier's document, and `{"Text": ..., "Entities":
[{"Type": ..., "BeginOffset": ..., "EndOffset": ...}]}` of a recognizer's; offsets count code points.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..custom.recognizers.annotated import Mention

NAME = "documents.jsonl"
SHARE = 10
"""One document of so many is for tests, where no test data were given."""
BREAKS = str.maketrans("\r\n", "  ")


@dataclass(frozen=True)
class Labelled:
    """A document with what people say of it."""

    text: str
    labels: tuple[str, ...] = ()
    """Of a classifier's document."""
    mentions: tuple[Mention, ...] = ()
    """Of a recognizer's."""

    @property
    def line(self) -> str:
        """The document in one line: its line breaks are spaces, so that offsets stay."""
        return self.text.translate(BREAKS)

    @property
    def about(self) -> frozenset[str]:
        """Its labels, and the types of its entities."""
        return frozenset(self.labels) | {each.type for each in self.mentions}

    @property
    def place(self) -> int:
        """Where it stands among others: by a digest of its text, so that it is the same document for whoever
        sees it."""
        digest = hashlib.sha256(self.text.encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big")


@dataclass(frozen=True)
class HeldOut:
    """Which documents are for tests where no test data were given: one in SHARE by its text, and of each label
    or type that would have none its first one.

    A document that an iteration trained with is none for a later one: data sets only ever come to others.
    """

    places: frozenset[int]

    @staticmethod
    def of(documents: Iterable[Labelled]) -> HeldOut:
        """Those of the documents."""
        least: dict[str, int] = {}
        for each in documents:
            place = each.place
            for name in each.about:
                if place % SHARE == 0:
                    least[name] = -1
                least[name] = min(place, least.get(name, place))
        return HeldOut(frozenset(place for place in least.values() if place >= 0))

    def __contains__(self, document: Labelled) -> bool:
        return document.place % SHARE == 0 or document.place in self.places


def write(documents: Iterable[Labelled], file: Path) -> int:
    """How many documents the file has now."""
    count = 0
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for each in documents:
            out.write(_line(each) + "\n")
            count += 1
    return count


def _line(document: Labelled) -> str:
    entities = [
        {"Type": each.type, "BeginOffset": each.begin, "EndOffset": each.end}
        for each in document.mentions
    ]
    about = {"Labels": list(document.labels)} if document.labels else {"Entities": entities}
    return json.dumps({"Text": document.text, **about})  # in ASCII: every line end is a line's


def read(file: Path) -> Iterator[Labelled]:
    """The documents of the file. Raises ValueError or KeyError for what `write` did not write."""
    with file.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            found: Any = json.loads(line)
            mentions = (
                Mention(int(each["BeginOffset"]), int(each["EndOffset"]), each["Type"])
                for each in found.get("Entities", ())
            )
            yield Labelled(found["Text"], tuple(found.get("Labels", ())), tuple(mentions))
