"""Traffic, alarms, policies, instances: with the clock as the test sets it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.errors import AwsError, Busy
from sagebrush.services.autoscaling import activities, capacity
from sagebrush.services.autoscaling.decisions import Note
from tests.services.autoscaling.scalingstand import DIMENSIONS, WHICH, Scaled
from tests.services.sagemaker.stand import NAME


def step(scaled: Scaled, *steps: dict[str, Any], name: str = "s", **more: Any) -> str:
    """A step scaling policy; its ARN."""
    config = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": list(steps), **more}
    made = scaled.aas(
        "PutScalingPolicy",
        PolicyName=name,
        PolicyType="StepScaling",
        **WHICH,
        StepScalingPolicyConfiguration=config,
    )
    return made["PolicyARN"]


def watch(scaled: Scaled, name: str, arn: str, **more: Any) -> None:
    """An alarm of the user's own that calls the policy."""
    alarm = {
        "AlarmName": name,
        "AlarmActions": [arn],
        "Namespace": "Mine",
        "MetricName": "Depth",
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        **more,
    }
    scaled.own.call("cloudwatch", "PutMetricAlarm", alarm)


def test_out_and_in_with_the_traffic(scaled: Scaled) -> None:
    scaled.register()
    made = scaled.track(ScaleOutCooldown=0, ScaleInCooldown=0)
    high, low = (a["AlarmName"] for a in made["Alarms"])
    assert scaled.minutes(4, 50.0)[-1] == 1
    assert scaled.alarm(high)["StateValue"] == "OK"
    assert 4 in scaled.minutes(5, 250.0)  # 250 / 70 = 3.6
    (first,) = scaled.activities()
    assert first["Cause"] == f"monitor alarm {high} in state ALARM triggered policy p"
    assert first["Description"] == "Setting desired instance count to 4."
    assert (first["StatusCode"], first["EndTime"] > first["StartTime"]) == ("Successful", True)
    assert first["StatusMessage"] == (
        "Successfully set desired instance count to 4. Change successfully fulfilled by sagemaker."
    )
    found = scaled.minutes(18, 130.0)
    assert (found[10], found[-1]) == (4, 2)
    assert low in scaled.activities()[-1]["Cause"]
    # On AWS too: "SageMaker AI doesn't emit metrics with a value of zero".
    assert scaled.minutes(3, None)[-1] == 2


def test_what_is_not_scaled_is_told_once_and_only_when_asked_for(scaled: Scaled) -> None:
    scaled.register(most=1)
    scaled.track()
    scaled.minutes(8, 500.0)
    assert scaled.activities() == []
    (found,) = scaled.activities(IncludeNotScaledActivities=True)
    assert found["Description"] == "Attempting to scale due to alarm triggered"
    assert found["StatusCode"] == "Failed"
    assert found["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 1}]
    assert "EndTime" not in found


def test_a_suspended_target_does_nothing_until_it_is_resumed(scaled: Scaled) -> None:
    state = {"DynamicScalingOutSuspended": True}
    scaled.register(SuspendedState=state)
    scaled.track()
    assert scaled.minutes(6, 200.0)[-1] == 1
    assert scaled.activities(IncludeNotScaledActivities=True) == []
    scaled.aas("RegisterScalableTarget", **WHICH, SuspendedState={k: False for k in state})
    assert scaled.minutes(2, 200.0)[-1] == 3


def test_a_deleted_endpoint_takes_its_target_along(scaled: Scaled) -> None:
    scaled.register()
    scaled.track()
    scaled.settle()
    scaled.own.call("sagemaker", "DeleteEndpoint", {"EndpointName": "e"})
    asked = {"ServiceNamespace": "sagemaker"}
    assert scaled.aas("DescribeScalableTargets", **asked)["ScalableTargets"] == []
    assert scaled.aas("DescribeScalingPolicies", **asked)["ScalingPolicies"] == []
    assert scaled.own.call("cloudwatch", "DescribeAlarms", {})["MetricAlarms"] == []


def test_an_endpoint_that_vanishes_while_it_scales_is_told(scaled: Scaled) -> None:
    scaled.register()
    arn = step(scaled, {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1})
    scaled.turn()
    watch(scaled, "deep", arn)
    row = scaled.app.world.rows.get(*NAME[:2], "endpoint", "e")
    assert row is not None
    scaled.own.call("cloudwatch", "SetAlarmState", {"AlarmName": "deep", "StateValue": "ALARM",
                                                     "StateReason": "test"})  # fmt: skip
    target = scaled.app.world.rows.select("scalable-target")[0]
    for _ in range(9):
        scaled.turn(1)
        target = scaled.app.world.rows.by_id(target.id) or target
        if "task" in target.plan:
            break
    scaled.app.world.rows.delete(row.id)  # without its operation
    scaled.turn()
    (found,) = scaled.activities()
    assert found["StatusCode"] == "Failed"
    assert found["StatusMessage"].startswith(
        "Failed to set desired instance count to 2. Reason: Could not find endpoint"
    )
    assert scaled.app.world.rows.select("scalable-target") == []


def test_steps_by_an_alarm_of_ones_own_and_by_set_alarm_state(scaled: Scaled) -> None:
    scaled.register(most=10)
    arn = step(
        scaled,
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 5.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 5.0, "ScalingAdjustment": 4},
        Cooldown=300,
    )
    watch(scaled, "deep", arn)
    asked = {"ServiceNamespace": "sagemaker", "PolicyNames": ["s"]}
    (policy,) = scaled.aas("DescribeScalingPolicies", **asked)["ScalingPolicies"]
    assert [a["AlarmName"] for a in policy["Alarms"]] == ["deep"]
    state = {"AlarmName": "deep", "StateValue": "ALARM", "StateReason": "test"}
    scaled.own.call("cloudwatch", "SetAlarmState", state)
    scaled.settle()
    assert scaled.capacity() == 2
    datum = {"MetricName": "Depth", "Value": 16.0}
    put = {"Namespace": "Mine", "MetricData": [datum]}
    scaled.own.call("cloudwatch", "PutMetricData", put)
    # Within the cooldown: 4 more than before the first step.
    assert scaled.minutes(2, None)[-1] == 5


