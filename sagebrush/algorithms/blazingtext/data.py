"""BlazingText's channels: files of `__label__` lines, and augmented manifests as such lines.

Source: Amazon SageMaker AI Developer Guide, BlazingText algorithm, Input/Output Interface.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .parameters import ClientError

PREFIX = b"__label__"
_BREAKS = re.compile(r"[ \t\n\r\v\f\0]+")
"""The white space of fastText, and no other: the endpoint must split words in the same way."""
FIRST = 16 << 20
"""Bytes up to which a first line is looked at."""


def is_manifest(file: Path) -> bool:
    """Whether the file's first line with content is a JSON object with `source`."""
    with file.open("rb") as source:
        while line := source.readline(FIRST):
            line = line.removeprefix(b"\xef\xbb\xbf").strip()
            if line:
                return _is_sample(line)
    return False


def samples(source: BinaryIO, file: Path) -> Iterator[bytes]:
    """The samples of an augmented manifest as `__label__` lines without their newline; raises
    ClientError for what is malformed."""
    for number, raw in enumerate(source, 1):
        line = raw.strip()
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line:
            yield _from_manifest(line, f"{file.name}, line {number}")


def _is_sample(line: bytes) -> bool:
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        sample = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(sample, dict) and "source" in sample


def _from_manifest(line: bytes, where: str) -> bytes:
    """The `__label__` line of one line of an augmented manifest; raises ClientError."""
    try:
        sample = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ClientError(f"{where}: not JSON ({error})") from None
    if not isinstance(sample, dict):
        raise ClientError(f"{where}: not a JSON object")
    for name in ("source", "label"):
        if name not in sample:
            raise ClientError(f"{where}: {name!r} is missing")
    if not isinstance(sample["source"], str):
        raise ClientError(f"{where}: 'source' must be a string")
    given = sample["label"] if isinstance(sample["label"], list) else [sample["label"]]
    named = [_label(label, where) for label in given]
    # A sentence is one line, and no word of it is a label.
    words = [t for t in _BREAKS.split(sample["source"]) if t and not t.startswith("__label__")]
    return " ".join([*named, *words]).encode("utf-8", "replace")


def _label(label: object, where: str) -> str:
    if isinstance(label, bool) or not isinstance(label, int | str) or label == "":
        raise ClientError(f"{where}: a label must be a number or a string, not {label!r}")
    text = str(label)
    if text.split() != [text]:
        raise ClientError(f"{where}: the label {text!r} holds white space")
    return text if text.startswith("__label__") else f"__label__{text}"
