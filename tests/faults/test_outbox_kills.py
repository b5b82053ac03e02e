"""kill -9 while events happen and are sent: what was acknowledged arrives, though it may twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sagebrush.app import App, build
from sagebrush.engine.outbox import EACH, Outbox
from sagebrush.store.deliveries import Delivery
from sagebrush.store.events import Event, Events, Interest
from sagebrush.world import World
from tests.conftest import make_settings

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
RULE = "arn:aws:events:us-east-1:123456789012:rule/x"
EVENTS = "events.amazonaws.com"
KILLS = 4
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": EVENTS},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
        }
    ],
}


def consume(world: World, event: Event) -> list[Delivery]:
    """Each event goes to the queue."""
    text = json.dumps(event.detail)
    return [Delivery(event.account, event.region, QUEUE, text, EVENTS, RULE)]


def opened(home: Path) -> tuple[App, Outbox]:
    """A server without HTTP on that data directory, whose events are all consumed."""
    app = build(make_settings(home, isolation="process"))
    world = app.world
    world.events = Events(world.db, world.clock, {}, Interest(always=True))
    return app, Outbox(world, [consume])


def run(home: Path) -> None:
    """Events happen, each told of once it is on disk, until the process is killed."""
    app, outbox = opened(home)
    outbox.start()
    for number in range(100_000):
        detail = {"who": os.getpid(), "number": number}
        event = Event("123456789012", "us-east-1", "mine", "Made", detail)
        app.world.events.put([event]).result()
        print(json.dumps(detail), flush=True)


@pytest.mark.full
def test_what_was_acknowledged_arrives(tmp_path: Path) -> None:
    app, outbox = opened(tmp_path)
    policy = {"Policy": json.dumps(POLICY)}
    app.world.service_ctx().call("sqs", "CreateQueue", {"QueueName": "q", "Attributes": policy})
    app.stop()
    acknowledged: list[str] = []
    for _ in range(KILLS):
        code = f"from tests.faults import test_outbox_kills as t; from pathlib import Path; t.run(Path({str(tmp_path)!r}))"
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        for _ in range(random.randrange(20, 300)):
            acknowledged.append(child.stdout.readline().strip())
        child.kill()
        child.wait()
        # those that were printed and not read count too; the last line may be half a one
        rest = child.stdout.read().split("\n")[:-1]
        acknowledged += rest
        child.stdout.close()
    app, outbox = opened(tmp_path)
    outbox.run_once()
    row = app.world.rows.get("123456789012", "us-east-1", "queue", "q")
    assert row is not None
    found = Counter(each.body for each in app.world.messages.peek(row.id, 0, 1_000_000))
    app.stop()
    assert set(acknowledged) <= found.keys(), "nothing is lost"
    twice = sum(count - 1 for count in found.values())
    assert twice <= KILLS * EACH, "only what was being sent comes again"
    assert len(acknowledged) > 50
