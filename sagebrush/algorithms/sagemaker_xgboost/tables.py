"""Bytes as numbers: CSV, libsvm and Parquet.

libsvm: `<label>[:<weight>] [qid:<query>] <column>:<value> …`, columns counted from zero, as XGBoost reads
it ("Text Input Format of DMatrix" in its documentation).
"""

from __future__ import annotations

import csv as csv_module
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from contract.errors import ClientError

DELIMITERS = ",\t;| "
MAGIC = b"PAR1"
"""What a Parquet file begins and ends with."""
_QUERY = re.compile(rb"\bqid:(\d+)")
CHUNK = 1 << 26
"""Bytes of libsvm lines that are read at a time."""


def delimiter(line: str) -> str:
    """The delimiter of CSV whose first line that is; raises ClientError."""
    try:
        found = csv_module.Sniffer().sniff(line, DELIMITERS).delimiter
    except csv_module.Error as error:
        for each in DELIMITERS:  # a line without digits enough to judge by
            if each in line.strip():
                return each
        raise ClientError(f"Could not determine delimiter on line {line[:50]}:\n{error}") from None
    return found


def first_line(source: Any) -> str:
    """The first line, or its beginning, of a buffered source, which is still to be read."""
    return (
        source.peek(65536)[:65536].split(b"\n", 1)[0].decode("utf-8", "replace").strip("\r\ufeff")
    )