def test_scheduled_actions_set_the_bounds_and_the_capacity_follows(scaled: Scaled) -> None:
    scaled.register(most=2)
    now = dt.datetime.fromtimestamp(scaled.clock.now, dt.UTC)
    at = (now + dt.timedelta(minutes=2)).strftime("at(%Y-%m-%dT%H:%M:%S)")
    action = {"MinCapacity": 3, "MaxCapacity": 5}
    named = {"ScheduledActionName": "morning", **WHICH}
    scaled.aas("PutScheduledAction", **named, Schedule=at, ScalableTargetAction=action)
    assert scaled.minutes(1, None) == [1]
    assert scaled.minutes(2, None)[-1] == 3
    first, second = scaled.activities()
    assert first["Description"] == "Setting min capacity to 3 and max capacity to 5"
    assert first["Cause"] == "scheduled action name morning was triggered"
    assert second["Cause"] == "minimum capacity was set to 3"
    (target,) = scaled.aas("DescribeScalableTargets", ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 5)
    # cron in a zone, suspended: nothing
    scaled.register(3, 5, SuspendedState={"ScheduledScalingSuspended": True})
    cron = "cron(0/1 * * * ? *)"
    scaled.aas("PutScheduledAction", **named, Schedule=cron, Timezone="Europe/Paris",
               ScalableTargetAction={"MaxCapacity": 1, "MinCapacity": 1})  # fmt: skip
    assert scaled.minutes(2, None)[-1] == 3


def test_bounds_that_are_moved_move_the_capacity(scaled: Scaled) -> None:
    scaled.register(2, 4)
    scaled.settle()
    assert scaled.capacity() == 1  # it is in its bounds "when scaling starts"
    scaled.track()
    scaled.settle()
    assert scaled.capacity() == 2
    scaled.register(3, 4)
    scaled.settle()
    scaled.register(1, 1)
    scaled.settle()
    causes = [a["Cause"] for a in scaled.activities()]
    assert causes == [
        "minimum capacity was set to 2",
        "minimum capacity was set to 3",
        "maximum capacity was set to 1",
    ]


def test_a_customised_metric_with_maths(scaled: Scaled) -> None:
    scaled.register(most=8)
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations"}
    dimensions = [{"Name": k, "Value": v} for k, v in DIMENSIONS.items()]
    stat = {"Metric": {**metric, "Dimensions": dimensions}, "Stat": "Sum"}
    queries = [
        {"Id": "m1", "MetricStat": stat, "ReturnData": False},
        {"Id": "e1", "Expression": "m1 / 100", "ReturnData": True},
    ]
    scaled.track(CustomizedMetricSpecification={"Metrics": queries}, target=2.0)
    for _ in range(5):
        scaled.measure("Invocations", 600.0)
        scaled.minutes(1, None)
    assert scaled.capacity() == 3  # 1 * 6 / 2


