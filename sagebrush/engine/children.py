"""Work that one resource starts elsewhere and waits for: a tuning job's training jobs, say.

A child is an ordinary resource, created by its own operation. Its row's `parent` is the ARN of the
resource that started it, and `store.rows` makes that one due, in the same transaction, whenever the
child's status changes. So a parent's reconciler only looks at its children and never polls them, and
a child's kind knows nothing of who started it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TypedDict, cast

from sagebrush.engine.kinds import Kind, arn_of
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, StartedBy, World


class Parent(TypedDict, total=False):
    """The members of a parent's plan that this module reads, for a parent of any kind."""

    more: bool
    """Whether the parent may create further children; absent once it winds down. What would serve
    the next child is kept only while there may be one."""
    stop: float
    """When it was asked to stop: it starts no child any more."""


def name(parent: Row, step: str, limit: int = 63) -> str:
    """The name of the child that `parent` starts for `step`: the same whenever it is asked for.

    `<parent>-<step>-<8 hex digits>`, the parent's part cut so that the whole has at most `limit`
    characters. A parent that was deleted and made again under its name has other children: its
    row's id, which is never another's, is in the hash.
    """
    text = f"{arn_of(parent)} {parent.created} {parent.id} {step}"
    tail = f"-{step}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return parent.name[: limit - len(tail)].rstrip("-") + tail


def start(
    ctx: Ctx,
    parent: Row,
    kind: Kind,
    request: Doc,
    doc: Doc | None = None,
    plan: Doc | None = None,
) -> Row:
    """The child of that kind and name exists: it was created now by `ctx`'s caller, or before.

    `request` is that of the kind's Create operation, with a name from `name`, so that a step which
    is repeated after a crash finds what it started. `doc` and `plan` are members that the child
    gets in addition to those of the request. Raises AwsError as the operation does, AccessDenied
    where the caller may not, and the kind's clash error where the name is another's.
    """
    child = find(ctx.world, parent, kind, request[kind.id_member])
    if child is None:
        by = StartedBy(arn_of(parent), doc or {}, plan or {})
        started = replace(ctx, started_by=by)
        ctx.world.dispatch(started, "sagemaker", f"Create{kind.noun}", request)
        child = find(ctx.world, parent, kind, request[kind.id_member])
    if child is None:
        raise AwsError("InternalFailure", f"{kind.words} {request[kind.id_member]} is gone", 500)
    return child


def find(world: World, parent: Row, kind: Kind, name: str) -> Row | None:
    """The child of that name; None where there is none, or what has the name is not `parent`'s."""
    row = world.rows.get(parent.account, parent.region, kind.name, name)
    return row if row is not None and row.parent == arn_of(parent) else None


def stop(ctx: Ctx, kind: Kind, name: str) -> None:
    """The child was asked to stop by its own Stop operation; that it has ended, or is gone, is fine.

    Repeatable. Raises AwsError only for what may pass (5xx) and AccessDenied.
    """
    try:
        ctx.call("sagemaker", f"Stop{kind.noun}", {kind.id_member: name})
    except AwsError as error:
        if error.status >= 500 or error.code.startswith("AccessDenied"):
            raise


def alive(world: World, child: Row) -> Parent | None:
    """What the resource that started `child` says of its children.

    None where none started it, or where that is gone, was asked to stop, or winds down.
    """
    row = world.rows.parent_of(child)
    if row is None:
        return None
    plan = cast(Parent, row.plan)
    return plan if "more" in plan and "stop" not in plan else None
