"""Files of data sets as rows: CSV with a header, JSON lines; those that end in .gz are unpacked."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any


def text(file: Path) -> str:
    """What a file of text holds."""
    kept = file.read_bytes()
    return (gzip.decompress(kept) if file.suffix == ".gz" else kept).decode("utf-8")


def table(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by the names of its columns."""
    return list(csv.DictReader(io.StringIO(text(file), newline="")))


def lines(file: Path) -> list[dict[str, Any]]:
    """The documents of a file of JSON lines."""
    return [json.loads(line) for line in text(file).split("\n") if line]
