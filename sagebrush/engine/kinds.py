"""Kind: the words a SageMaker-like resource needs so that generic verbs work on it."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc, Missing
from sagebrush.facts import Running
from sagebrush.store.rows import SORTS, Check, Next, Reader, Row, Wanted
from sagebrush.world import Ctx, StartedBy, World

Reconcile = Callable[[World, Row], Next]
"""(world, leased row) -> Next: one short step towards the resource's final state.

It runs in a thread of the loop, outside any transaction, while the loop renews the row's lease.
It may run twice (after a crash, or when an operation changed the row meanwhile), so its effects
outside the row must be repeatable. The row is a value and must not be changed: the changes are
returned as a `Next`, and the loop stores them by `Rows.apply`. Any exception is logged and the step
is repeated later; after several failures in a row `Kind.fail` decides what is stored.
"""


@dataclass(frozen=True)
class Kind:
    """How resources of one kind are named, described, listed and, if they have a life, reconciled.

    `name` is `Row.kind` and the ARN's resource type (`training-job`). The loop calls `reconcile`
    for a due row under its lease. An exception from `reconcile` is logged and the step is repeated
    later; after several failures in a row the `Next` that `fail` returns is stored. A kind without
    `reconcile` has no life of its own: only operations change its rows. Raises ValueError where
    `running` is another kind's.
    """

    name: str
    noun: str
    """As in operation names: `TrainingJob`."""
    running: Running | None = field(kw_only=True)
    """The facts of what runs of it; None, which must be given, for what runs nothing (a model)."""
    missing: str = 'Could not find {words} "{arn}".'
    """The not-found message (SDKs decide existence from it); {words}, {arn}, {name}."""
    exists: str = 'Cannot create already existing {words} "{arn}".'
    exists_code: str = "ValidationException"
    missing_code: str = "ValidationException"
    cased: bool = True
    """Whether two names may differ in upper and lower case alone."""
    has_status: bool = True
    summary: Sequence[str] = ()
    """Members of the list's summaries in addition to name, ARN, status and times."""
    list_member: str = ""
    """The list's member, where the facts do not name it and it is not `<Noun>s`."""
    reconcile: Reconcile | None = None
    fail: Callable[[World, Row, str], Next] | None = None
    """(world, row, reason) -> what the loop stores after repeated failures of `reconcile`; None:
    status `Failed` and the reason."""

    def __post_init__(self) -> None:
        """Raises ValueError where the facts are another kind's."""
        of = self.running
        if of is not None and (of.kind, of.noun) != (self.name, self.noun):
            raise ValueError(f"the facts of {of.kind} were given to {self.name}")

    @property
    def summaries(self) -> str:
        """The list's member that holds the summaries."""
        told = self.running.listed if self.running else ""
        return self.list_member or told or self.noun + "s"

    @property
    def id_member(self) -> str:
        return self.running.id_member if self.running else self.noun + "Name"

    @property
    def arn_member(self) -> str:
        return self.running.arn_member if self.running else self.noun + "Arn"

    @property
    def status_member(self) -> str:
        return self.running.status_member if self.running else self.noun + "Status"

    @property
    def words(self) -> str:
        return self.name.replace("-", " ")

    def arn(self, ctx: Ctx, name: str) -> str:
        """The ARN of the resource `name`. SageMaker's ARNs are in lower case."""
        return str(Arn("sagemaker", ctx.region, ctx.account, f"{self.name}/{name.lower()}"))

    def say(self, template: str, ctx: Ctx, name: str) -> str:
        """A message of this kind, filled in."""
        return template.format(words=self.words, arn=self.arn(ctx, name), name=name)


INVALID_TOKEN = 'Invalid pagination token because "{0}".'
"""SageMaker's own words for a NextToken that is none, braces and all."""


def moment(seconds: float) -> dt.datetime:
    """`seconds` since the epoch as the UTC time that AWS documents hold, whole milliseconds."""
    return dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)


