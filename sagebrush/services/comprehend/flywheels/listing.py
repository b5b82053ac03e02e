"""Pages of the List operations of flywheels, data sets and iterations, newest first.

Source: Amazon Comprehend API reference, ListFlywheels, ListDatasets, ListFlywheelIterationHistory.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import paging
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

AFTER, BEFORE = "CreationTimeAfter", "CreationTimeBefore"


def page(rows: Sequence[Row], request: Doc, alone: bool = False) -> tuple[list[Row], str | None]:
    """Those of `rows`, which come oldest first, that are on the page, and the token of the next one.

    Raises InvalidFilterException (400) for times that exclude each other and, where one filter must be
    `alone`, for several; InvalidRequestException (400) for a token that no list gave.
    """
    wanted = request.get("Filter") or {}
    _check(wanted, alone)
    return paging.page([row for row in rows if _fits(row, wanted)], request, upwards=False)


def below(ctx: Ctx, kind: str, name: str = "") -> list[Row]:
    """The rows of the kind in the context's account and region, oldest first: those of the flywheel of
    that name, where one is given."""
    start = f"{name}/" if name else ""
    rows = ctx.world.rows.select(kind, account=ctx.account)
    return [row for row in rows if row.region == ctx.region and row.name.startswith(start)]


def _check(wanted: Doc, alone: bool) -> None:
    kinds = {"time" if member in (AFTER, BEFORE) else member for member in wanted}
    if alone and len(kinds) > 1:
        raise AwsError("InvalidFilterException", "You can only set one filter at a time.")
    if AFTER in wanted and BEFORE in wanted and wanted[BEFORE] <= wanted[AFTER]:
        words = f"{AFTER} must be before {BEFORE}."
        raise AwsError("InvalidFilterException", words)


def _fits(row: Row, wanted: Doc) -> bool:
    if "Status" in wanted and row.status != wanted["Status"]:
        return False
    if "DatasetType" in wanted and row.doc.get("DatasetType") != wanted["DatasetType"]:
        return False
    created = row.doc["CreationTime"]
    if AFTER in wanted and created <= wanted[AFTER]:
        return False
    return not (BEFORE in wanted and created >= wanted[BEFORE])
