"""CSV files of training data, by the names of their columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from ...failures import JobFailed


def rows(
    file: str, content: str, needed: Sequence[str], other: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """The line and the values of each row, by the columns' names as `needed` and `other` write them; the
    header may write them in capitals or not, and in another order. Values have no spaces around them.
    Raises JobFailed for a header without a needed column, and for a row that lacks a value."""
    # An entry of a list may have 5,000 characters; the csv module itself takes 131,072.
    reader = csv.reader(io.StringIO(content, newline=""), skipinitialspace=True, strict=True)
    try:
        header = [each.strip().casefold() for each in next(reader, [])]
        places = {
            name: header.index(name.casefold())
            for name in (*needed, *other)
            if name.casefold() in header
        }
        if any(name not in places for name in needed):
            columns = ", ".join(needed)
            raise JobFailed(
                f"INVALID_CSV: The first line of the file {file} must have the columns {columns}."
            )
        for row in reader:
            if not any(each.strip() for each in row):
                continue
            if len(row) <= max(places.values()):
                raise JobFailed(
                    f"INVALID_CSV: Line {reader.line_num} of the file {file} has too few columns."
                )
            yield reader.line_num, {name: row[at].strip() for name, at in places.items()}
    except csv.Error:
        raise JobFailed(
            f"INVALID_CSV: Line {reader.line_num} of the file {file} cannot be read."
        ) from None
