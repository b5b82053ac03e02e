"""SageMaker's events through EventBridge to a queue, by unmodified clients."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conftest import Server


def test_a_rule_sends_a_change_of_state_to_a_queue(
    server: Server, client: Callable[..., Any]
) -> None:
    events, queues, sagemaker = client("events"), client("sqs"), client("sagemaker")
    pattern = {"source": ["aws.sagemaker"], "detail": {"Tags": {"team": ["a"]}}}
    rule = events.put_rule(Name="states", EventPattern=json.dumps(pattern))["RuleArn"]
    url = queues.create_queue(QueueName="states")["QueueUrl"]
    arn = rule.replace(":events:", ":sqs:").replace("rule/states", "states")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert not events.put_targets(Rule="states", Targets=[{"Id": "q", "Arn": arn}])["FailedEntries"]
    name = "NotebookInstanceLifecycleConfigName"
    for each, team in (("unseen", "b"), ("seen", "a")):
        tags = [{"Key": "team", "Value": team}]
        sagemaker.create_notebook_instance_lifecycle_config(**{name: each}, Tags=tags)
    (message,) = queues.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail-type"] == "SageMaker Notebook Lifecycle Config State Change"
    assert event["detail"][name] == "seen"
    assert event["resources"] == [event["detail"]["NotebookInstanceLifecycleConfigArn"]]
    assert server.world.events.next_due() is None
