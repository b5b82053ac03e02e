"""A channel in Pipe mode, as one of File mode with one file.

Source: Amazon SageMaker AI Developer Guide, BlazingText algorithm, "Train with Augmented Manifest Text
Format": AttributeNames are `source` and `label`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from contract.channels import Channel
from contract.errors import ClientError
from contract.recordio import records

LABEL = b"__label__"


def as_files(channel: Channel, scratch: Path, labelled: bool = True) -> Channel:
    """The channel; for one in Pipe mode one with its stream as a file, in a new folder in `scratch`.
    Raises ClientError.

    Records of a channel that is not `labelled` are sentences, with no label behind each.
    """
    if not channel.streamed:
        return channel
    made = scratch / f"{channel.name}-pipe"
    made.mkdir()
    with channel.opened(0) as fifo, (made / "data").open("wb") as out:
        if not channel.wrapped:
            shutil.copyfileobj(fifo, out, 1 << 20)
        else:
            found = records(fifo)
            out.writelines(_lines(found, channel.name) if labelled else map(_line, found))
    return replace(channel, folder=made, mode="File")


def _lines(found: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Records of whole texts as they are; those of an augmented manifest's attributes, a sentence and
    its label in turn, as the lines that they come from."""
    for first in found:
        if LABEL in first:
            yield _line(first)
            continue
        label = next(found, None)
        if label is None:
            raise ClientError(f"The channel {name!r} ends with a sentence that has no label")
        sample = {"source": first.decode("utf-8", "replace"), "label": _value(label)}
        yield json.dumps(sample).encode() + b"\n"


def _line(record: bytes) -> bytes:
    return record if record.endswith(b"\n") else record + b"\n"


def _value(text: bytes) -> object:
    """A label as the manifest has it: a number, a list, or a string."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, int | list) and not isinstance(found, bool):
        return found
    return text.decode("utf-8", "replace")
