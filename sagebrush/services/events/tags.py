"""Tags of buses and rules. Source: EventBridge API Reference."""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.engine import tags
from sagebrush.errors import AwsError, Doc
from sagebrush.services.events import buses, names
from sagebrush.services.events.names import BUS, DEFAULT, invalid
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def tag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags are added, in place of those of the same keys. Raises ResourceNotFoundException."""
    change = tags.added(names.tags_of(request), invalid(tags.TOO_MANY))
    _changed(ctx, request["ResourceARN"], change)
    return {}


def untag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags of those keys are gone."""
    _changed(ctx, request["ResourceARN"], tags.removed(request["TagKeys"]))
    return {}


def list_tags_for_resource(ctx: Ctx, request: Doc) -> Doc:
    """The resource's tags."""
    return tags.listed(_row(ctx, request["ResourceARN"]))


def _row(ctx: Ctx, arn: str) -> Row | None:
    """The resource's row; None for the default bus while it has none."""
    found = names.row_of_arn(ctx, arn)
    row = ctx.world.rows.get(ctx.account, ctx.region, *found) if found else None
    if row is None and found != (BUS, DEFAULT):
        raise _missing(arn)
    return row


def _changed(ctx: Ctx, arn: str, change: Callable[[Row], Row]) -> None:
    row = _row(ctx, arn)
    if row is None or row.kind == BUS:
        buses.tag(ctx, row.name if row is not None else DEFAULT, change)
    elif ctx.world.rows.update(row.id, change) is None:
        raise _missing(arn)


def _missing(arn: str) -> AwsError:
    found = arn.partition(":event-bus/")[2]
    if found:
        return names.no_bus(found)
    name = arn.partition(":rule/")[2]
    bus, _, rule = name.rpartition("/")
    return names.no_rule(bus or DEFAULT, rule)
