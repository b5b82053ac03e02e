"""What a program of Comprehend's is told of its job: its arguments, which one document was cut into.

The other side is `services/comprehend/jobs/program.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What an input may have at most, and at least: bytes, files, lines."""

    document: int
    total: int
    files: int
    lines: int | None
    least: int


@dataclass(frozen=True)
class Told:
    """A job."""

    task: str
    language: str
    bucket: str
    prefix: str
    by_line: bool
    """Whether each line is a document."""
    output: tuple[str, str]
    """The bucket, and the key: of the archive, or of a folder that ends with a slash."""
    results: str
    limits: Limits
    redaction: Mapping[str, Any] | None
    topics: int
    model: str = ""
    """The URL that gives the archive of a custom model by GET; "" where none is used."""

    @property
    def place(self) -> str:
        """The key of the folder that the results are in."""
        return self.output[1].rpartition("/")[0] + "/"

    @property
    def own(self) -> str:
        """How keys of this job's own results begin, which may lie among its input."""
        return self.place.removesuffix("output/")

    def name(self, key: str) -> str:
        """The name of an input in the results: its key below the folder that the input's URI names, with
        or without a slash at its end, or that of the objects that the URI is the beginning of."""
        folder = f"{self.prefix}/"
        if self.prefix and key.startswith(folder):
            return key[len(folder) :]
        return key[self.prefix.rfind("/") + 1 :]


def read(arguments: Sequence[str]) -> Told:
    """The job that the arguments tell of."""
    found = json.loads(base64.urlsafe_b64decode("".join(arguments)))
    given, output, limits = found["Input"], found["Output"], found["Limits"]
    return Told(
        found["Task"],
        found["LanguageCode"],
        given["Bucket"],
        given["Prefix"],
        given["Lines"],
        (output["Bucket"], output["Key"]),
        output["Results"],
        Limits(
            limits["Document"], limits["Total"], limits["Files"], limits["Lines"], limits["Least"]
        ),
        found["Redaction"],
        found["Topics"] or 0,
        found["Model"] or "",
    )
