"""Pages of ListEndpoints: filter and order.

Source: Amazon Comprehend API reference, EndpointFilter: endpoints before a time are told oldest first, and
others newest first.
"""

from __future__ import annotations

from collections.abc import Iterable

from sagebrush.errors import Doc
from sagebrush.services.comprehend import paging
from sagebrush.store.rows import Row

BEFORE, AFTER = "CreationTimeBefore", "CreationTimeAfter"


def page(rows: Iterable[Row], request: Doc) -> tuple[list[Row], str | None]:
    """The rows of the page that the request asks for, and the token of the next one.

    Raises InvalidRequestException (400) for a token that no list gave.
    """
    wanted = request.get("Filter") or {}
    upwards = BEFORE in wanted and AFTER not in wanted
    found = sorted(rows, key=lambda row: (row.created, row.id))
    return paging.page([row for row in found if _fits(row, wanted)], request, upwards)


def _fits(row: Row, wanted: Doc) -> bool:
    if "Status" in wanted and row.status != wanted["Status"]:
        return False
    if "ModelArn" in wanted and row.doc["ModelArn"] != wanted["ModelArn"]:
        return False
    created = row.doc["CreationTime"]
    if BEFORE in wanted and created >= wanted[BEFORE]:
        return False
    return not (AFTER in wanted and created <= wanted[AFTER])
