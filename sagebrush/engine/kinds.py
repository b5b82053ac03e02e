"""Kind: the words a SageMaker-like resource needs so that generic verbs work on it."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush.names import Arn
from sagebrush.store.rows import Exists, Next, Row
from sagebrush.world import AwsError, Ctx, Doc, World

Reconcile = Callable[[World, Row], Next]
"""(world, leased row) -> Next. Repeatable, quick, outside any transaction; may run twice."""


@dataclass(frozen=True)
class Kind:
    """A resource's words. `name` is `Row.kind` and the ARN's resource type (`training-job`)."""

    name: str
    noun: str
    """As in operation names: `TrainingJob`."""
    missing: str = 'Could not find {words} "{arn}".'
    """The not-found message (SDKs decide existence from it); {words}, {arn}, {name}."""
    exists: str = 'Cannot create already existing {words} "{arn}".'
    exists_code: str = "ValidationException"
    missing_code: str = "ValidationException"
    has_status: bool = True
    summary: Sequence[str] = ()
    """Further members of the list's summaries, beside name, ARN, status and times."""
    list_member: str = ""
    """The list's member, where it is not `<Noun>s`."""
    reconcile: Reconcile | None = None
    fail: Callable[[World, Row, str], Next] | None = None
    """What the loop stores when it gives the resource up (None: status `Failed` and the reason)."""

    @property
    def id_member(self) -> str:
        return self.noun + "Name"

    @property
    def arn_member(self) -> str:
        return self.noun + "Arn"

    @property
    def status_member(self) -> str:
        return self.noun + "Status"

    @property
    def words(self) -> str:
        return self.name.replace("-", " ")

    def arn(self, ctx: Ctx, name: str) -> str:
        """The ARN of the resource `name`. SageMaker's ARNs are in lower case."""
        return str(Arn("sagemaker", ctx.region, ctx.account, f"{self.name}/{name.lower()}"))

    def say(self, template: str, ctx: Ctx, name: str) -> str:
        """A message of this kind, filled in."""
        return template.format(words=self.words, arn=self.arn(ctx, name), name=name)


def moment(seconds: float) -> dt.datetime:
    """`seconds` since the epoch as the UTC time that AWS documents hold, whole milliseconds."""
    return dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)


def create(
    ctx: Ctx,
    kind: Kind,
    request: Doc,
    status: str = "",
    doc: Doc | None = None,
    plan: Doc | None = None,
    parent: str = "",
) -> Row:
    """The new resource, due at once when its kind has a reconciler; raises the kind's clash error.

    The document is the request (without Tags, which are kept beside) with `doc` over it.
    """
    name, now = request[kind.id_member], ctx.world.clock()
    body = {k: v for k, v in request.items() if k != "Tags"}
    times = {"CreationTime": moment(now), "LastModifiedTime": moment(now)}
    row = Row(
        account=ctx.account,
        region=ctx.region,
        kind=kind.name,
        name=name,
        status=status,
        doc={**body, kind.arn_member: kind.arn(ctx, name), **times, **(doc or {})},
        plan={"tags": tags_of(request), **(plan or {})},
        parent=parent,
        due_at=now if kind.reconcile else None,
    )
    try:
        row = ctx.world.rows.insert(row)
    except Exists as error:
        raise AwsError(kind.exists_code, kind.say(kind.exists, ctx, name)) from error
    if kind.reconcile:
        ctx.world.wake()
    return row


TAGS = 50
"""Tags that one resource may have (AWS's quota)."""


def tags_of(request: Doc) -> dict[str, str]:
    """The request's Tags as a mapping; raises ValidationException for a key twice or reserved."""
    tags = request.get("Tags") or ()
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) < len(tags):
        raise AwsError("ValidationException", "Tag keys must be unique: a key is there twice")
    for key in found:
        if key.lower().startswith("aws:"):
            raise AwsError("ValidationException", f"Tag keys must not begin with aws: ({key})")
    return found


