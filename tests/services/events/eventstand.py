"""A world with a clock to turn, whose loop and outbox run when told, for rules and schedules."""

from __future__ import annotations

import json
from typing import Any

from sagebrush.app import App, build
from sagebrush.errors import Doc
from sagebrush.settings import Settings
from sagebrush.world import Ctx, World
from tests.conftest import Clock


class Stand:
    """The user's calls, queues that EventBridge may send to, and time."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.app: App = build(settings, clock)

    @property
    def world(self) -> World:
        return self.app.world

    @property
    def ctx(self) -> Ctx:
        return self.world.ctx(self.world.credentials.user_caller, "test-request")

    @property
    def role(self) -> str:
        """The execution role, which trusts EventBridge and its Scheduler."""
        return f"arn:aws:iam::{self.ctx.account}:role/{self.settings.role}"

    def restart(self) -> None:
        """Another server goes on with the data."""
        self.app.stop()
        self.app = build(self.settings, self.clock)
        self.world.rows.take_over({})

    def events(self, operation: str, **params: Any) -> Doc:
        return self.ctx.call("events", operation, params)

    def scheduler(self, operation: str, **params: Any) -> Doc:
        return self.ctx.call("scheduler", operation, params)

    def run(self) -> None:
        """All that is due is done."""
        for _ in range(50):
            if not self.app.loop.run_once():
                break
        self.app.outbox.run_once()

    def queue(self, name: str, principal: str = "events.amazonaws.com") -> str:
        """The ARN of a new queue to which the service may send."""
        arn = f"arn:aws:sqs:{self.ctx.region}:{self.ctx.account}:{name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": principal},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        given = {"QueueName": name, "Attributes": {"Policy": policy}}
        if name.endswith(".fifo"):
            given["Attributes"] |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.ctx.call("sqs", "CreateQueue", given)
        return arn

    def got(self, name: str) -> list[str]:
        """The bodies of the queue's messages, oldest first; they stay."""
        return [each.body for each in self.messages(name)]

    def messages(self, name: str) -> list[Any]:
        row = self.world.rows.get(self.ctx.account, self.ctx.region, "queue", name)
        assert row is not None
        return self.world.messages.peek(row.id, 0, 1000)

    def rule(self, name: str, target: Doc | str, **given: Any) -> str:
        """The ARN of a new rule with the target (an ARN, or what PutTargets has)."""
        made = target if isinstance(target, dict) else {"Arn": target}
        bus = {m: given[m] for m in ("EventBusName",) if m in given}
        arn = self.events("PutRule", Name=name, **given)["RuleArn"]
        answer = self.events("PutTargets", Rule=name, Targets=[{"Id": "t", **made}], **bus)
        assert answer == {"FailedEntryCount": 0, "FailedEntries": []}
        return arn
