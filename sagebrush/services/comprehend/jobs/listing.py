"""Pages of the List operations of asynchronous jobs.

Source: Amazon Comprehend API reference: newest first, but oldest first for jobs before a time; of topics
jobs after a time are told oldest first, and others newest first.
"""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.services.comprehend import paging
from sagebrush.services.comprehend.jobs import families
from sagebrush.services.comprehend.jobs.families import Family
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def page(ctx: Ctx, family: Family, request: Doc) -> tuple[list[Row], str | None]:
    """The rows of the page that a request asks for, and the token of the next one.

    Raises InvalidFilterException (400) for several filters at once, and InvalidRequestException (400) for
    a token that no list gave.
    """
    wanted = request.get("Filter") or {}
    paging.check(wanted)
    statuses = [wanted["JobStatus"]] if "JobStatus" in wanted else []
    found = [
        row
        for row in ctx.world.rows.select(family.kind, statuses, account=ctx.account)
        if row.region == ctx.region and _fits(row, wanted)
    ]
    first = paging.TIMES[1 if family is families.TOPICS else 0]
    return paging.page(found, request, paging.alone(wanted, first))


def _fits(row: Row, wanted: Doc) -> bool:
    named = "JobName" not in wanted or row.doc.get("JobName") == wanted["JobName"]
    return named and paging.in_time(row, wanted)
