"""Schedule groups and their tags. Source: EventBridge Scheduler API Reference.

Every account has a group `default` in every region.
"""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.engine import tags
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.scheduler import rows
from sagebrush.services.scheduler.plan import plan_of
from sagebrush.services.scheduler.rows import DEFAULT, GROUP, SCHEDULE, conflict, invalid
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx

ACTIVE = "ACTIVE"


def create_schedule_group(ctx: Ctx, request: Doc) -> Doc:
    """The group is there. Raises ConflictException."""
    name = request["Name"]
    arn, now = rows.group_arn(ctx.account, ctx.region, name), moment(ctx.world.clock())
    doc: Doc = {"Arn": arn, "Name": name, "CreationDate": now, "LastModificationDate": now}
    token = request.get("ClientToken", "")
    plan: Doc = {"tags": _tags(request), **({"token": token} if token else {})}
    taken = conflict(f"Schedule group {name} already exists.")
    if name == DEFAULT:
        raise _fixed()
    try:
        ctx.world.rows.insert(Row(ctx.account, ctx.region, GROUP, name, ACTIVE, doc, plan))
    except Exists:
        old = ctx.world.rows.get(ctx.account, ctx.region, GROUP, name)
        if old is None or not token or plan_of(old).get("token") != token:
            raise taken from None
    return {"ScheduleGroupArn": arn}


def get_schedule_group(ctx: Ctx, request: Doc) -> Doc:
    """The group. Raises ResourceNotFoundException."""
    name = rows.group_of(ctx, request["Name"])
    return _shown(ctx, name, ctx.world.rows.get(ctx.account, ctx.region, GROUP, name))


def _shown(ctx: Ctx, name: str, row: Row | None) -> Doc:
    if row is not None:
        return {**row.doc, "State": row.status}
    return {"Arn": rows.group_arn(ctx.account, ctx.region, name), "Name": name, "State": ACTIVE}


def list_schedule_groups(ctx: Ctx, request: Doc) -> Doc:
    """A page of the groups, by name."""
    found: dict[str, Row | None] = {DEFAULT: None}
    for row in ctx.world.rows.select(GROUP, account=ctx.account):
        if row.region == ctx.region:
            found[row.name] = row
    prefix = request.get("NamePrefix", "")
    shown = [_shown(ctx, name, found[name]) for name in sorted(found) if name.startswith(prefix)]
    return rows.page(request, shown, "ScheduleGroups")


def delete_schedule_group(ctx: Ctx, request: Doc) -> Doc:
    """The group is gone, and its schedules. Raises ResourceNotFoundException, and ValidationException
    for the default group."""
    name = request["Name"]
    if name == DEFAULT:
        raise _fixed()
    row = ctx.world.rows.get(ctx.account, ctx.region, GROUP, name)
    if row is None or ctx.world.rows.delete(row.id) is None:
        raise rows.no_group(name)
    texts = {"doc.GroupName": name}
    for each in ctx.world.rows.select(SCHEDULE, account=ctx.account, texts=texts):
        if each.region == ctx.region:
            ctx.world.rows.delete(each.id)
    return {}


def tag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags are added, in place of those of the same keys. Raises ResourceNotFoundException."""
    change = tags.added(_tags(request), invalid(tags.TOO_MANY))
    _changed(ctx, request["ResourceArn"], change)
    return {}


def untag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags of those keys are gone."""
    _changed(ctx, request["ResourceArn"], tags.removed(request["TagKeys"]))
    return {}


def list_tags_for_resource(ctx: Ctx, request: Doc) -> Doc:
    """The group's tags."""
    return tags.listed(_group(ctx, request["ResourceArn"]))


def _group(ctx: Ctx, arn: str) -> Row:
    name = arn.rpartition(":schedule-group/")[2]
    own = arn == rows.group_arn(ctx.account, ctx.region, name)
    row = ctx.world.rows.get(ctx.account, ctx.region, GROUP, name) if own else None
    if row is None and own and name == DEFAULT:
        return Row(ctx.account, ctx.region, GROUP, name, ACTIVE, {})
    if row is None:
        raise rows.missing(f"Resource {arn} does not exist.")
    return row


def _changed(ctx: Ctx, arn: str, change: Callable[[Row], Row]) -> None:
    row = _group(ctx, arn)
    if not row.id:
        raise _fixed()
    if ctx.world.rows.update(row.id, change) is None:
        raise rows.missing(f"Resource {arn} does not exist.")


def _fixed() -> AwsError:
    return invalid(f"This operation cannot be performed on schedule group {DEFAULT}.")


def _tags(request: Doc) -> dict[str, str]:
    given = request.get("Tags") or ()
    found = {tag["Key"]: tag["Value"] for tag in given}
    if len(found) < len(given):
        raise invalid("Tag keys must be unique: a key is there twice.")
    if any(key.lower().startswith("aws:") for key in found):
        raise invalid("Tag keys must not begin with aws:")
    return found
