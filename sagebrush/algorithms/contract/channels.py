"""A job's channels: what their content type says, and their bytes, as files or as a stream (Pipe).

Sources: Amazon SageMaker AI Developer Guide, "How Amazon SageMaker AI Provides Training Information"
(inputdataconfig.json; FIFOs `<channel>_0`, `<channel>_1`, one for each epoch) and "Common data formats
for training" (`text/csv;label_size=0`).
"""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from . import errors, recordio

RECORDIO_PROTOBUF = "application/x-recordio-protobuf"
CSV = "text/csv"
FIFO_WAIT = 60.0
"""Seconds that the FIFO of a later epoch may take to appear."""
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Channel:
    """One channel of the job; nothing of it has been read yet."""

    name: str
    content_type: str
    """In lower case, without parameters; "" where the request names none."""
    folder: Path
    """/opt/ml/input/data/<name>; in Pipe mode the FIFOs lie beside it."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the content type: `label_size`."""
    mode: str = "File"
    """File, FastFile or Pipe."""
    wrapped: bool = False
    """Whether each object comes as one RecordIO record (RecordWrapperType)."""

    @property
    def streamed(self) -> bool:
        """Whether it is in Pipe mode."""
        return self.mode == "Pipe"

    def files(self, epoch: int = 0) -> Iterator[tuple[str, BinaryIO]]:
        """(name, open file) of each file with content, by name; in Pipe mode the epoch's stream as the
        only one, or the objects that are wrapped in it. Raises ClientError where there is none."""
        if self.streamed:
            with self.opened(epoch) as stream:
                name = f"{self.name}_{epoch}"
                if not self.wrapped:
                    yield name, stream
                    return
                for number, content in enumerate(recordio.records(stream)):
                    yield f"{name}, object {number}", io.BytesIO(content)
            return
        for file in self.paths():
            with file.open("rb", buffering=_BUFFER) as source:
                yield str(file.relative_to(self.folder)), source

    def paths(self) -> list[Path]:
        """The channel's files with content, by name; raises ClientError where there is none."""
        if not self.folder.is_dir():
            raise errors.empty(self.name, f"the folder {self.folder} does not exist")
        # A manifest of the platform lies next to the channel's folder, never in it.
        found = sorted(f for f in self.folder.rglob("*") if f.is_file())
        if not found:
            raise errors.empty(self.name, "the channel holds no file")
        found = [f for f in found if f.stat().st_size]
        if not found:
            raise errors.empty(self.name, "the channel holds only empty files")
        return found

    def opened(self, epoch: int) -> BinaryIO:
        """The stream of one epoch in Pipe mode, to be closed by the caller; waits until the platform
        begins to write. Raises ClientError where there is no such FIFO."""
        fifo = self.folder.parent / f"{self.name}_{epoch}"
        until = time.monotonic() + (FIFO_WAIT if epoch else 0)
        while not fifo.exists():
            # The next epoch's FIFO is made as the one before is opened.
            if time.monotonic() >= until:
                raise errors.empty(self.name, f"the FIFO {fifo} does not exist")
            time.sleep(0.01)
        return fifo.open("rb", buffering=_BUFFER)


def read(config: Mapping[str, Mapping[str, Any]], data: Path) -> dict[str, Channel]:
    """The channels that inputdataconfig.json describes; `data` is /opt/ml/input/data."""
    return {name: _channel(name, entry or {}, data / name) for name, entry in config.items()}


def check(
    channels: Mapping[str, Channel],
    required: Collection[str] = ("train",),
    optional: Collection[str] = (),
) -> None:
    """Raises ClientError for a channel that is missing, and for one that the algorithm lacks."""
    for name in required:
        if name not in channels:
            raise errors.misconfigured(f"'{name}' is a required property")
    if unknown := sorted(set(channels) - {*required, *optional}):
        verb = "was" if len(unknown) == 1 else "were"
        said = f"({', '.join(map(repr, unknown))} {verb} unexpected)"
        raise errors.misconfigured(f"Additional properties are not allowed {said}")


def content_type(text: str) -> tuple[str, dict[str, str]]:
    """(the type in lower case, its parameters) of `text/csv;label_size=0`."""
    base, *rest = text.split(";")
    pairs = (part.partition("=") for part in rest if part.strip())
    return base.strip().lower(), {k.strip().lower(): v.strip().strip('"') for k, _, v in pairs}


def _channel(name: str, entry: Mapping[str, Any], folder: Path) -> Channel:
    base, parameters = content_type(str(entry.get("ContentType") or ""))
    return Channel(
        name=name,
        content_type=base,
        folder=folder,
        parameters=parameters,
        mode=str(entry.get("TrainingInputMode") or "File"),
        wrapped=entry.get("RecordWrapperType") == "RecordIO",
    )
