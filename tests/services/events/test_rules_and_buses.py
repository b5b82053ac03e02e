"""Buses, rules and targets by their operations; events to their rules' queues. The clock is the
test's."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.store.events import Event
from tests.services.events.eventstand import Stand

PATTERN = '{"source": ["app"]}'
ENTRY = {"Source": "app", "DetailType": "Done", "Detail": '{"n": 1}'}


def refused(code: str, call: Any, *given: Any, **params: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call(*given, **params)
    assert caught.value.code == code, caught.value
    return caught.value.message


def put(stand: Stand, *entries: Doc) -> Doc:
    return stand.events("PutEvents", Entries=list(entries))


def test_an_event_reaches_its_rules_targets(stand: Stand) -> None:
    arn = stand.rule("r", stand.queue("q"), EventPattern=PATTERN)
    answer = put(stand, ENTRY, {**ENTRY, "Source": "other"})
    assert answer["FailedEntryCount"] == 0
    stand.run()
    (body,) = stand.got("q")
    assert json.loads(body) == {
        "version": "0",
        "id": answer["Entries"][0]["EventId"],
        "detail-type": "Done",
        "source": "app",
        "account": stand.ctx.account,
        "time": "2026-01-01T00:00:00Z",
        "region": stand.ctx.region,
        "resources": [],
        "detail": {"n": 1},
    }
    assert arn == f"arn:aws:events:{stand.ctx.region}:{stand.ctx.account}:rule/r"
    stand.events("DisableRule", Name="r")
    put(stand, ENTRY)
    stand.events("EnableRule", Name="r")
    put(stand, ENTRY)
    stand.run()
    assert len(stand.got("q")) == 2


def test_entries_are_refused_one_by_one(stand: Stand) -> None:
    entries = [
        ENTRY, {**ENTRY, "Source": ""}, {**ENTRY, "Detail": "[1]"}, {**ENTRY, "Detail": "{"},
        {**ENTRY, "Source": "aws.s3"}, {**ENTRY, "EventBusName": "nowhere"},
        {"Source": "app", "Detail": "{}"},
    ]  # fmt: skip
    answer = put(stand, *entries)
    codes = [each.get("ErrorCode") for each in answer["Entries"]]
    assert codes == [
        None, "InvalidArgument", "MalformedDetail", "MalformedDetail",
        "NotAuthorizedForSourceException", None, "InvalidArgument",
    ]  # fmt: skip
    assert answer["Entries"][6]["ErrorMessage"] == (
        "Parameter DetailType is not valid. Reason: DetailType is a required argument."
    )
    assert answer["FailedEntryCount"] == 5
    big = {**ENTRY, "Detail": json.dumps({"x": "y" * 1024 * 1024})}
    assert refused("ValidationException", put, stand, big) == (
        "Total size of the entries in the request is over the limit."
    )
    assert "EndpointId" in refused(
        "ValidationException", stand.events, "PutEvents", EndpointId="abc.def", Entries=[ENTRY]
    )


def test_rules_are_replaced_listed_and_deleted(stand: Stand) -> None:
    queue = stand.queue("q")
    stand.rule("r", queue, EventPattern=PATTERN, Description="d")
    stand.events("PutRule", Name="r", EventPattern='{"source": ["b"]}', State="DISABLED")
    found = stand.events("DescribeRule", Name="r")
    assert found == {
        "Name": "r",
        "Arn": found["Arn"],
        "EventBusName": "default",
        "EventPattern": '{"source": ["b"]}',
        "State": "DISABLED",
        "CreatedBy": stand.ctx.account,
    }
    assert stand.events("ListTargetsByRule", Rule="r")["Targets"] == [{"Id": "t", "Arn": queue}]
    assert stand.events("ListRuleNamesByTarget", TargetArn=queue)["RuleNames"] == ["r"]
    assert "CreatedBy" not in stand.events("ListRules", NamePrefix="r")["Rules"][0]
    assert refused("ValidationException", stand.events, "DeleteRule", Name="r") == (
        "Rule can't be deleted since it has targets."
    )
    gone = stand.events("RemoveTargets", Rule="r", Ids=["t", "u"])
    assert gone["FailedEntries"][0]["TargetId"] == "u"
    stand.events("DeleteRule", Name="r")
    stand.events("DeleteRule", Name="r")
    assert refused("ResourceNotFoundException", stand.events, "DescribeRule", Name="r") == (
        "Rule r does not exist on EventBus default."
    )
    message = refused(
        "InvalidEventPatternException", stand.events, "PutRule", Name="r", EventPattern='{"a": 1}'
    )
    assert message == (
        'Event pattern is not valid. Reason: "a" must be an object or an array\n'
        ' at [Source: (String)"{"a": 1}"; line: 1, column: 8]'
    )
    assert refused("ValidationException", stand.events, "PutRule", Name="r") == (
        "Parameter(s) EventPattern or ScheduleExpression must be specified."
    )
    long = json.dumps({"source": ["x" * 2048]})
    assert refused("ValidationException", stand.events, "PutRule", Name="r", EventPattern=long) == (
        "Parameter EventPattern for rule r exceeds limit of 2048."
    )
    for expression in ("rate(1 minutes)", "cron(0 1 * * * *)", "at(2026-01-01T00:00:00)"):
        given = {"Name": "r", "ScheduleExpression": expression}
        assert refused("ValidationException", stand.events, "PutRule", **given) == (
            "Parameter ScheduleExpression is not valid."
        )


def test_targets_have_limits(stand: Stand) -> None:
    queue = stand.queue("q")
    stand.rule("r", queue, EventPattern=PATTERN)
    more = [{"Id": str(n), "Arn": queue} for n in range(5)]
    assert refused(
        "LimitExceededException", stand.events, "PutTargets", Rule="r", Targets=more
    ) == ("The requested resource exceeds the maximum number allowed.")
    stand.events("PutTargets", Rule="r", Targets=more[:1])
    assert len(stand.events("ListTargetsByRule", Rule="r", Limit=1)["Targets"]) == 1
    role = f"arn:aws:iam::{stand.ctx.account}:role/stranger"
    stand.ctx.call("iam", "CreateRole", {"RoleName": "stranger", "AssumeRolePolicyDocument": TRUST})
    target = {"Id": "s", "Arn": queue, "RoleArn": role}
    words = refused("ValidationException", stand.events, "PutTargets", Rule="r", Targets=[target])
    assert words == f"Provided role '{role}' cannot be assumed by principal 'events.amazonaws.com'."


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def test_buses_their_policies_and_events_between_them(stand: Stand) -> None:
    bus = stand.events("CreateEventBus", Name="b", Tags=[{"Key": "k", "Value": "v"}])["EventBusArn"]
    assert refused("ResourceAlreadyExistsException", stand.events, "CreateEventBus", Name="b") == (
        "Event bus b already exists."
    )
    role = {"RoleArn": stand.role}
    stand.rule("to-b", {"Arn": bus, **role}, EventPattern=PATTERN)
    stand.rule("in-b", stand.queue("q"), EventPattern=PATTERN, EventBusName="b")
    default = bus.replace("event-bus/b", "event-bus/default")
    stand.rule("back", {"Arn": default, **role}, EventPattern=PATTERN, EventBusName="b")
    put(stand, ENTRY)
    put(stand, {**ENTRY, "EventBusName": bus, "Detail": '{"n": 2}'})
    stand.run()
    assert sorted(json.loads(body)["detail"]["n"] for body in stand.got("q")) == [1, 2]
    given = {"Action": "events:PutEvents", "Principal": "111122223333", "StatementId": "s"}
    for name in ("b", "default"):
        stand.events("PutPermission", EventBusName=name, **given)
        policy = json.loads(stand.events("DescribeEventBus", Name=name)["Policy"])
        assert policy["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
        words = refused(
            "ResourceNotFoundException", stand.events, "RemovePermission",
            EventBusName=name, StatementId="t",
        )  # fmt: skip
        assert words == "Statement with the provided id does not exist."
        stand.events("RemovePermission", EventBusName=name, StatementId="s")
        assert "Policy" not in stand.events("DescribeEventBus", Name=name)
    assert [each["Name"] for each in stand.events("ListEventBuses")["EventBuses"]] == [
        "b",
        "default",
    ]
    assert stand.events("ListTagsForResource", ResourceARN=bus)["Tags"][0]["Value"] == "v"
    stand.events("UntagResource", ResourceARN=bus, TagKeys=["k"])
    stand.events("TagResource", ResourceARN=default, Tags=[{"Key": "k", "Value": "w"}])
    assert stand.events("ListTagsForResource", ResourceARN=default)["Tags"][0]["Value"] == "w"
    stand.events("DeleteEventBus", Name="b")
    assert refused("ResourceNotFoundException", stand.events, "ListRules", EventBusName="b") == (
        "Event bus b does not exist."
    )
    assert refused("ValidationException", stand.events, "DeleteEventBus", Name="default") == (
        "Cannot delete event bus default."
    )


def test_another_account_comes_in_by_the_buss_policy(stand: Stand) -> None:
    stand.rule("r", stand.queue("q"), EventPattern=PATTERN)
    bus = f"arn:aws:events:{stand.ctx.region}:{stand.ctx.account}:event-bus/default"
    stranger = stand.world.service_ctx(account="111122223333", region=stand.ctx.region)
    entry = {**ENTRY, "EventBusName": bus}
    refused("AccessDeniedException", stranger.call, "events", "PutEvents", {"Entries": [entry]})
    given = {"Action": "events:PutEvents", "Principal": "111122223333", "StatementId": "s"}
    stand.events("PutPermission", **given)
    stranger.call("events", "PutEvents", {"Entries": [entry]})
    stand.run()
    assert [json.loads(body)["account"] for body in stand.got("q")] == ["111122223333"]


def test_events_of_services_come_to_the_default_bus(stand: Stand) -> None:
    target = {"Arn": stand.queue("q"), "InputPath": "$.detail.TrainingJobStatus"}
    pattern = {
        "source": ["aws.sagemaker"],
        "detail": {"TrainingJobStatus": ["Completed", "Failed"]},
    }
    stand.rule("ended", target, EventPattern=json.dumps(pattern))
    for status in ("InProgress", "Completed"):
        event = Event(
            stand.ctx.account, stand.ctx.region, "aws.sagemaker",
            "SageMaker Training Job State Change", {"TrainingJobStatus": status},
        )  # fmt: skip
        stand.world.events.put([event]).result()
    stand.run()
    assert stand.got("q") == ['"Completed"']


def test_what_cannot_be_delivered_goes_to_the_dead_letters(stand: Stand) -> None:
    gone = f"arn:aws:sqs:{stand.ctx.region}:{stand.ctx.account}:gone"
    dead = {"DeadLetterConfig": {"Arn": stand.queue("dead")}}
    arn = stand.rule("r", {"Arn": gone, **dead}, EventPattern=PATTERN)
    bus = stand.events("CreateEventBus", Name="b")["EventBusArn"]
    stand.rule("s", {"Arn": bus, "RoleArn": stand.role, **dead}, EventPattern=PATTERN)
    stand.events("DeleteEventBus", Name="b")
    put(stand, ENTRY)
    stand.run()
    found = stand.messages("dead")
    said = [{k: v["StringValue"] for k, v in m.more["attributes"].items()} for m in found]
    assert {each["TARGET_ARN"] for each in said} == {gone, bus}
    assert arn in {each["RULE_ARN"] for each in said}
    assert {each["ERROR_CODE"] for each in said} == {"NO_RESOURCE", "NO_PERMISSIONS"}
    stand.rule("lost", {"Arn": gone, "DeadLetterConfig": {"Arn": gone}}, EventPattern=PATTERN)
    put(stand, ENTRY)
    stand.run()
    assert counted(stand, "r") == {"FailedInvocations": 2.0, "InvocationsSentToDlq": 2.0}
    lost = {"FailedInvocations": 1.0, "InvocationsFailedToBeSentToDlq": 1.0}
    assert counted(stand, "lost") == lost


def counted(stand: Stand, rule: str) -> Doc:
    """The sums of the metrics about invocations of the rule that failed."""
    now = stand.clock()
    times = {"StartTime": now - 600, "EndTime": now + 600}
    times = {k: dt.datetime.fromtimestamp(v, dt.UTC) for k, v in times.items()}
    found = {}
    for name in ("FailedInvocations", "InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq"):
        points = stand.ctx.call(
            "cloudwatch", "GetMetricStatistics",
            {"Namespace": "AWS/Events", "MetricName": name, "Period": 60, "Statistics": ["Sum"],
             "Dimensions": [{"Name": "RuleName", "Value": rule}], **times},
        )["Datapoints"]  # fmt: skip
        if points:
            found[name] = sum(each["Sum"] for each in points)
    return found


def test_log_groups_as_targets(stand: Stand) -> None:
    stand.ctx.call("logs", "CreateLogGroup", {"logGroupName": "/aws/events/x"})
    arn = f"arn:aws:logs:{stand.ctx.region}:{stand.ctx.account}:log-group:/aws/events/x"
    stand.rule("r", arn, EventPattern=PATTERN)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{arn}:*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = {"policyName": "trust-events", "policyDocument": document}
    stand.ctx.call("logs", "PutResourcePolicy", policy)
    put(stand, ENTRY, ENTRY)
    stand.run()
    found = stand.ctx.call("logs", "FilterLogEvents", {"logGroupName": "/aws/events/x"})["events"]
    assert [json.loads(each["message"])["detail"] for each in found] == [{"n": 1}] * 2
    assert found[0]["timestamp"] == 1767225600000


def test_patterns_are_tested(stand: Stand) -> None:
    event = {
        "id": "1", "account": "1", "source": "app", "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1", "resources": [], "detail-type": "x",
    }  # fmt: skip
    whole = {"EventPattern": PATTERN, "Event": json.dumps(event)}
    assert stand.events("TestEventPattern", **whole) == {"Result": True}
    other = {**whole, "EventPattern": '{"source": [{"anything-but": "app"}]}'}
    assert stand.events("TestEventPattern", **other) == {"Result": False}
    refused("ValidationException", stand.events, "TestEventPattern", **{**whole, "Event": "[]"})
    refused(
        "InvalidEventPatternException",
        stand.events,
        "TestEventPattern",
        **{**whole, "EventPattern": "{}"},
    )


def test_metrics_count_what_rules_match(stand: Stand) -> None:
    stand.rule("r", stand.queue("q"), EventPattern=PATTERN)
    put(stand, ENTRY, ENTRY)
    for metric in ("MatchedEvents", "TriggeredRules", "Invocations"):
        found = stand.ctx.call(
            "cloudwatch",
            "GetMetricStatistics",
            {
                "Namespace": "AWS/Events",
                "MetricName": metric,
                "Dimensions": [{"Name": "RuleName", "Value": "r"}],
                "StartTime": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
                "EndTime": dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC),
                "Period": 60,
                "Statistics": ["Sum"],
            },
        )
        assert [point["Sum"] for point in found["Datapoints"]] == [2.0]