def test_a_change_that_is_repeated_after_a_kill_is_made_once(scaled: Scaled) -> None:
    scaled.register()
    scaled.track()
    rows = scaled.app.world.rows
    scaled.register(2, 4)
    (target,) = rows.select("scalable-target")
    kind = scaled.app.loop._kinds["scalable-target"].reconcile
    assert kind is not None
    for claimed in rows.claim(30.0, 50):  # what the killed server did and did not store
        if claimed.id == target.id:
            kind(scaled.app.world, claimed)
    scaled.clock.forward(31)
    scaled.turn(1)
    (target,) = rows.select("scalable-target")
    assert "task" in target.plan
    for claimed in rows.claim(30.0, 50):
        if claimed.id == target.id:
            kind(scaled.app.world, claimed)
    scaled.clock.forward(31)
    scaled.settle()
    scaled.settle()
    (activity,) = scaled.activities()
    assert (activity["StatusCode"], scaled.capacity()) == ("Successful", 2)


def test_a_caller_without_rights_registers_nothing(scaled: Scaled) -> None:
    nobody = scaled.app.world.service_ctx("arn:aws:iam::123456789012:role/never-made")
    with pytest.raises(AwsError) as caught:
        nobody.call("application-autoscaling", "RegisterScalableTarget",
                    {**WHICH, "MinCapacity": 1, "MaxCapacity": 2})  # fmt: skip
    assert caught.value.code == "AccessDeniedException"


def test_what_its_service_refuses_has_failed_and_is_not_tried_every_minute(
    scaled: Scaled, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled.register()
    arn = step(scaled, {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1})
    watch(scaled, "deep", arn)
    state = {"AlarmName": "deep", "StateValue": "ALARM", "StateReason": "test"}

    def refuse(*_: Any) -> None:
        raise AwsError("ResourceLimitExceeded", "no more ml.m5.large")

    monkeypatch.setattr(capacity, "set_to", refuse)
    for _ in range(2):
        scaled.own.call("cloudwatch", "SetAlarmState", {**state, "StateValue": "OK"})
        scaled.own.call("cloudwatch", "SetAlarmState", state)
        scaled.settle()
    (found,) = scaled.activities()
    assert found["StatusMessage"] == (
        "Failed to set desired instance count to 2. Reason: no more ml.m5.large"
    )
    monkeypatch.undo()
    scaled.clock.forward(300)
    scaled.own.call("cloudwatch", "SetAlarmState", {**state, "StateValue": "OK"})
    scaled.own.call("cloudwatch", "SetAlarmState", state)
    scaled.settle()
    assert [a["StatusCode"] for a in scaled.activities()] == ["Failed", "Successful"]


def test_a_change_of_what_sleeps_is_made_without_waking_it(scaled: Scaled) -> None:
    tags = [{"Key": "sagebrush:sleep-after", "Value": "60"}]
    scaled.sm("AddTags", ResourceArn=scaled.describe()["EndpointArn"], Tags=tags)
    scaled.clock.forward(100)
    scaled.touch()
    assert scaled.backend.running() == []
    scaled.register(2, 4)
    scaled.track()
    for _ in range(3):
        scaled.settle()
    assert [each["StatusCode"] for each in scaled.activities()] == ["Successful"]
    assert (scaled.capacity(), scaled.backend.running()) == (2, [])


def test_what_is_not_scaled_is_told_once_though_the_step_is_repeated(scaled: Scaled) -> None:
    scaled.register(most=1)
    scaled.track()
    target = scaled.app.world.rows.select("scalable-target")[0]
    note = Note("p", "deep", "AlreadyAtMaxCapacity", 1)
    for _ in range(2):  # its first try was dropped: the target was changed meanwhile
        activities.note(scaled.app.world, target, {}, note, scaled.clock.now)
    assert len(scaled.activities(IncludeNotScaledActivities=True)) == 1


@pytest.mark.parametrize("busy", [True, False])
def test_a_refusal_is_known_by_its_kind_and_not_by_its_words(
    scaled: Scaled, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    kind = Busy if busy else AwsError
    words = "Wait a moment." if busy else "Cannot update in-progress: no. Could not find it: no."

    def refuse(*_: Any) -> None:
        raise kind("ValidationException", words)

    monkeypatch.setattr(capacity, "set_to", refuse)
    scaled.register()
    arn = step(scaled, {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1})
    watch(scaled, "deep", arn)
    state = {"AlarmName": "deep", "StateValue": "ALARM", "StateReason": "test"}
    scaled.own.call("cloudwatch", "SetAlarmState", state)
    scaled.turn()
    found = scaled.activities(IncludeNotScaledActivities=True)[0]
    assert ("NotScaledReasons" in found) == busy
    assert (words in found.get("StatusMessage", "")) != busy