def arn_of(row: Row) -> str:
    """The ARN of the SageMaker resource in `row`."""
    return str(Arn("sagemaker", row.region, row.account, f"{row.kind}/{row.name.lower()}"))


def create(
    ctx: Ctx,
    kind: Kind,
    request: Doc,
    status: str = "",
    doc: Doc | None = None,
    plan: Doc | None = None,
) -> Row:
    """The new resource, as `draft` has it, stored by `insert`."""
    return insert(ctx, kind, draft(ctx, kind, request, status, doc, plan))


def draft(
    ctx: Ctx,
    kind: Kind,
    request: Doc,
    status: str = "",
    doc: Doc | None = None,
    plan: Doc | None = None,
) -> Row:
    """A resource to be stored, due at once when its kind has a reconciler.

    The document is the request (without Tags, which are kept in the plan) with `doc` over it. A
    resource that another one starts (`Ctx.started_by`) has that one as its parent, and the members
    of document and plan that it passes on.
    """
    name, now = request[kind.id_member], ctx.world.clock()
    by = ctx.started_by or StartedBy("")
    body = {k: v for k, v in request.items() if k != "Tags"}
    times = {"CreationTime": moment(now), "LastModifiedTime": moment(now)}
    return Row(
        account=ctx.account,
        region=ctx.region,
        kind=kind.name,
        name=name,
        status=status,
        doc={**body, kind.arn_member: kind.arn(ctx, name), **times, **(doc or {}), **by.doc},
        plan={"tags": tags_of(request), **(plan or {}), **by.plan},
        parent=by.parent,
        created=now,
        due_at=now if kind.reconcile else None,
    )


def insert(ctx: Ctx, kind: Kind, row: Row, check: Check | None = None) -> Row:
    """The row as stored. Raises the kind's clash error where its name is taken, and what `check`
    raises in the transaction that stores it."""

    def alone(rows: Reader) -> None:
        _check_unused(ctx, kind, row.name, rows)
        if check is not None:
            check(rows)

    stored = ctx.world.rows.insert(row, alone)
    if kind.reconcile:
        ctx.world.wake()
    return stored


def check_new(ctx: Ctx, kind: Kind, request: Doc) -> None:
    """Raises ValidationException for wrong Tags, and the kind's clash error for a name that is taken.

    A Create operation calls it between what is wrong with the request itself and what is wrong with
    the resources that it names; `insert` asks again in the transaction that stores the resource.
    """
    tags_of(request)
    _check_unused(ctx, kind, request[kind.id_member], ctx.world.rows)


def _check_unused(ctx: Ctx, kind: Kind, name: str, rows: Reader) -> None:
    look = rows.get if kind.cased else rows.get_lower
    if look(ctx.account, ctx.region, kind.name, name) is not None:
        raise AwsError(kind.exists_code, kind.say(kind.exists, ctx, name))


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
    if arn and arn.service == "sagemaker" and arn.region != ctx.region:
        words = f"ARN should be scoped to correct region: {ctx.region}"
        raise AwsError("ValidationException", words)
    if arn and (arn.service, arn.region, arn.account) == ("sagemaker", ctx.region, ctx.account):
        kind, _, name = arn.resource.partition("/")
        facts = ctx.world.kinds.get(kind)
        if facts is None or facts.listed:  # a row that AWS lists nowhere has no ARN: a warm pool
            row = ctx.world.rows.get_lower(ctx.account, ctx.region, kind, name)
    if row is None:
        words = arn.resource.partition("/")[0].replace("-", " ") if arn else "resource"
        raise Missing("ValidationException", f'Could not find {words} "{text}".')
    return row


def find(ctx: Ctx, kind: Kind, name: str) -> Row:
    """The resource of that name; raises the kind's not-found error."""
    row = ctx.world.rows.get(ctx.account, ctx.region, kind.name, name)
    if row is None:
        raise Missing(kind.missing_code, kind.say(kind.missing, ctx, name))
    return row


