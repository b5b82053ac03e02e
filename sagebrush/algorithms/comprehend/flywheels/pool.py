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

from ..custom.annotated import Mention

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
    def held_out(self) -> bool:
        """Whether it is for tests where no test data were given: the same document always is, or never,
        so that no iteration trains with what a later one evaluates it with."""
        digest = hashlib.sha256(self.text.encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % SHARE == 0


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
