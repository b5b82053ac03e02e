"""kill -9 of the server while events are on their way to a queue, and while schedules fall due."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.stand import ROLE, Stand
from tests.waiting import until

EVENTS, SCHEDULES, KILLS = 120, 6, 3
QUEUE = "arn:aws:sqs:us-east-1:123456789012:heard"


def taken(sqs: Any, url: str) -> list[str]:
    """The bodies of all messages that are there, which are gone then."""
    found: list[str] = []
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = got.get("Messages", [])
        if not messages:
            return found
        found += [each["Body"] for each in messages]
        entries = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)


@pytest.mark.full
def test_every_event_arrives_and_every_schedule_fires_once(tmp_path: Path) -> None:
    stand = Stand(tmp_path / "home", isolation="process").up()
    try:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        url = stand.client("sqs").create_queue(QueueName="heard", Attributes={"Policy": policy})[
            "QueueUrl"
        ]
        events, scheduler = stand.client("events"), stand.client("scheduler")
        events.put_rule(Name="r", EventPattern='{"source": ["app"]}')
        events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": QUEUE, "InputPath": "$.detail.n"}])
        now = dt.datetime.now(dt.UTC)
        for n in range(SCHEDULES):
            at = (now + dt.timedelta(seconds=2 + n)).strftime("%Y-%m-%dT%H:%M:%S")
            scheduler.create_schedule(
                Name=f"s{n}",
                ScheduleExpression=f"at({at})",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": QUEUE, "RoleArn": ROLE, "Input": f"schedule {n}"},
                ActionAfterCompletion="DELETE",
            )
        accepted = 0
        while accepted < EVENTS:
            entries = [
                {"Source": "app", "DetailType": "x", "Detail": json.dumps({"n": accepted + n})}
                for n in range(10)
            ]
            answer = events.put_events(Entries=entries)
            assert answer["FailedEntryCount"] == 0
            accepted += 10
            if accepted in (EVENTS // 3, EVENTS):
                stand.kill()
                stand.up()
        until(lambda: not scheduler.list_schedules()["Schedules"], "the last schedule", 30)
        stand.kill()
        stand.up()
        heard = Counter(taken(stand.client("sqs"), url))
        assert {n for n in range(EVENTS) if not heard[str(n)]} == set()
        fired = [heard[f"schedule {n}"] for n in range(SCHEDULES)]
        assert min(fired) == 1
        # a fire is one delivery, of which a kill may repeat the last step
        assert sum(fired) - SCHEDULES <= KILLS
    finally:
        stand.clean()
