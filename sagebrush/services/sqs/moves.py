"""Messages of dead-letter queues on their way back: tasks that are started, listed, cancelled.

Source: Amazon SQS API Reference, StartMessageMoveTask, CancelMessageMoveTask, ListMessageMoveTasks;
Amazon SQS Developer Guide, "Configuring a dead-letter queue redrive" (a redriven message is a new one, with
an id and a time of its own). Words as SQS is seen to answer.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace
from typing import Any

from sagebrush.aws.scalars import json_of
from sagebrush.engine.kinds import Kind
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import attributes, ordering
from sagebrush.services.sqs.facts import MOVE_TASK
from sagebrush.store.fifo import Place
from sagebrush.store.messages import Message, Send
from sagebrush.store.rows import Next, Row
from sagebrush.world import Ctx, World

FASTEST = 500
"""Messages a second at most, and those of one step."""
MOST_LISTED = 10
RUNNING, CANCELLING, CANCELLED = "RUNNING", "CANCELLING", "CANCELLED"
COMPLETED, FAILED = "COMPLETED", "FAILED"
_SOURCE = "DeadLetterQueueSourceArn"


def start_message_move_task(ctx: Ctx, request: Doc) -> Doc:
    """The messages of the dead-letter queue move to the destination, or back to where each came from.

    Raises ResourceNotFoundException (404), InvalidParameterValue.
    """
    source = _queue(ctx, request["SourceArn"], "SourceArn")
    arn = attributes.arn(source)
    if not attributes.sources(ctx, source):
        raise ordering.invalid("Source queue must be configured as a Dead Letter Queue.")
    target = request.get("DestinationArn")
    if target is not None:
        found = _queue(ctx, target, "DestinationArn")
        if ordering.is_fifo(found) != ordering.is_fifo(source):
            raise ordering.invalid("Source and destination queues must be of the same type.")
        if target == arn:
            raise ordering.invalid("Source queue arn and destination queue arn cannot be the same.")
    rate = request.get("MaxNumberOfMessagesPerSecond")
    if rate is not None and not 1 <= rate <= FASTEST:
        raise ordering.invalid(
            f"Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You can"
            f" use a number between 1 and {FASTEST}."
        )
    if any(row.status in (RUNNING, CANCELLING) for row in _tasks(ctx, arn)):
        raise ordering.invalid(
            "There is already a task running. Only one active task is allowed for a source queue arn"
            " at a given time."
        )
    now = ctx.world.clock()
    doc: Doc = {
        "SourceArn": arn,
        **({"DestinationArn": target} if target is not None else {}),
        **({"MaxNumberOfMessagesPerSecond": rate} if rate is not None else {}),
        "ApproximateNumberOfMessagesMoved": 0,
        "ApproximateNumberOfMessagesToMove": ctx.world.messages.counts(source.id).waiting,
        "StartedTimestamp": int(now * 1000),
    }
    name = str(uuid.uuid4())
    row = Row(ctx.account, ctx.region, MOVE_TASK.kind, name, RUNNING, doc, due_at=now)
    ctx.world.rows.insert(row)
    ctx.world.wake()
    return {"TaskHandle": _handle(name, arn)}


def cancel_message_move_task(ctx: Ctx, request: Doc) -> Doc:
    """The task moves nothing more; what it has moved stays moved. Raises ResourceNotFoundException
    (404), InvalidParameterValue."""
    name, source = _named(request["TaskHandle"])
    _queue(ctx, source, "SourceArn")
    row = ctx.world.rows.get(ctx.account, ctx.region, MOVE_TASK.kind, name)
    if row is None or row.doc["SourceArn"] != source:
        raise AwsError("ResourceNotFoundException", "Task does not exist.", 404)
    now = ctx.world.clock()

    def change(row: Row) -> Row:
        if row.status != RUNNING:
            raise ordering.invalid("Only active tasks can be cancelled.")
        return replace(row, status=CANCELLING, due_at=now)

    found = ctx.world.rows.update(row.id, change)
    if found is None:
        raise AwsError("ResourceNotFoundException", "Task does not exist.", 404)
    ctx.world.wake()
    return {"ApproximateNumberOfMessagesMoved": found.doc["ApproximateNumberOfMessagesMoved"]}


def list_message_move_tasks(ctx: Ctx, request: Doc) -> Doc:
    """The latest tasks of the queue, up to ten; one unless MaxResults says more. Raises
    ResourceNotFoundException (404), InvalidParameterValue."""
    source = _queue(ctx, request["SourceArn"], "SourceArn")
    most = request.get("MaxResults", 1)
    if not 1 <= most <= MOST_LISTED:
        raise ordering.invalid(
            f"Value {most} for parameter MaxResults is invalid. Reason: MaxResults must be an integer"
            f" between 1 and {MOST_LISTED}."
        )
    tasks = _tasks(ctx, attributes.arn(source))[: -most - 1 : -1]
    return {"Results": [_shown(row) for row in tasks]} if tasks else {}


def _shown(row: Row) -> Doc:
    handle = {"TaskHandle": _handle(row.name, row.doc["SourceArn"])}
    return {**(handle if row.status == RUNNING else {}), "Status": row.status, **row.doc}


def _tasks(ctx: Ctx, source: str) -> list[Row]:
    """The tasks of the queue of that ARN, oldest first."""
    texts = {"doc.SourceArn": source}
    return ctx.world.rows.select(MOVE_TASK.kind, account=ctx.account, texts=texts)


def _queue(ctx: Ctx, arn: str, parameter: str) -> Row:
    found = attributes.by_arn(ctx, ctx.world.rows, arn)
    if found is None:
        words = f"The resource that you specified for the {parameter} parameter doesn't exist."
        raise AwsError("ResourceNotFoundException", words, 404)
    return found


def _handle(task: str, source: str) -> str:
    text = json.dumps({"taskId": task, "sourceArn": source}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def _named(handle: str) -> tuple[str, str]:
    """The task and the queue of a handle."""
    try:
        found: Any = json_of(base64.b64decode(handle, validate=True).decode())
        return str(found["taskId"]), str(found["sourceArn"])
    except (ValueError, KeyError, TypeError):
        raise ordering.invalid("Value for parameter TaskHandle is invalid.") from None


# -- the life of a task


def reconcile(world: World, row: Row) -> Next:
    """One step: as many messages move as may in a second. A server that is killed after it has moved
    some and before it has counted them counts them no more."""
    if row.status == CANCELLING:
        return Next(CANCELLED)
    if row.status != RUNNING:
        return Next()
    ctx = world.service_ctx(region=row.region, account=row.account)
    source = attributes.by_arn(ctx, world.rows, row.doc["SourceArn"])
    if source is None:
        return _failed("AWS.SimpleQueueService.NonExistentQueue")
    most = row.doc.get("MaxNumberOfMessagesPerSecond", FASTEST)
    found = world.messages.waiting(source.id, most)
    moves, reason = _moves(ctx, row, found)
    moved = world.messages.move(moves).result() if moves else 0
    doc = {"ApproximateNumberOfMessagesMoved": row.doc["ApproximateNumberOfMessagesMoved"] + moved}
    if reason:
        return Next(FAILED, {**doc, "FailureReason": reason})
    if len(found) < most:
        return Next(COMPLETED, doc)
    slow = "MaxNumberOfMessagesPerSecond" in row.doc
    return Next(doc=doc, due=1.0 if slow else 0.0)


def _failed(reason: str) -> Next:
    return Next(FAILED, {"FailureReason": reason})


def _moves(
    ctx: Ctx, task: Row, found: list[Message]
) -> tuple[list[tuple[Message, int, Send]], str]:
    """Each message with the queue that it goes to and as what, up to the first that cannot go, and why
    it cannot."""
    moves, queues = list[tuple[Message, int, Send]](), dict[str, Row | None]()
    for message in found:
        arn = task.doc.get("DestinationArn") or message.more.get(_SOURCE)
        if arn is None:
            return moves, "CouldNotDetermineMessageSource"
        if arn not in queues:
            queues[arn] = attributes.by_arn(ctx, ctx.world.rows, arn)
        target = queues[arn]
        if target is None:
            return moves, "AWS.SimpleQueueService.NonExistentQueue"
        moves.append((message, target.id, _again(message, target)))
    return moves, ""


def _again(message: Message, target: Row) -> Send:
    """The message as a new one of that queue."""
    more = {name: value for name, value in message.more.items() if name != _SOURCE}
    keep, place = float(target.doc["MessageRetentionPeriod"]), None
    if message.group is not None:
        place = Place(message.group, message.more["token"])
    return Send(str(uuid.uuid4()), message.body, more, 0.0, keep, place=place)


def fail(world: World, row: Row, reason: str) -> Next:
    """After repeated failures the task has failed."""
    return _failed(reason)


KIND = Kind(MOVE_TASK.kind, MOVE_TASK.noun, running=MOVE_TASK, reconcile=reconcile, fail=fail)