def csv(
    source: BinaryIO, delimiter: str, again: Callable[[], BinaryIO] | None = None
) -> np.ndarray:
    """The numbers, float32, NaN where a cell is empty; raises ValueError, which names the line.

    `again` opens the source once more, where it is a file."""
    import pandas  # pyright: ignore[reportMissingImports]

    try:
        frame = pandas.read_csv(
            source, header=None, sep=delimiter, dtype=np.float32, encoding="utf-8"
        )
    except pandas.errors.EmptyDataError:
        return np.zeros((0, 2), np.float32)
    except (ValueError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        fault = _fault(again(), delimiter) if again else ""
        raise ValueError(fault or str(error)) from None
    numbers = frame.to_numpy()
    # pandas fills short lines up: they are told from lines that end in empty cells.
    short = again and numbers.shape[1] > 1 and np.isnan(numbers[:, -1]).any()
    if again and short and (fault := _fault(again(), delimiter)):
        raise ValueError(fault)
    return numbers


def _fault(source: BinaryIO, delimiter: str) -> str:
    """What is wrong with the first bad line, "" where none is."""
    width = 0
    with io.TextIOWrapper(source, "utf-8", errors="replace", newline="") as text:
        for number, cells in enumerate(csv_module.reader(text, delimiter=delimiter), 1):
            bad = next(((place, c) for place, c in enumerate(cells, 1) if not _number(c)), None)
            if bad:
                header = ": CSV for XGBoost has no header line" if number == 1 else ""
                return f"line {number}, column {bad[0]}: {bad[1][:50]!r} is not a number{header}"
            width = width or len(cells)
            if cells and len(cells) != width:
                return f"line {number}: expected {width} columns, saw {len(cells)}"
    return ""


def _number(cell: str) -> bool:
    if not cell.strip() or cell.strip() in ("NA", "N/A", "NULL", "null", "None"):
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def parquet(source: BinaryIO) -> Iterator[np.ndarray]:
    """The numbers of each Parquet file in the source, which may hold several one after another, as a
    stream does. Raises ValueError."""
    import pyarrow.parquet  # pyright: ignore[reportMissingImports]

    for content in _parquet_files(source.read()):
        try:
            # pandas knows which columns are an index, which `to_parquet` writes beside the data.
            frame = pyarrow.parquet.read_table(io.BytesIO(content)).to_pandas()
            yield frame.to_numpy(dtype=np.float32)
        except TypeError as error:
            raise ValueError(str(error)) from None


def _parquet_files(data: bytes) -> list[bytes]:
    if not data.startswith(MAGIC) or not data.endswith(MAGIC):
        raise ValueError("it is not a Parquet file: the magic bytes PAR1 are missing")
    ends = [found.start() + 4 for found in re.finditer(re.escape(MAGIC * 2), data)]
    files, begun = [], 0
    for end in [*ends, len(data)]:
        length = int.from_bytes(data[end - 8 : end - 4], "little")
        if length + 12 <= end - begun:  # else the bytes only look like an end
            files.append(data[begun:end])
            begun = end
    return files


@dataclass(frozen=True)
class Sparse:
    """libsvm's rows: row i has `values` at `columns[ends[i]:ends[i + 1]]`."""

    labels: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    ends: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None

    @property
    def width(self) -> int:
        """One more than the highest column."""
        return int(self.columns.max()) + 1 if len(self.columns) else 1


def libsvm(source: BinaryIO) -> Sparse:
    """The rows; raises ValueError in the container's words, with `{file}` for the file's name."""
    parts = []
    while lines := source.readlines(CHUNK):
        lines = [line for line in (each.split(b"#", 1)[0].strip() for each in lines) if line]
        if lines:
            parts.append(_rows(lines))
    if not parts:
        none = np.zeros(0, np.float32)
        return Sparse(none, np.zeros(0, np.int64), none, np.zeros(1, np.int64), None, None)
    starts = np.cumsum([0, *(len(part.values) for part in parts)])
    ends = [part.ends[1:] + start for part, start in zip(parts, starts)]
    column = lambda name: np.concatenate([getattr(part, name) for part in parts])  # noqa: E731
    given = lambda name: all(getattr(part, name) is not None for part in parts)  # noqa: E731
    return Sparse(
        column("labels"), column("columns"), column("values"),
        np.concatenate([np.zeros(1, np.int64), *ends]),
        column("weights") if given("weights") else None,
        column("groups") if given("groups") else None,
    )  # fmt: skip


def _rows(lines: list[bytes]) -> Sparse:
    groups = None
    if b"qid:" in lines[0]:
        queries = [_QUERY.search(line) for line in lines]
        if None in queries:
            raise _bad(lines[queries.index(None)])
        groups = np.array([int(query[1]) for query in queries if query], np.int64)
        lines = [_QUERY.sub(b"", line) for line in lines]
    weighted = b":" in lines[0].split(None, 1)[0]
    counts = np.array([line.count(b":") for line in lines], np.int64) - weighted
    text = b" ".join(lines)
    if re.search(rb"[^0-9eE+\-.:\s\w]|[A-DF-Za-df-z_]", text):
        raise _first_bad(lines, weighted)
    try:
        flat = np.array(text.replace(b":", b" ").split(), np.float64)
    except ValueError:
        raise _first_bad(lines, weighted) from None
    head = 1 + weighted
    begins = np.concatenate(([0], np.cumsum(head + 2 * counts)))
    if (counts < 0).any() or begins[-1] != len(flat):
        raise _first_bad(lines, weighted)
    mask = np.ones(len(flat), bool)
    mask[begins[:-1]] = False
    if weighted:
        mask[begins[:-1] + 1] = False
    pairs = flat[mask].reshape(-1, 2)
    columns = pairs[:, 0].astype(np.int64)
    if len(columns) and (columns.min() < 0 or (columns != pairs[:, 0]).any()):
        raise _first_bad(lines, weighted)
    return Sparse(
        flat[begins[:-1]].astype(np.float32), columns, pairs[:, 1].astype(np.float32),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        flat[begins[:-1] + 1].astype(np.float32) if weighted else None, groups,
    )  # fmt: skip


_LINE = re.compile(
    rb"[-+]?[\d.]+(?:[eE][-+]?\d+)?(?::[\d.eE+-]+)?(?:\s+\d+:[-+]?[\d.]+(?:[eE][-+]?\d+)?)*"
)


def _first_bad(lines: list[bytes], weighted: bool) -> ValueError:
    for line in lines:
        if not _LINE.fullmatch(line) or (b":" in line.split(None, 1)[0]) != weighted:
            return _bad(line)
    return _bad(lines[0])


def _bad(line: bytes) -> ValueError:
    snippet = line[:50].decode("utf-8", "replace")
    return ValueError(
        f"First line '{snippet}...' of file '{{file}}' is not 'LIBSVM' format. Please ensure the file"
        " is in 'LIBSVM' format."
    )
