"""Which services the policies of queues and topics let in, as their users write them for AWS."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.access import resource_policies
from sagebrush.aws.names import Arn
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

ACCOUNT, REGION = "123456789012", "us-east-1"
QUEUE = Arn("sqs", REGION, ACCOUNT, "q")
TOPIC = Arn("sns", REGION, ACCOUNT, "t")
S3, EVENTS, SNS = "s3.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"
BUCKET = "arn:aws:s3:::bucket"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
NEWS = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
CALLS = {
    S3: (BUCKET, (QUEUE, "sqs:SendMessage"), (TOPIC, "sns:Publish")),
    EVENTS: (RULE, (QUEUE, "sqs:SendMessage"), (TOPIC, "sns:Publish")),
    SNS: (NEWS, (QUEUE, "sqs:SendMessage")),
}
"""Service -> the resource on whose behalf it calls, and what it calls."""
CASES = [
    (service, target, action) for service, (_, *all_) in CALLS.items() for target, action in all_
]


def admitted(target: Arn, action: str, service: str, **statement: Any) -> bool:
    """Whether the service may, where the target's policy has that statement."""
    whole = {
        "Effect": "Allow", "Principal": {"Service": service}, "Action": action,
        "Resource": str(target), **statement,
    }  # fmt: skip
    kind = resource_policies.KINDS[target.service]
    doc = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [whole]})}
    row = Row(ACCOUNT, REGION, kind, target.resource, "Active", doc)
    rows = SimpleNamespace(get=lambda *of: row if of == (ACCOUNT, REGION, kind, row.name) else None)
    world = SimpleNamespace(clock=lambda: 1.0, rows=rows)
    ctx = cast(Ctx, SimpleNamespace(world=world, account=ACCOUNT, region=REGION))
    return resource_policies.admits(ctx, target, action, service, CALLS[service][0])


def source(arn: str, operator: str = "ArnLike") -> dict[str, Any]:
    return {"Condition": {operator: {"aws:SourceArn": arn}}}


def account(number: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": {"aws:SourceAccount": number}}}


@pytest.mark.parametrize(("service", "target", "action"), CASES)
def test_what_lets_a_service_in(service: str, target: Arn, action: str) -> None:
    arn = CALLS[service][0]
    for statement in (
        {},
        source(arn),
        source(arn, "ArnEquals"),
        source(arn, "StringEquals"),
        account(ACCOUNT),
        {"Condition": {**source(arn)["Condition"], **account(ACCOUNT)["Condition"]}},
        {"Action": f"{action.upper().partition(':')[0]}:*", "Resource": "*"},
        {"Principal": "*", **source(arn)},
        {"Principal": {"Service": [service, "other.amazonaws.com"]}},
    ):
        assert admitted(target, action, service, **statement), statement


@pytest.mark.parametrize(("service", "target", "action"), CASES)
def test_what_does_not(service: str, target: Arn, action: str) -> None:
    arn = CALLS[service][0]
    for statement in (
        source(f"{arn}2"),
        source(f"{arn}2", "StringEquals"),
        account("210987654321"),
        {"Condition": {**source(arn)["Condition"], **account("210987654321")["Condition"]}},
        {"Principal": {"Service": "other.amazonaws.com"}},
        {"Principal": {"AWS": ACCOUNT}},
        {"Action": "sqs:ReceiveMessage"},
        {"Resource": f"{target}2"},
        {"Effect": "Deny"},
    ):
        assert not admitted(target, action, service, **statement), statement


def test_a_pattern_of_buckets_as_awss_guide_has_it() -> None:
    assert admitted(QUEUE, "sqs:SendMessage", S3, **source("arn:aws:s3:*:*:bucket"))
    assert admitted(QUEUE, "sqs:SendMessage", S3, **source("arn:aws:s3:::buck*"))
    assert not admitted(QUEUE, "sqs:SendMessage", S3, **source("arn:aws:s3:*:*:other"))


def test_a_target_that_is_not_there_is_left_to_its_operation() -> None:
    rows = SimpleNamespace(get=lambda *of: None)
    world = SimpleNamespace(clock=lambda: 1.0, rows=rows)
    ctx = cast(Ctx, SimpleNamespace(world=world, account=ACCOUNT, region=REGION))
    assert resource_policies.admits(ctx, QUEUE, "sqs:SendMessage", S3, BUCKET)


def alarm(doc: dict[str, Any], owner: str = ACCOUNT) -> bool:
    """Whether an alarm of the owner's may publish to the topic with that document."""
    row = Row(ACCOUNT, REGION, "topic", TOPIC.resource, "Active", doc)
    world = SimpleNamespace(clock=lambda: 1.0, rows=SimpleNamespace(get=lambda *of: row))
    ctx = cast(Ctx, SimpleNamespace(world=world, account=owner, region=REGION))
    source = f"arn:aws:cloudwatch:{REGION}:{owner}:alarm:a"
    return resource_policies.admits(ctx, TOPIC, "sns:Publish", resource_policies.ALARMS, source)


def test_alarms_publish_by_the_policy_that_a_topic_has_from_the_start() -> None:
    assert alarm({})
    assert not alarm({}, "210987654321")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": EVENTS},
        "Action": "sns:Publish",
        "Resource": str(TOPIC),
    }
    assert not alarm({"Policy": json.dumps({"Statement": [statement]})})
    statement["Principal"] = {"Service": resource_policies.ALARMS}
    assert alarm({"Policy": json.dumps({"Statement": [statement]})})
