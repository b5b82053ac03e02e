"""Who may send what to whom: by the policy of the target, or as a role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sagebrush.access import function_references
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.store.rows import Row
from sagebrush.world import Ctx
from tests.conftest import Clock
from tests.engine.outboxworld import EVENTS, RULE, OutboxWorld, policy, said


@pytest.fixture
def things(settings: Settings, clock: Clock) -> Iterator[OutboxWorld]:
    made = OutboxWorld(settings, clock)
    yield made
    made.outbox.stop()
    made.app.stop()


def test_without_a_policy_of_the_target_nothing_arrives(things: OutboxWorld) -> None:
    dead = things.queue("dead", EVENTS)
    for target in (things.queue("q"), things.queue("other", "s3.amazonaws.com")):
        things.put(things.delivery(target, target, dead_letter=dead))
    things.outbox.run_once()
    assert things.bodies("q") == things.bodies("other") == []
    letters = {each.body: said(each) for each in things.messages("dead")}
    assert [each["ERROR_CODE"] for each in letters.values()] == ["NO_PERMISSIONS"] * 2
    assert all(
        each["RULE_ARN"] == RULE and each["TARGET_ARN"] == arn for arn, each in letters.items()
    )
    assert all("EXHAUSTED_RETRY_CONDITION" not in each for each in letters.values())


def test_a_queue_of_another_account_or_region_that_lets_the_service(things: OutboxWorld) -> None:
    places = (("111122223333", "us-east-1"), (things.ctx.account, "eu-west-1"))
    for account, region in places:
        there = things.world.service_ctx(account=account, region=region)
        arn = f"arn:aws:sqs:{region}:{account}:q"
        attributes = {"Policy": policy(arn, "sqs:SendMessage", EVENTS)}
        there.call("sqs", "CreateQueue", {"QueueName": "q", "Attributes": attributes})
        there.call("sqs", "CreateQueue", {"QueueName": "closed"})
        things.put(things.delivery(arn), things.delivery(arn.replace(":q", ":closed")))
    things.outbox.run_once()
    for account, region in places:
        for name, count in (("q", 1), ("closed", 0)):
            row = things.world.rows.get(account, region, "queue", name)
            assert row is not None
            assert len(things.world.messages.peek(row.id, 0, 9)) == count


def test_a_role_sends_what_it_may_where_the_service_may_assume_it(things: OutboxWorld) -> None:
    def role(name: str, service: str, action: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        given = {"RoleName": name, "AssumeRolePolicyDocument": document}
        arn = things.ctx.call("iam", "CreateRole", given)["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
        things.ctx.call(
            "iam", "PutRolePolicy", {"RoleName": name, "PolicyName": "p", "PolicyDocument":
                                     json.dumps({"Version": "2012-10-17", "Statement": [allowed]})}
        )  # fmt: skip
        return arn

    target, dead = things.queue("q"), things.queue("dead", EVENTS)
    roles = [
        role("good", EVENTS, "sqs:SendMessage"),
        role("strange", "s3.amazonaws.com", "sqs:SendMessage"),
        role("poor", EVENTS, "sqs:ReceiveMessage"),
        f"arn:aws:iam::{things.ctx.account}:role/none",
    ]
    things.put(*(things.delivery(target, arn, role=arn, dead_letter=dead) for arn in roles))
    things.outbox.run_once()
    assert things.bodies("q") == roles[:1]
    codes = {each.body: said(each)["ERROR_CODE"] for each in things.messages("dead")}
    assume = "FAILED_TO_ASSUME_ROLE"
    assert codes == dict(zip(roles[1:], (assume, "NO_PERMISSIONS", assume), strict=True))


def test_a_log_group_gets_each_message_in_a_stream_of_its_own(things: OutboxWorld) -> None:
    things.ctx.call("logs", "CreateLogGroup", {"logGroupName": "/aws/events/x"})
    group = f"arn:aws:logs:{things.ctx.region}:{things.ctx.account}:log-group:/aws/events/x"
    elsewhere = group.replace(things.ctx.account, "111122223333")
    things.ctx.call("logs", "CreateLogGroup", {"logGroupName": "/aws/events/closed"})
    allowed = json.loads(policy(f"{group}:*", "logs:*", EVENTS))
    text = json.dumps(allowed)
    things.ctx.call("logs", "PutResourcePolicy", {"policyName": "p", "policyDocument": text})
    things.put(*(things.delivery(group, text) for text in ("one", "two")))
    dead = things.queue("dead", EVENTS)
    closed = group.replace("/x", "/closed")
    things.put(*(things.delivery(arn, arn, dead_letter=dead) for arn in (elsewhere, closed)))
    things.outbox.run_once()
    streams = things.ctx.call("logs", "DescribeLogStreams", {"logGroupName": "/aws/events/x"})
    assert len(streams["logStreams"]) == 2
    found = things.ctx.call("logs", "FilterLogEvents", {"logGroupName": "/aws/events/x"})["events"]
    assert sorted(each["message"] for each in found) == ["one", "two"]
    assert found[0]["timestamp"] == round(things.clock() * 1000)
    codes = {each.body: said(each)["ERROR_CODE"] for each in things.messages("dead")}
    assert codes == {elsewhere: "NO_PERMISSIONS", closed: "NO_PERMISSIONS"}
    things.ctx.call("logs", "DeleteLogGroup", {"logGroupName": "/aws/events/x"})
    things.put(things.delivery(group, "gone", dead_letter=dead))
    things.outbox.run_once()
    assert said(things.messages("dead")[-1])["ERROR_CODE"] == "NO_RESOURCE"


def test_a_function_gets_what_its_policy_lets_the_service_send(things: OutboxWorld) -> None:
    place = (things.ctx.account, things.ctx.region)
    arns = {}
    for name, service in (("open", EVENTS), ("other", "s3.amazonaws.com"), ("closed", "")):
        arn = arns[name] = f"arn:aws:lambda:{place[1]}:{place[0]}:function:{name}"
        policies = (
            {"": json.loads(policy(arn, "lambda:InvokeFunction", service))} if service else {}
        )
        plan = {"policies": policies}
        things.world.rows.insert(Row(*place, function_references.FUNCTION, name, "", {}, plan))
    got: list[bytes] = []

    def invoke(ctx: Ctx, request: Doc) -> Doc:
        got.append(request["Payload"])
        return {"StatusCode": 202}

    things.answers("lambda", "Invoke", invoke)
    dead = things.queue("dead", EVENTS)
    things.put(*(things.delivery(arn, name, dead_letter=dead) for name, arn in arns.items()))
    things.outbox.run_once()
    assert got == [b"open"]
    codes = {each.body: said(each)["ERROR_CODE"] for each in things.messages("dead")}
    assert codes == {"other": "NO_PERMISSIONS", "closed": "NO_PERMISSIONS"}


def test_a_universal_target_is_called_as_its_role(things: OutboxWorld) -> None:
    role = f"arn:aws:iam::{things.ctx.account}:role/{things.app.settings.role}"
    given = json.dumps({"QueueName": "made"})
    scheduled = things.delivery("aws-sdk:sqs:createQueue", given, role=role)
    scheduled = replace(scheduled, principal="scheduler.amazonaws.com")
    dead = things.queue("dead", "scheduler.amazonaws.com")
    bare = replace(scheduled, role="", dead_letter=dead)  # what Scheduler has none of
    wrong = replace(scheduled, payload='{"Strange": 1}', dead_letter=dead)
    things.put(scheduled, bare, wrong)
    things.outbox.run_once()
    assert things.bodies("made") == []
    (refused,) = things.messages("dead")[:1]
    found = {each.body: said(each) for each in things.messages("dead")}
    assert said(refused)["TARGET_ARN"] == "arn:aws:scheduler:::aws-sdk:sqs:createQueue"
    assert {body: each["ERROR_CODE"] for body, each in found.items()} == {
        given: "AccessDeniedException",
        '{"Strange": 1}': "MissingParameter",
    }


def test_what_is_not_there_yet_is_refused_for_good(things: OutboxWorld) -> None:
    role = f"arn:aws:iam::{things.ctx.account}:role/{things.app.settings.role}"
    pipeline = f"arn:aws:sagemaker:{things.ctx.region}:{things.ctx.account}:pipeline/p"
    stream = f"arn:aws:kinesis:{things.ctx.region}:{things.ctx.account}:stream/s"
    dead = things.queue("dead", EVENTS)
    for target in (pipeline, stream):
        things.put(things.delivery(target, "{}", role=role, dead_letter=dead))
    things.outbox.run_once()
    found = [said(each) for each in things.messages("dead")]
    assert {each["ERROR_CODE"] for each in found} == {"SDK_CLIENT_ERROR"}
    words = {each["TARGET_ARN"]: each["ERROR_MESSAGE"] for each in found}
    assert "StartPipelineExecution" in words[pipeline]
    assert stream in words[stream]


def test_an_execution_that_an_earlier_try_started_is_started(things: OutboxWorld) -> None:
    machine = f"arn:aws:states:{things.ctx.region}:{things.ctx.account}:stateMachine:m"
    role = f"arn:aws:iam::{things.ctx.account}:role/{things.app.settings.role}"
    names: list[str] = []

    def start(ctx: Ctx, request: Doc) -> Doc:
        names.append(request["name"])
        assert ctx.caller.role == things.app.settings.role
        if len(names) == 1:  # started, but the answer was lost
            raise AwsError("InternalFailure", "x", 500)
        raise AwsError("ExecutionAlreadyExists", "x")

    things.answers("stepfunctions", "StartExecution", start)
    dead = things.queue("dead", EVENTS)
    things.put(things.delivery(machine, "{}", role=role))
    things.put(things.delivery(machine, "no role", dead_letter=dead))
    things.outbox.run_once()
    things.clock.forward(2.0)
    things.outbox.run_once()
    assert len(names) == 2
    assert len(set(names)) == 1
    assert things.world.deliveries.count() == 0
    (letter,) = things.messages("dead")
    assert (letter.body, said(letter)["ERROR_CODE"]) == ("no role", "NO_PERMISSIONS")
