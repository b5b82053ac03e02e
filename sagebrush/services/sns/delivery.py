"""Who gets what is published: queues whose policies let the topic send, or dead-letter queues; functions.

What queues get is in them with the answer to Publish. What functions get is on its way with it
(`store.deliveries`).

Source: Amazon SNS developer guide, "Subscribing an Amazon SQS queue to an Amazon SNS topic" (the
queue's policy must allow it, also within one account), "Amazon SNS dead-letter queues" (what a queue
refuses is a client error, which is not tried again) and "Monitoring Amazon SNS topics using
CloudWatch".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sagebrush.access import queue_policies
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.services.sns import ordering, subscriptions
from sagebrush.store.db import Tx
from sagebrush.store.deliveries import Delivery
from sagebrush.store.messages import Send
from sagebrush.store.rows import Row
from sagebrush.store.series import Point
from sagebrush.world import Ctx

SERVICE = "sns.amazonaws.com"
LAMBDA = "lambda"
TRIES, PATIENCE = 100_015, 23 * 86400.0
"""How often, and for how many seconds, a function that fails is tried again ("Amazon SNS message
delivery retries", AWS managed endpoints)."""
NAMESPACE = "AWS/SNS"
FAILED = "NumberOfNotificationsFailed"
REDRIVEN = "NumberOfNotificationsRedrivenToDlq"
LOST = "NumberOfNotificationsFailedToRedriveToDlq"
_KINDS = ("AWS.SimpleQueueService.NonExistentQueue", "AccessDeniedException")


@dataclass
class Sent:
    """What goes where when something is published."""

    sends: list[tuple[int, list[Send]]] = field(default_factory=list)
    """(row of the queue, what it gets)."""
    deliveries: list[Delivery] = field(default_factory=list)
    """What functions get."""
    counts: dict[str, int] = field(default_factory=dict)
    """Metric -> notifications of which it tells; those that went well are not counted."""

    def count(self, metric: str, number: int) -> None:
        """The metric tells of so many more."""
        self.counts[metric] = self.counts.get(metric, 0) + number

    def numbered(self, mark: str, number: str) -> Sent:
        """The same, with the number where the mark stands."""
        sends = [
            (queue, [replace(send, body=send.body.replace(mark, number)) for send in each])
            for queue, each in self.sends
        ]
        return replace(self, sends=sends)

    def store(self, ctx: Ctx, tx: Tx, topic: str) -> None:
        """The messages are in their queues, and the metrics of the topic of that name are stored."""
        messages = ctx.world.messages
        for queue, each in self.sends:
            if each[0].place is None:
                messages.put_in(tx, queue, each)
            else:
                messages.put_in_order_in(tx, queue, each)
        ctx.world.deliveries.put_in(tx, self.deliveries)
        now, dimensions = ctx.world.clock(), {"TopicName": topic}
        points = [
            Point(NAMESPACE, name, now, float(number), dimensions, "Count", float(number), 1.0, 1.0)
            for name, number in self.counts.items()
        ]
        if points:
            ctx.world.series.append_in(tx, ctx.account, ctx.region, points)


def planned(ctx: Ctx, topic: str, made: Callable[[Row], Sequence[Send]]) -> Sent:
    """What goes to all subscriptions of the topic of that ARN, of what `made` makes for each."""
    found = Sent()
    for subscription in subscriptions.of_topic(ctx, topic):
        if wanted := made(subscription):
            _plan(ctx, topic, subscription, wanted, found)
    return found


def _plan(ctx: Ctx, topic: str, subscription: Row, wanted: Sequence[Send], into: Sent) -> None:
    if subscription.doc["Protocol"] == LAMBDA:
        into.deliveries += [_to_function(ctx, topic, subscription, send) for send in wanted]
        return
    queue, error = _open(ctx, topic, subscription.doc["Endpoint"])
    if queue is not None and ordering.fits(wanted[0], queue):
        into.sends.append((queue.id, [_timed(send, queue) for send in wanted]))
        return
    into.count(FAILED, len(wanted))
    target = _dead_letters(subscription)
    if target is None:
        return
    queue, _ = _open(ctx, topic, target)
    if queue is None or not ordering.fits(wanted[0], queue):
        into.count(LOST, len(wanted))
        return
    into.count(REDRIVEN, len(wanted))
    into.sends.append((queue.id, [_undelivered(_timed(send, queue), error) for send in wanted]))


def _to_function(ctx: Ctx, topic: str, subscription: Row, send: Send) -> Delivery:
    return Delivery(
        ctx.account,
        ctx.region,
        subscription.doc["Endpoint"],
        send.body,
        SERVICE,
        topic,
        retries=TRIES,
        max_age=PATIENCE,
        dead_letter=_dead_letters(subscription) or "",
        trace=ctx.trace,
    )


def _open(ctx: Ctx, topic: str, arn: str) -> tuple[Row | None, Doc]:
    """The queue of that ARN, if it is there and lets the topic send; else what stands against it."""
    named = Arn.parse(arn)
    row = ctx.world.rows.get(ctx.account, ctx.region, "queue", named.resource) if named else None
    if row is None:
        return None, {"code": _KINDS[0], "words": "The specified queue does not exist."}
    if queue_policies.lets_send(ctx, row.doc.get("Policy"), arn, SERVICE, topic):
        return row, {}
    words = f"Access to the resource {arn} is denied."
    return None, {"code": _KINDS[1], "words": words}


def _timed(send: Send, queue: Row) -> Send:
    """The message as that queue delays and keeps it."""
    keep, delay = float(queue.doc["MessageRetentionPeriod"]), float(queue.doc["DelaySeconds"])
    return ordering.placed(replace(send, keep=keep, delay=delay), queue)


def _undelivered(send: Send, error: Doc) -> Send:
    """The message as a dead-letter queue gets it: with why, as message attributes."""
    said = {
        "RequestID": str(uuid.uuid4()),
        "ErrorCode": error["code"],
        "ErrorMessage": error["words"],
    }
    attributes: Doc = {
        **send.more.get("attributes", {}),
        **{k: {"DataType": "String", "StringValue": v} for k, v in said.items()},
    }
    return replace(send, more={**send.more, "attributes": attributes})


def _dead_letters(subscription: Row) -> str | None:
    """The ARN of the subscription's dead-letter queue."""
    text = subscription.doc.get("RedrivePolicy")
    return json.loads(text)["deadLetterTargetArn"] if text else None
