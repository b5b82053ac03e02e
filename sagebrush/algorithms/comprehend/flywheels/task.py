"""What a program of a flywheel is told, and what it tells: two documents in a folder of the data lake.

The other side is `services/comprehend/flywheels/programs.py`.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import failures, program, storage
from ..failures import JobFailed
from ..program import Stopped, Stopping
from ..storage import Storage

TOLD, DID = "order.json", "result.json"


@dataclass(frozen=True)
class Task:
    """A program's work, and S3 as the flywheel's role."""

    told: Mapping[str, Any]
    storage: Storage
    folder: Path
    """A folder of its own, on this machine."""
    stopping: Stopping
    urls: Mapping[str, str] = field(default_factory=dict)
    """Of whom -> a signed URL of a model's archive."""

    def put(self, uri: str, file: Path) -> None:
        """The object at the URI is what the file holds. Raises JobFailed."""
        self.storage.put(*storage.located(uri), file)

    def write(self, uri: str, text: str) -> None:
        """The object at the URI is the text in UTF-8. Raises JobFailed."""
        file = self.folder / "written"
        file.write_text(text, encoding="utf-8", newline="")
        self.put(uri, file)

    def fetch(self, uri: str, name: str) -> Path:
        """A file of that name with the object at the URI. Raises JobFailed, also where there is none."""
        file = self.folder / name
        with file.open("wb") as out:
            for block in blocks(self.storage, uri):
                out.write(block)
        return file


Run = Callable[[Task], Mapping[str, Any]]
"""The result of a task. Raises JobFailed."""


def blocks(given: Storage, uri: str) -> Iterator[bytes]:
    """The bytes of the object at the URI. Raises JobFailed."""
    bucket, key = storage.located(uri)
    found = given.found(bucket, key)
    if found is None:
        raise JobFailed(failures.NO_READ)
    return given.blocks(bucket, found)


def run(work: Run, arguments: Sequence[str]) -> None:
    """Ends the process with the exit status of the work."""

    def inside(folder: Path, stopping: Stopping) -> None:
        done(work, arguments, storage.connect(), folder, stopping)

    sys.exit(program.framed(inside))


def done(
    work: Run, arguments: Sequence[str], given: Storage, folder: Path, stopping: Stopping
) -> None:
    """The work's result is stored. Raises JobFailed and Stopped."""
    found = json.loads(base64.urlsafe_b64decode("".join(arguments)))
    root = f"s3://{found['Bucket']}/{found['Folder']}"
    told = json.loads(b"".join(blocks(given, f"{root}{TOLD}")))
    task = Task(told, given, folder, stopping, found.get("Models", {}))
    result = work(task)
    if stopping():
        raise Stopped
    task.write(f"{root}{DID}", json.dumps(result))