def by_arn(ctx: Ctx, text: str) -> Row:
    """The SageMaker resource of that ARN (whose name is in lower case).

    Raises ValidationException when there is none in this account and region.
    """
    arn = Arn.parse(text)
    row = None
    if arn and (arn.service, arn.region, arn.account) == ("sagemaker", ctx.region, ctx.account):
        kind, _, name = arn.resource.partition("/")
        row = ctx.world.rows.get_lower(ctx.account, ctx.region, kind, name)
    if row is None:
        words = arn.resource.partition("/")[0].replace("-", " ") if arn else "resource"
        raise AwsError("ValidationException", f'Could not find {words} "{text}".')
    return row


def find(ctx: Ctx, kind: Kind, name: str) -> Row:
    """The resource of that name; raises the kind's not-found error."""
    row = ctx.world.rows.get(ctx.account, ctx.region, kind.name, name)
    if row is None:
        raise AwsError(kind.missing_code, kind.say(kind.missing, ctx, name))
    return row


def describe(kind: Kind, row: Row) -> Doc:
    """The resource's document with its status; the output shape projects it (`protocol.reply`)."""
    return {**row.doc, **({kind.status_member: row.status} if kind.has_status else {})}


def delete(ctx: Ctx, kind: Kind, name: str) -> Row:
    """The resource as it was; it is gone. Raises the kind's not-found error."""
    row = find(ctx, kind, name)
    ctx.world.rows.delete(row.id)
    return row


def list_page(ctx: Ctx, kind: Kind, request: Doc, keep: Callable[[Row], bool] | None = None) -> Doc:
    """One page of the kind's list, filtered and sorted as SageMaker's List operations document.

    NameContains, StatusEquals, Creation/LastModifiedTimeAfter/Before, SortBy, SortOrder,
    MaxResults (default 10, as AWS's), NextToken. Raises ValidationException for a foreign token.
    """
    rows = [
        row
        for row in ctx.world.rows.select(kind.name)
        if (row.account, row.region) == (ctx.account, ctx.region)
        and _wanted(row, request)
        and (keep is None or keep(row))
    ]
    by = {"Name": lambda r: r.name.lower(), "Status": lambda r: r.status}.get(
        request.get("SortBy", ""), lambda r: r.created
    )
    rows.sort(key=lambda r: (by(r), r.id), reverse=_descending(request))
    page, token = paginate(rows, request.get("NextToken"), request.get("MaxResults", 10))
    result: Doc = {kind.list_member or kind.noun + "s": [_summary(kind, row) for row in page]}
    return {**result, "NextToken": token} if token else result


def paginate(rows: Sequence[Any], token: str | None, size: int) -> tuple[Sequence[Any], str | None]:
    """The page of `rows` that `token` names and the next page's token, None after the last."""
    try:
        start = json.loads(base64.b64decode(token))["at"] if token else 0
    except (ValueError, KeyError, TypeError) as error:
        raise AwsError("ValidationException", "Invalid NextToken") from error
    after = start + size
    more = (
        base64.b64encode(json.dumps({"at": after}).encode()).decode() if after < len(rows) else None
    )
    return rows[start:after], more


def _descending(request: Doc) -> bool:
    """SageMaker lists the newest first unless asked; by name, A first."""
    return request.get("SortOrder", "Descending") == "Descending"


def _wanted(row: Row, request: Doc) -> bool:
    created, changed = moment(row.created), moment(row.updated)
    return not (
        request.get("NameContains", "").lower() not in row.name.lower()
        or ("StatusEquals" in request and row.status != request["StatusEquals"])
        or ("CreationTimeAfter" in request and created <= request["CreationTimeAfter"])
        or ("CreationTimeBefore" in request and created >= request["CreationTimeBefore"])
        or ("LastModifiedTimeAfter" in request and changed <= request["LastModifiedTimeAfter"])
        or ("LastModifiedTimeBefore" in request and changed >= request["LastModifiedTimeBefore"])
    )


def _summary(kind: Kind, row: Row) -> Doc:
    names = (kind.id_member, kind.arn_member, "CreationTime", "LastModifiedTime", *kind.summary)
    return {n: v for n, v in describe(kind, row).items() if n in names or n == kind.status_member}
