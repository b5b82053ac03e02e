"""Asynchronous invocations over the end of a server, by a clock that is passed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.conftest import Clock, Server, make_settings, started
from tests.services.lambda_.lambdas import ACCOUNT, create
from tests.waiting import until

CODE = "def handler(event, context): raise ValueError(event['n'])"


def waiting(server: Server) -> list[Any]:
    """The events that wait, of all functions."""
    found = [row for row in server.world.rows.select("lambda-function")]
    return [m for row in found for m in server.world.messages.peek(row.id, 0, 10)]


def tried(server: Server, times: int) -> None:
    """Every event that waits has been tried so often, and none is in flight."""

    def look() -> bool:
        at = server.world.clock() + 1e9
        events = waiting(server)
        hidden = [server.world.messages.next_visible(m.queue) or 0 for m in events]
        return all(m.more["attempts"] == times for m in events) and all(t < at for t in hidden)

    until(look, f"{times} attempts")


def test_an_accepted_event_is_tried_until_its_record_is_sent(tmp_path: Path) -> None:
    clock = Clock(time.time())  # clients sign by the real one
    settings = make_settings(tmp_path / "home", isolation="process")
    server = started(settings, clock)
    try:
        lam, sqs = server.client("lambda"), server.client("sqs")
        sqs.create_queue(QueueName="records")
        queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:records"
        create(lam, "fails", CODE, DeadLetterConfig={"TargetArn": queue})
        lam.invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"n": "x"}')
        tried(server, 1)
    finally:
        server.stop()
    server = started(settings, clock)
    try:
        assert [m.more["attempts"] for m in waiting(server)] == [1]
        clock.forward(61)
        server.app.workers.wake()
        tried(server, 2)
        (event,) = waiting(server)
        # as a server leaves it that is killed while the function runs
        server.world.messages.receive(event.queue, 1, 0.0).result()
        clock.forward(121)
        server.app.workers.wake()
        until(lambda: not waiting(server), "the record")
        sqs = server.client("sqs")
        url = sqs.get_queue_url(QueueName="records")["QueueUrl"]
        found: list[Any] = []
        until(
            lambda: (
                found.extend(
                    sqs.receive_message(
                        QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]
                    ).get("Messages", [])
                )
                or found
            )
        )
        assert json.loads(found[0]["Body"]) == {"n": "x"}
        assert found[0]["MessageAttributes"]["ErrorMessage"]["StringValue"] == "x"
    finally:
        server.stop()