def describe(kind: Kind, row: Row) -> Doc:
    """The resource's document with its status; the output shape projects it (`protocol.reply`)."""
    return {**row.doc, **({kind.status_member: row.status} if kind.has_status else {})}


def delete(
    ctx: Ctx, kind: Kind, name: str, check: Callable[[Row, Reader], object] | None = None
) -> Row:
    """The resource as it was; it is gone. Raises the kind's not-found error, and what `check` raises
    in the transaction that deletes."""
    row = ctx.world.rows.delete(find(ctx, kind, name).id, check)
    if row is None:  # another caller was faster
        raise Missing(kind.missing_code, kind.say(kind.missing, ctx, name))
    return row


def update(
    ctx: Ctx, kind: Kind, name: str, change: Callable[[Row], Row | None], check: Check | None = None
) -> Row:
    """The resource after `change` (`Rows.update`). Raises the kind's not-found error, and what
    `change` and `check` raise in the transaction that changes it."""
    row = ctx.world.rows.update(find(ctx, kind, name).id, change, check)
    if row is None:  # deleted meanwhile
        raise Missing(kind.missing_code, kind.say(kind.missing, ctx, name))
    return row


def list_page(ctx: Ctx, kind: Kind, request: Doc) -> Doc:
    """One page of the kind's list, filtered and sorted as SageMaker's List operations document.

    NameContains, StatusEquals, Creation/LastModifiedTimeAfter/Before, SortBy, SortOrder (newest
    first unless asked), MaxResults (default 10, as AWS's), NextToken. Raises ValidationException
    for a foreign token.
    """
    order = request.get("SortBy", "CreationTime")
    rows, more = ctx.world.rows.page(
        (ctx.account, ctx.region, kind.name),
        _wanted(request),
        (
            order if order in SORTS else "CreationTime",
            request.get("SortOrder", "Descending") == "Descending",
        ),
        _after(request.get("NextToken"), order),
        request.get("MaxResults", 10),
    )
    result: Doc = {kind.summaries: [_summary(kind, row) for row in rows]}
    return {**result, "NextToken": _token({"by": order, "after": more})} if more else result


def _wanted(request: Doc) -> Wanted:
    def seconds(member: str) -> float | None:
        return request[member].timestamp() if member in request else None

    return Wanted(
        request.get("NameContains", ""),
        request.get("StatusEquals"),
        seconds("CreationTimeAfter"),
        seconds("CreationTimeBefore"),
        seconds("LastModifiedTimeAfter"),
        seconds("LastModifiedTimeBefore"),
    )


def _after(token: str | None, order: str) -> list[Any] | None:
    """Where the page begins that `token` names."""
    if not token:
        return None
    found = _read_token(token)
    after = found.get("after")
    if found.get("by") != order or not isinstance(after, list) or len(after) != 2:
        raise AwsError("ValidationException", INVALID_TOKEN)
    return after


def _token(content: Doc) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def _read_token(token: str) -> Doc:
    """What a token of ours holds; raises ValidationException for another."""
    try:
        found = json_of(base64.b64decode(token, validate=True))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise AwsError("ValidationException", INVALID_TOKEN)
    return found


def paginate(rows: Sequence[Any], token: str | None, size: int) -> tuple[Sequence[Any], str | None]:
    """The page of `rows` that `token` names and the next page's token, None after the last."""
    start = _read_token(token).get("at") if token else 0
    if not isinstance(start, int) or start < 0:
        raise AwsError("ValidationException", INVALID_TOKEN)
    after = start + size
    return rows[start:after], _token({"at": after}) if after < len(rows) else None


def _summary(kind: Kind, row: Row) -> Doc:
    names = (kind.id_member, kind.arn_member, "CreationTime", "LastModifiedTime", *kind.summary)
    return {n: v for n, v in describe(kind, row).items() if n in names or n == kind.status_member}
