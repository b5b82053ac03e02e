"""EventBridge Scheduler by its operations, and its schedules firing; the clock is the test's."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.scheduler.target_checks import UNIVERSAL
from tests.services.events.eventstand import Stand

OFF = {"Mode": "OFF"}


def target(stand: Stand, arn: str, **more: Any) -> Doc:
    return {"Arn": arn, "RoleArn": stand.role, **more}


def create(stand: Stand, name: str = "s", expression: str = "rate(5 minutes)", **more: Any) -> Doc:
    given = {"FlexibleTimeWindow": OFF, "ScheduleExpression": expression, **more}
    if "Target" not in given:
        arn = f"arn:aws:sqs:{stand.ctx.region}:{stand.ctx.account}:q"
        given["Target"] = target(stand, arn, Input="<aws.scheduler.scheduled-time>")
    return stand.scheduler("CreateSchedule", Name=name, **given)


def refused(code: str, call: Any, *given: Any, **params: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call(*given, **params)
    assert caught.value.code == code, caught.value
    return caught.value.message


def pass_time(stand: Stand, minutes: int) -> None:
    for _ in range(minutes):
        stand.run()
        stand.clock.forward(60.0)


def test_a_schedule_invokes_its_target_and_goes(stand: Stand) -> None:
    stand.queue("q")
    create(stand, "rated", EndDate=dt.datetime(2026, 1, 1, 0, 11, tzinfo=dt.UTC))
    create(stand, "once", "at(2026-01-01T09:03:00)", ScheduleExpressionTimezone="Asia/Tokyo",
           ActionAfterCompletion="DELETE")  # fmt: skip
    pass_time(stand, 20)
    assert stand.got("q") == [f"2026-01-01T00:{m:02}:00Z" for m in (0, 3, 5, 10)]
    names = [each["Name"] for each in stand.scheduler("ListSchedules")["Schedules"]]
    assert names == ["rated"]
    assert refused("ResourceNotFoundException", stand.scheduler, "GetSchedule", Name="once") == (
        "Schedule once does not exist."
    )


def test_a_schedule_over_a_restart_fires_once(stand: Stand) -> None:
    stand.queue("q")
    create(stand, FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 3})
    pass_time(stand, 6)
    stand.restart()
    pass_time(stand, 6)
    stand.clock.forward(3720.0)  # 01:14: the moment of 01:10 has come, whatever it is
    stand.restart()
    pass_time(stand, 1)
    stand.restart()
    pass_time(stand, 1)
    found = stand.got("q")
    assert found[:3] == [f"2026-01-01T00:{m:02}:00Z" for m in (0, 5, 10)]
    assert len(found) == len(set(found)) == 4


def test_universal_targets_and_buses(stand: Stand) -> None:
    stand.queue("q")
    url = f"https://sqs.{stand.ctx.region}.amazonaws.com/{stand.ctx.account}/q"
    body = {
        "QueueUrl": url,
        "MessageBody": "<aws.scheduler.execution-id> <aws.scheduler.attempt-number>",
    }
    arn = f"{UNIVERSAL}sqs:sendMessage"
    once = "at(2026-01-01T00:00:00)"
    create(stand, "u", once, Target=target(stand, arn, Input=json.dumps(body)))
    bus = f"arn:aws:events:{stand.ctx.region}:{stand.ctx.account}:event-bus/default"
    sends = {"EventBridgeParameters": {"Source": "app", "DetailType": "Tick"}}
    stand.rule("r", f"arn:aws:sqs:{stand.ctx.region}:{stand.ctx.account}:q",
               EventPattern='{"source": ["app"]}')  # fmt: skip
    create(stand, "b", once, Target=target(stand, bus, Input='{"x": 1}', **sends))
    stand.run()
    stand.run()
    plain, event = sorted(stand.got("q"), key=len)
    assert plain.endswith(" 1")
    assert len(plain) == 18
    assert json.loads(event)["detail"] == {"x": 1}


def test_what_a_schedule_may_not_say(stand: Stand) -> None:
    stand.queue("q")
    for expression in (
        "cron(0 1 * * * *)",
        "rate(10 seconds)",
        " rate(10 minutes)",
        "at(2021-12-31)",
    ):
        assert refused("ValidationException", create, stand, expression=expression) == (
            f"Invalid Schedule Expression {expression}."
        )
    own = f"arn:aws:sqs:{stand.ctx.region}:{stand.ctx.account}:q"
    stranger = target(stand, own) | {"RoleArn": f"arn:aws:iam::{stand.ctx.account}:role/none"}
    trust = {"Version": "2012-10-17", "Statement": []}
    stand.ctx.call(
        "iam", "CreateRole", {"RoleName": "none", "AssumeRolePolicyDocument": _trust(trust)}
    )
    assert refused("ValidationException", create, stand, Target=stranger) == (
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    )
    early = dt.datetime(2025, 12, 31, tzinfo=dt.UTC)
    assert refused("ValidationException", create, stand, StartDate=early) == (
        "The StartDate you specify cannot be earlier than 5 minutes ago."
    )
    assert refused(
        "ValidationException", create, stand, FlexibleTimeWindow={"Mode": "FLEXIBLE"}
    ) == ("MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE.")
    refused("ValidationException", create, stand, ScheduleExpressionTimezone="Mars/Base")
    start = f"arn:aws:lambda:{stand.ctx.region}:{stand.ctx.account}:function:f"
    for given, message in (
        (
            {"Arn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p"},
            "Sagebrush does not support",
        ),
        ({"Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}, "Sagebrush does not support"),
        (
            {"Arn": "arn:aws:backup:us-east-1:1:x"},
            "backup is not a supported service for a target.",
        ),
        ({"Arn": f"{UNIVERSAL}s3:getObject", "Input": "{}"}, "getObject API is not supported."),
        ({"Arn": f"{UNIVERSAL}ec2:stopInstances", "Input": "{}"}, "Sagebrush does not support"),
        ({"Arn": f"{UNIVERSAL}sqs:sendMessage"}, "You must provide an input to set this target"),
        ({"Arn": start, "Input": "{"}, "JSON syntax error in input for the target"),
        (
            {"Arn": start.replace("us-east-1", "eu-west-1")},
            "The target ARN provided does not match",
        ),
        ({"Arn": f"{own}.fifo"}, "Parameters SqsParameters must be specified."),
        (
            {"Arn": own, "SqsParameters": {"MessageGroupId": "g"}},
            "Parameters MessageGroupId not valid",
        ),
        (
            {"Arn": own, "KinesisParameters": {"PartitionKey": "k"}},
            "Parameters KinesisParameters not",
        ),
    ):
        made = {**given, "RoleArn": stand.role}
        assert message in refused("ValidationException", create, stand, Target=made), given


def _trust(document: Doc) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                 "Action": "sts:AssumeRole"}  # fmt: skip
    return json.dumps({**document, "Statement": [statement]})


def test_schedules_and_groups(stand: Stand) -> None:
    stand.queue("q")
    made = create(stand, ClientToken="t")
    assert create(stand, ClientToken="t") == made
    assert refused("ConflictException", create, stand, ClientToken="u") == (
        "Schedule s already exists."
    )
    found = stand.scheduler("GetSchedule", Name="s")
    assert found["Target"]["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 86400,
        "MaximumRetryAttempts": 185,
    }
    assert (found["State"], found["GroupName"], found["ScheduleExpressionTimezone"]) == (
        "ENABLED", "default", "UTC",
    )  # fmt: skip
    assert refused("ResourceNotFoundException", create, stand, GroupName="g") == (
        "Schedule group g does not exist."
    )
    group = stand.scheduler("CreateScheduleGroup", Name="g", Tags=[{"Key": "k", "Value": "v"}])
    create(stand, GroupName="g", State="DISABLED")
    arn = group["ScheduleGroupArn"]
    stand.scheduler("TagResource", ResourceArn=arn, Tags=[{"Key": "l", "Value": "w"}])
    stand.scheduler("UntagResource", ResourceArn=arn, TagKeys=["k"])
    tags = stand.scheduler("ListTagsForResource", ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "l", "Value": "w"}]
    listed = stand.scheduler("ListSchedules", GroupName="g", State="DISABLED")["Schedules"]
    assert [each["Name"] for each in listed] == ["s"]
    update = {k: found[k] for k in ("FlexibleTimeWindow", "Target")}
    stand.scheduler(
        "UpdateSchedule", Name="s", GroupName="g", ScheduleExpression="rate(1 days)", **update
    )
    assert stand.scheduler("GetSchedule", Name="s", GroupName="g")["State"] == "ENABLED"
    groups = stand.scheduler("ListScheduleGroups")["ScheduleGroups"]
    assert [each["Name"] for each in groups] == ["default", "g"]
    for operation in ("CreateScheduleGroup", "DeleteScheduleGroup"):
        assert refused("ValidationException", stand.scheduler, operation, Name="default") == (
            "This operation cannot be performed on schedule group default."
        )
    stand.scheduler("DeleteScheduleGroup", Name="g")
    refused("ResourceNotFoundException", stand.scheduler, "GetScheduleGroup", Name="g")
    assert [each["GroupName"] for each in stand.scheduler("ListSchedules")["Schedules"]] == [
        "default"
    ]
    stand.scheduler("DeleteSchedule", Name="s")
    assert stand.scheduler("ListSchedules")["Schedules"] == []
