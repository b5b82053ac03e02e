"""Pages of the List operations of asynchronous jobs: filters, order, tokens.

Source: Amazon Comprehend API reference: newest first, but oldest first for jobs before a time; of topics
jobs after a time are told oldest first, and others newest first.
"""

from __future__ import annotations

import base64

from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend.jobs import families
from sagebrush.services.comprehend.jobs.families import Family
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

MOST = 100
"""Jobs of a page whose size is not given."""
TIMES = ("SubmitTimeBefore", "SubmitTimeAfter")


def page(ctx: Ctx, family: Family, request: Doc) -> tuple[list[Row], str | None]:
    """The rows of the page that a request asks for, and the token of the next one.

    Raises InvalidFilterException (400) for several filters at once, and InvalidRequestException (400) for
    a token that no list gave.
    """
    wanted = request.get("Filter") or {}
    _check(wanted)
    upwards = _upwards(family, wanted)
    after = _after(request.get("NextToken"))
    statuses = [wanted["JobStatus"]] if "JobStatus" in wanted else []
    found = [
        row
        for row in ctx.world.rows.select(family.kind, statuses, account=ctx.account)
        if row.region == ctx.region and _fits(row, wanted)
    ]
    if not upwards:
        found.reverse()
    if after is not None:
        found = [row for row in found if (_place(row) > after) == upwards and _place(row) != after]
    size = request.get("MaxResults", MOST)
    kept = found[:size]
    return kept, _token(kept[-1]) if len(found) > size else None


def _check(wanted: Doc) -> None:
    kinds = {"time" if member in TIMES else member for member in wanted}
    if len(kinds) > 1:
        raise AwsError("InvalidFilterException", "You can only set one filter at a time.")
    if all(member in wanted for member in TIMES) and wanted[TIMES[0]] <= wanted[TIMES[1]]:
        raise AwsError("InvalidFilterException", "SubmitTimeAfter must be before SubmitTimeBefore.")


def _upwards(family: Family, wanted: Doc) -> bool:
    """Whether the oldest come first."""
    alone = set(TIMES) & set(wanted)
    return alone == {TIMES[1 if family is families.TOPICS else 0]}


def _fits(row: Row, wanted: Doc) -> bool:
    if "JobName" in wanted and row.doc.get("JobName") != wanted["JobName"]:
        return False
    submitted = row.doc["SubmitTime"]
    if TIMES[0] in wanted and submitted >= wanted[TIMES[0]]:
        return False
    return not (TIMES[1] in wanted and submitted <= wanted[TIMES[1]])


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
