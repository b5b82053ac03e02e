"""Tags of state machines and activities."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.errors import Doc
from sagebrush.services.states import arns, configuration
from sagebrush.services.states.activities import KIND as ACTIVITY
from sagebrush.services.states.plan import plan_of
from sagebrush.services.states.resources import KIND
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def _row(ctx: Ctx, arn: str) -> Row:
    """The state machine or activity. Raises InvalidArn, ResourceNotFound."""
    named = arns.read(arn, "stateMachine", "activity")
    kind = KIND if named.type == "stateMachine" else ACTIVITY
    row = None
    if not named.rest and (named.account, named.region) == (ctx.account, ctx.region):
        row = ctx.world.rows.get(ctx.account, ctx.region, kind, named.name)
    if row is None:
        raise arns.not_found(arn)
    return row


def _changed(ctx: Ctx, arn: str, request: Doc) -> None:
    def change(row: Row) -> Row:
        tags = configuration.tags(request.get("tags"), plan_of(row).get("tags"))
        kept = {k: v for k, v in tags.items() if k not in request.get("tagKeys", ())}
        return replace(row, plan={**row.plan, "tags": kept})

    if ctx.world.rows.update(_row(ctx, arn).id, change) is None:
        raise arns.not_found(arn)


def tag_resource(ctx: Ctx, request: Doc) -> None:
    """The tags are set. Raises InvalidArn, ResourceNotFound, TooManyTags."""
    _changed(ctx, request["resourceArn"], request)


def untag_resource(ctx: Ctx, request: Doc) -> None:
    """There are no tags of those keys. Raises InvalidArn, ResourceNotFound."""
    _changed(ctx, request["resourceArn"], request)


def list_tags_for_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags. Raises InvalidArn, ResourceNotFound."""
    tags = plan_of(_row(ctx, request["resourceArn"])).get("tags", {})
    return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
