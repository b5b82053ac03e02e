"""Pages of the lists of custom models, of every version and of names.

Source: Amazon Comprehend API reference: newest first, but for the one filter by time of which each kind's
filter says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.errors import Doc
from sagebrush.services.comprehend import paging
from sagebrush.services.comprehend.training.families import Family, base
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def page(ctx: Ctx, family: Family, request: Doc) -> tuple[list[Row], str | None]:
    """The models of the page that a request asks for, and the token of the next one.

    Raises InvalidFilterException (400) for several filters at once, and InvalidRequestException (400) for
    a token that no list gave.
    """
    wanted = request.get("Filter") or {}
    paging.check(wanted)
    found = [row for row in _rows(ctx, family, wanted.get("Status")) if _fits(family, row, wanted)]
    return paging.page(found, request, paging.alone(wanted, family.first))


def names(ctx: Ctx, family: Family, request: Doc) -> tuple[list[Doc], str | None]:
    """Summaries of the names on the page that a request asks for, that of the latest model first, and
    the token of the next page. Raises InvalidRequestException (400) as `page`."""
    versions: dict[str, list[Row]] = {}
    for row in _rows(ctx, family, None):
        versions.setdefault(base(row.name), []).append(row)
    latest = sorted((rows[-1] for rows in versions.values()), key=lambda r: (r.created, r.id))
    rows, token = paging.page(latest, request, upwards=False)
    return [_summary(family, row, len(versions[base(row.name)])) for row in rows], token


def _rows(ctx: Ctx, family: Family, status: str | None) -> Sequence[Row]:
    """The account's models, oldest first."""
    found = ctx.world.rows.select(family.kind, [status] if status else [], account=ctx.account)
    return [row for row in found if row.region == ctx.region]


def _fits(family: Family, row: Row, wanted: Doc) -> bool:
    name = wanted.get(family.name_member)
    return name in (None, base(row.name)) and paging.in_time(row, wanted)


def _summary(family: Family, row: Row, versions: int) -> Doc:
    found: Doc = {
        family.name_member: base(row.name),
        "NumberOfVersions": versions,
        "LatestVersionCreatedAt": row.doc["SubmitTime"],
        "LatestVersionStatus": row.status,
    }
    if "VersionName" in row.doc:
        found["LatestVersionName"] = row.doc["VersionName"]
    return found
