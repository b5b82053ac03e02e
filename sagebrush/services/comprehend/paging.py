"""Pages of the List operations of jobs and of models: filters by time, order, tokens."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row

MOST = 100
"""Entries of a page whose size is not given."""
TIMES = ("SubmitTimeBefore", "SubmitTimeAfter")


def check(wanted: Doc) -> None:
    """Returns for a filter that AWS takes. Raises InvalidFilterException (400) for several at once."""
    kinds = {"time" if member in TIMES else member for member in wanted}
    if len(kinds) > 1:
        raise AwsError("InvalidFilterException", "You can only set one filter at a time.")
    if all(member in wanted for member in TIMES) and wanted[TIMES[0]] <= wanted[TIMES[1]]:
        raise AwsError("InvalidFilterException", "SubmitTimeAfter must be before SubmitTimeBefore.")


def in_time(row: Row, wanted: Doc) -> bool:
    """Whether the row was submitted when the filter says."""
    submitted = row.doc["SubmitTime"]
    if TIMES[0] in wanted and submitted >= wanted[TIMES[0]]:
        return False
    return not (TIMES[1] in wanted and submitted <= wanted[TIMES[1]])


def alone(wanted: Doc, member: str) -> bool:
    """Whether the filter has that one time."""
    return set(TIMES) & set(wanted) == {member}


def page(found: Sequence[Row], request: Doc, upwards: bool) -> tuple[list[Row], str | None]:
    """Those of the rows, given oldest first, on the page that a request asks for, and the token of the
    next one; `upwards`: the oldest come first. Raises InvalidRequestException (400) for a token that no
    list gave."""
    after = _after(request.get("NextToken"))
    rows = [*found] if upwards else [*reversed(found)]
    if after is not None:
        rows = [row for row in rows if (_place(row) > after) == upwards and _place(row) != after]
    size = request.get("MaxResults", MOST)
    kept = rows[:size]
    return kept, _token(kept[-1]) if len(rows) > size else None


def _place(row: Row) -> tuple[float, int]:
    return row.created, row.id


def _token(row: Row) -> str:
    return base64.urlsafe_b64encode(f"[{row.created!r}, {row.id}]".encode()).decode()


def _after(token: str | None) -> tuple[float, int] | None:
    if token is None:
        return None
    try:
        created, number = json_of(base64.urlsafe_b64decode(token))
        return float(created), int(number)
    except (ValueError, TypeError, OverflowError) as error:
        raise AwsError("InvalidRequestException", "Invalid NextToken.") from error
