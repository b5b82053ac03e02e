"""Pages of ListEndpoints: filter, order, tokens.

Source: Amazon Comprehend API reference, EndpointFilter: endpoints before a time are told oldest first, and
others newest first.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row

MOST = 100
"""Endpoints of a page whose size is not given."""
BEFORE, AFTER = "CreationTimeBefore", "CreationTimeAfter"


def page(rows: Sequence[Row], request: Doc) -> tuple[list[Row], str | None]:
    """The rows of the page that the request asks for, and the token of the next one.

    Raises InvalidRequestException (400) for a token that no list gave.
    """
    wanted = request.get("Filter") or {}
    upwards = BEFORE in wanted and AFTER not in wanted
    after = _after(request.get("NextToken"))
    found = sorted(
        (row for row in rows if _fits(row, wanted)), key=_place, reverse=not upwards
    )
    if after is not None:
        found = [row for row in found if (_place(row) > after) == upwards and _place(row) != after]
    size = request.get("MaxResults", MOST)
    kept = found[:size]
    return kept, _token(kept[-1]) if len(found) > size else None


def _fits(row: Row, wanted: Doc) -> bool:
    if "Status" in wanted and row.status != wanted["Status"]:
        return False
    if "ModelArn" in wanted and row.doc["ModelArn"] != wanted["ModelArn"]:
        return False
    created = row.doc["CreationTime"]
    if BEFORE in wanted and created >= wanted[BEFORE]:
        return False
    return not (AFTER in wanted and created <= wanted[AFTER])


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
    except (ValueError, TypeError) as error:
        raise AwsError("InvalidRequestException", "Invalid NextToken.") from error
