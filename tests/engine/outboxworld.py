"""A world whose outbox runs when told, for tests of what is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sagebrush.app import App, build
from sagebrush.engine.outbox import Outbox
from sagebrush.errors import Doc
from sagebrush.settings import Settings
from sagebrush.store.deliveries import Delivery
from sagebrush.store.events import Event, Events, Interest
from sagebrush.world import Ctx, World
from tests.conftest import Clock

RULE = "arn:aws:events:us-east-1:000000000000:rule/x"
EVENTS = "events.amazonaws.com"


class OutboxWorld:
    """A world whose outbox runs when told, with queues by their names."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.app: App = build(settings, clock)
        self.world: World = self.app.world
        self.consumers: list[Callable[[World, Event], Sequence[Delivery]]] = []
        self.world.events = Events(self.world.db, clock, {}, Interest(always=True))
        self.outbox = Outbox(self.world, [self._consume], lambda: 1.0)
        self.ctx: Ctx = self.world.service_ctx()

    def _consume(self, world: World, event: Event) -> list[Delivery]:
        return [each for consumer in self.consumers for each in consumer(world, event)]

    def queue(self, name: str, *services: str) -> str:
        """The ARN of a new queue to which the services may send for RULE."""
        arn = f"arn:aws:sqs:{self.ctx.region}:{self.ctx.account}:{name}"
        given: Doc = {"QueueName": name}
        if services:
            given["Attributes"] = {"Policy": policy(arn, "sqs:SendMessage", *services)}
        self.ctx.call("sqs", "CreateQueue", given)
        return arn

    def delivery(self, target: str, payload: str = "text", **given: Any) -> Delivery:
        whole = {"source_arn": RULE, **given}
        return Delivery(self.ctx.account, self.ctx.region, target, payload, EVENTS, **whole)

    def put(self, *deliveries: Delivery) -> None:
        self.world.deliveries.put(deliveries).result()

    def bodies(self, name: str) -> list[str]:
        """The messages of the queue, in the order in which they were sent; they stay."""
        return [each.body for each in self.messages(name)]

    def messages(self, name: str) -> list[Any]:
        row = self.world.rows.get(self.ctx.account, self.ctx.region, "queue", name)
        assert row is not None
        return self.world.messages.peek(row.id, 0, 1000)

    def answers(self, service: str, name: str, with_: Callable[[Ctx, Doc], Doc]) -> None:
        """The operation is another."""
        self.world.operations[service, name] = with_


def policy(arn: str, action: str, *services: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": list(services)},
        "Action": action,
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def event(number: int = 0) -> Event:
    return Event("000000000000", "us-east-1", "mine", "Made", {"number": number})


def said(message: Any) -> dict[str, str]:
    return {k: v["StringValue"] for k, v in message.more["attributes"].items()}
