"""AddTags, ListTags, DeleteTags: of any SageMaker resource, by its ARN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.engine import kinds
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

PAGE = 50
"""Tags of one page where the request sets no MaxResults; AWS's smallest."""


def add_tags(ctx: Ctx, request: Doc) -> Doc:
    """The tags are added, replacing those of the same keys; returns all tags of the resource.

    Raises ValidationException, or ResourceLimitExceeded beyond 50 tags.
    """
    new = kinds.tags_of(request)
    tags = _change(ctx, request["ResourceArn"], lambda tags: {**tags, **new})
    return {"Tags": _documents(tags)}


def list_tags(ctx: Ctx, request: Doc) -> Doc:
    """One page of the resource's tags, in the order in which they were added."""
    tags = kinds.by_arn(ctx, request["ResourceArn"]).plan.get("tags", {})
    size = request.get("MaxResults", PAGE)
    page, token = kinds.paginate(_documents(tags), request.get("NextToken"), size)
    return {"Tags": page, **({"NextToken": token} if token else {})}


def delete_tags(ctx: Ctx, request: Doc) -> Doc:
    """The tags of these keys are removed."""
    gone = set(request["TagKeys"])
    _change(
        ctx, request["ResourceArn"], lambda tags: {k: v for k, v in tags.items() if k not in gone}
    )
    return {}


def _documents(tags: dict[str, str]) -> list[Doc]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _change(
    ctx: Ctx, arn: str, change: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, str]:
    """Stores and returns the resource's tags after `change`; a resource that reacts to them is
    due."""
    row = kinds.by_arn(ctx, arn)
    facts = ctx.world.kinds.get(row.kind)
    busy = facts.busy if facts and facts.reacts_to_tags else ()

    def work(row: Row) -> Row | None:
        old = row.plan.get("tags", {})
        new = change(old)
        if len(new) > kinds.TAGS:
            raise AwsError(
                "ResourceLimitExceeded",
                f"The resource {arn} cannot have more than {kinds.TAGS} tags.",
            )
        if new == old:
            return None
        due = ctx.world.clock() if row.status in busy else row.due_at
        return replace(row, plan={**row.plan, "tags": new}, due_at=due)

    after = ctx.world.rows.update(row.id, work)
    if after is None:
        raise AwsError("ValidationException", f'Could not find "{arn}".')
    if busy:
        ctx.world.wake()
    return after.plan.get("tags", {})
