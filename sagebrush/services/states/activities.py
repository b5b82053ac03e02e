"""Activities: created, described, listed, deleted; their tasks given to workers that ask for some.

Sources: developer guide, "Activities"; API reference, "GetActivityTask" (which waits for 60 seconds);
wordings as recorded (localstack test_sfn_api_activities).
"""

from __future__ import annotations

import asyncio

from sagebrush.asl.values import write
from sagebrush.errors import Doc
from sagebrush.services.states import arns, configuration, tokens
from sagebrush.services.states.port import port_of
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx

KIND = "activity"
PATIENCE = 60.0
"""Seconds that a worker waits for a task."""


def create_activity(ctx: Ctx, request: Doc) -> Doc:
    """The activity exists; one of that name is answered as it is. Raises InvalidName, TooManyTags,
    InvalidEncryptionConfiguration."""
    name = request["name"]
    arns.check_name(name)
    configuration.check_encryption(request.get("encryptionConfiguration"))
    arn = arns.made(ctx, f"activity:{name}")
    plan = {"tags": configuration.tags(request.get("tags"))}
    doc: Doc = {"activityArn": arn, "name": name}
    doc["encryptionConfiguration"] = configuration.ENCRYPTION
    try:
        row = ctx.world.rows.insert(Row(ctx.account, ctx.region, KIND, name, "ACTIVE", doc, plan))
    except Exists:
        row = _row(ctx, arn)
    return {"activityArn": arn, "creationDate": row.created}


def _row(ctx: Ctx, arn: str) -> Row:
    """The activity. Raises InvalidArn, ActivityDoesNotExist."""
    named = arns.read(arn, "activity")
    row = None
    if (named.account, named.region) == (ctx.account, ctx.region):
        row = ctx.world.rows.get(ctx.account, ctx.region, KIND, named.name)
    if row is None:
        raise arns.no_activity(arn)
    return row


def describe_activity(ctx: Ctx, request: Doc) -> Doc:
    """The activity. Raises InvalidArn, ActivityDoesNotExist."""
    row = _row(ctx, request["activityArn"])
    return {**row.doc, "creationDate": row.created}


def delete_activity(ctx: Ctx, request: Doc) -> None:
    """The activity is gone, or never was. Raises InvalidArn."""
    named = arns.read(request["activityArn"], "activity")
    if (named.account, named.region) == (ctx.account, ctx.region):
        row = ctx.world.rows.get(ctx.account, ctx.region, KIND, named.name)
        if row is not None:
            ctx.world.rows.delete(row.id)


def list_activities(ctx: Ctx, request: Doc) -> Doc:
    """The activities by name. Raises InvalidToken."""
    after = tokens.read(request, str)
    rows = [r for r in ctx.world.rows.select(KIND, account=ctx.account) if r.region == ctx.region]
    rows = sorted(rows, key=lambda row: row.name)
    if after is not None:
        rows = [row for row in rows if row.name > after[0]]
    most = tokens.size(request)
    page = [
        {"activityArn": r.doc["activityArn"], "name": r.name, "creationDate": r.created}
        for r in rows[:most]
    ]
    more = {"nextToken": tokens.write([rows[most - 1].name])} if len(rows) > most else {}
    return {"activities": page, **more}


async def get_activity_task(ctx: Ctx, request: Doc) -> Doc:
    """A task of the activity, which is the worker's from now on; after a minute without one, none.

    Raises InvalidArn, ActivityDoesNotExist.
    """
    loop, arn = asyncio.get_running_loop(), request["activityArn"]
    await asyncio.to_thread(_row, ctx, arn)
    offered, until, woken = port_of(ctx.world).offered, loop.time() + PATIENCE, asyncio.Event()
    with offered.waiting(arn, lambda: loop.call_soon_threadsafe(woken.set)):
        while True:
            woken.clear()
            while not (ctx.origin and ctx.origin.left()) and (task := offered.take(arn)):
                taken = offered.start(task, request.get("workerName"))
                if await asyncio.wrap_future(taken):
                    return {"taskToken": task.token, "input": write(task.input)}
            left = until - loop.time()
            if left <= 0 or offered.closed:
                return {}
            try:
                await asyncio.wait_for(woken.wait(), left)
            except TimeoutError:
                continue
