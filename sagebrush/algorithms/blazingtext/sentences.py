"""The text of word vectors: files of one sentence a line, or JSON Lines with `source`."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

from .parameters import ClientError

_BLOCK = 1 << 23
"""Bytes that are looked at at a time."""


def plain(file: Path, scratch: Path) -> Path:
    """The file itself, or one in `scratch` with the `source` of each of its samples as a line, where
    its first line is a JSON object with `source`. Raises ClientError for a line that is none, and for
    text that is not UTF-8: gensim and spaCy could not read its words.
    """
    with file.open("rb") as source:
        # A text may be one line of any length; a sample that is longer is none.
        head = source.readline(1 << 20)
        if not head.removeprefix(b"\xef\xbb\xbf").startswith(b"{") or not _is_sample(head):
            _check(file)
            return file
        source.seek(0)
        made = scratch / f"{len(list(scratch.iterdir()))}.txt"
        with made.open("wb") as out:
            for number, line in enumerate(source, 1):
                if line.strip():
                    out.write(_sentence(line, f"{file.name}, line {number}") + b"\n")
    return made


def _check(file: Path) -> None:
    """Raises ClientError, with the line, where the file is not UTF-8."""
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with file.open("rb") as source:
        while block := source.read(_BLOCK):
            try:
                if decoder.getstate()[0] or not block.isascii():
                    decoder.decode(block)
            except UnicodeDecodeError as error:
                lines += error.object[: error.start].count(b"\n")
                raise ClientError(f"{file.name}, line {lines}: not UTF-8 ({error})") from None
            lines += block.count(b"\n")
    if decoder.getstate()[0]:
        raise ClientError(f"{file.name}, line {lines}: not UTF-8 (it ends within a character)")


def _is_sample(line: bytes) -> bool:
    try:
        sample = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return isinstance(sample, dict) and "source" in sample


def _sentence(line: bytes, where: str) -> bytes:
    try:
        sample = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ClientError(f"{where}: not JSON ({error})") from None
    if not isinstance(sample, dict) or not isinstance(sample.get("source"), str):
        raise ClientError(f"{where}: 'source' must be a string")
    return " ".join(sample["source"].split()).encode("utf-8", "replace")
