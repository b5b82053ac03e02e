"""The items in files that an ItemReader reads, one by one as their bytes arrive. Pure.

Source: Step Functions developer guide, "ItemReader (Map)". What cannot be read fails the Map state with
`States.ItemReaderFailed`.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from sagebrush.asl.values import LARGEST, read, strict
from sagebrush.errors import Doc

DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
NOT_ITERABLE = "Attempting to map over non-iterable node."
_SPACE = " \t\r\n"
_NUMBER = re.compile("[-+.eE0-9]*")
"""What a number that is still arriving may go on with."""


class Unreadable(Exception):
    """What the reader got holds no items; the text says why."""


def items(chunks: Iterable[bytes], config: Doc) -> Iterator[Any]:
    """The items in a file of the `InputType` that a ReaderConfig names. Raises Unreadable."""
    kind = config.get("InputType")
    if kind == "CSV":
        return delimited(chunks, config)
    if kind == "JSONL":
        return json_lines(chunks)
    return json_items(chunks, str(config.get("ItemsPointer") or ""))


def texts(chunks: Iterable[bytes]) -> Iterator[str]:
    """The text of a file in UTF-8, with or without a byte order mark. Raises Unreadable."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Unreadable(f"The file is not encoded in UTF-8: {error.reason}") from None


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a file with their ends. Raises Unreadable."""
    left: list[str] = []
    size = 0
    for text in texts(chunks):
        first, *more = text.split("\n")
        left.append(first)
        size += len(first)
        if size > LARGEST:
            raise Unreadable(f"A line of the file is longer than {LARGEST} characters")
        for line in more:
            yield "".join(left) + "\n"
            left, size = [line], len(line)
    if size:
        yield "".join(left)


def json_lines(chunks: Iterable[bytes]) -> Iterator[Any]:
    """The values of a JSON Lines file; empty lines are passed over. Raises Unreadable."""
    for number, line in enumerate(lines(chunks), 1):
        if line.strip():
            try:
                yield read(line)
            except ValueError as error:
                raise Unreadable(f"Line {number} is not valid JSON: {error}") from None


def delimited(chunks: Iterable[bytes], config: Doc) -> Iterator[Doc]:
    """The rows of a delimited file as objects of texts; a row that is too short has empty ones, what is
    beyond the headers is left out (recorded: localstack test_map_item_reader_csv_*). Raises Unreadable.
    """
    delimiter = DELIMITERS[config.get("CSVDelimiter", "COMMA")]
    csv.field_size_limit(LARGEST)  # 128 KiB without: less than an item may have
    # a backslash before a backslash, a quote or the delimiter escapes it, and is left out before others
    rows = csv.reader(lines(chunks), delimiter=delimiter, escapechar="\\")
    try:
        headers = config.get("CSVHeaders")
        if config.get("CSVHeaderLocation", "FIRST_ROW") == "FIRST_ROW" or headers is None:
            headers = next(rows, [])
        for row in rows:
            if row:
                filled = row + [""] * (len(headers) - len(row))
                yield dict(zip(headers, filled, strict=False))
    except csv.Error as error:
        raise Unreadable(f"The file is not valid: {error}") from None


def json_items(chunks: Iterable[bytes], pointer: str) -> Iterator[Any]:
    """The elements of the JSON array in the file, or of the one that a JSON pointer names within.

    Raises Unreadable. Only a file with a pointer is held in memory as a whole.
    """
    if pointer:
        try:
            found = pointed(read("".join(texts(chunks))), pointer)
        except ValueError as error:
            raise Unreadable(f"The file is not valid JSON: {error}") from None
        if not isinstance(found, list):
            raise Unreadable(NOT_ITERABLE)
        yield from found
        return
    yield from _Elements(texts(chunks)).read()


def pointed(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) names; raises Unreadable where there is nothing."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(key)] if isinstance(document, list) else document[key]
        except (KeyError, IndexError, TypeError, ValueError):
            raise Unreadable(f"The ItemsPointer {pointer} could not be found") from None
    return document


class _Elements:
    """Reads the elements of an array as its text arrives."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._left = ""
        self._ended = False

    def _more(self, least: int = 1) -> bool:
        """At least so many further characters are there, where the text has them."""
        parts = [self._left]
        while least > 0:
            text = next(self._texts, None)
            if text is None:
                self._ended = True
                break
            parts.append(text)
            least -= len(text)
        self._left = "".join(parts)
        return not self._ended or len(parts) > 1

    def _next(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            self._left = self._left.lstrip(_SPACE)
            if self._left or not self._more():
                return self._left[:1]

    def read(self) -> Iterator[Any]:
        first = self._next()
        if first != "[":
            raise Unreadable(NOT_ITERABLE if first else "The file is empty")
        self._left = self._left[1:]
        if self._next() == "]":
            return
        while True:
            yield self._element()
            after = self._next()
            self._left = self._left[1:]
            if after == "]":
                return
            if after != ",":
                raise Unreadable("The file is not valid JSON: an array's element ends unexpectedly")
            self._next()

    def _element(self) -> Any:
        while True:
            try:
                value, end = strict.raw_decode(self._left)
            except (ValueError, RecursionError, OverflowError) as error:
                if self._ended or len(self._left) > LARGEST:
                    raise Unreadable(f"The file is not valid JSON: {error}") from None
            else:
                going_on = _NUMBER.match(self._left, end)
                assert going_on is not None
                if going_on.end() < len(self._left) or self._ended:
                    self._left = self._left[end:]
                    return value
            self._more(max(1, len(self._left)))


def athena(chunks: Iterable[bytes]) -> Iterator[Doc]:
    """Bucket and Key of each file that the manifest of an Athena UNLOAD names, an S3 URI a line.

    Raises Unreadable. Source: Amazon Athena user guide, "UNLOAD" (`QUERY_ID-manifest.csv`).
    """
    for line in lines(chunks):
        place = line.strip().strip('"')
        if place:
            bucket, _, key = place.removeprefix("s3://").partition("/")
            if not (place.startswith("s3://") and bucket and key):
                raise Unreadable(f"The manifest is not one of Athena: {place} is no S3 URI")
            yield {"Bucket": bucket, "Key": key}


def inventory(manifest: Any) -> tuple[str, list[str], list[str]]:
    """Of the manifest of an S3 inventory: the bucket, the keys of its files, the names of its columns.

    Raises Unreadable. Source: Amazon S3 user guide, "Locating your inventory list".
    """
    try:
        files = [str(file["key"]) for file in manifest["files"]]
        bucket = str(manifest["destinationBucket"]).rpartition(":")[2]
        schema = str(manifest["fileSchema"])
        kind = manifest["fileFormat"]
    except (KeyError, TypeError):
        raise Unreadable("The manifest is not one of an S3 inventory") from None
    if kind != "CSV":
        raise Unreadable(f"Sagebrush reads S3 inventories in CSV, not in {kind}")
    return bucket, files, [name.strip() for name in schema.split(",")]


def inventoried(chunks: Iterable[bytes], columns: list[str]) -> Iterator[Doc]:
    """The objects that a file of an inventory lists."""
    config = {"CSVHeaderLocation": "GIVEN", "CSVHeaders": columns}
    for row in delimited(chunks, config):
        yield {**row, "Key": unquote_plus(row["Key"])} if "Key" in row else row
