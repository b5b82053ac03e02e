"""Deployments that CloudWatch's alarms watch: asked for real, as the model's execution role."""

from __future__ import annotations

from tests.services.sagemaker.hosting.deployment.test_deployments import (
    CANARY,
    begin,
    pass_time,
    settled,
    split,
    watched,
)
from tests.services.sagemaker.stand import Stand, refused


def alarm(stand: Stand, name: str, state: str) -> None:
    owner = stand.app.world.service_ctx()
    given = {
        "AlarmName": name,
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Dimensions": [
            {"Name": "EndpointName", "Value": "e"},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    owner.call("cloudwatch", "PutMetricAlarm", given)
    owner.call(
        "cloudwatch", "SetAlarmState", {"AlarmName": name, "StateValue": state, "StateReason": "t"}
    )


def test_a_metric_alarm_rolls_back(stand: Stand) -> None:
    alarm(stand, "errors", "OK")
    begin(stand, watched(CANARY, "errors"))
    stand.healthy()
    pass_time(stand, 5)
    assert split(stand) == (0.25, 4, 1)
    alarm(stand, "errors", "ALARM")
    pass_time(stand, 5)
    assert settled(stand) == ("InService", "m4", 4)
    assert "ALARM state: errors" in stand.describe()["FailureReason"]


def test_a_composite_alarm_rolls_back(stand: Stand) -> None:
    alarm(stand, "errors", "OK")
    owner = stand.app.world.service_ctx()
    rule = {"AlarmName": "any", "AlarmRule": "ALARM(errors)"}
    owner.call("cloudwatch", "PutCompositeAlarm", rule)
    begin(stand, watched(CANARY, "any"))
    stand.healthy()
    state = {"AlarmName": "any", "StateValue": "ALARM", "StateReason": "t"}
    owner.call("cloudwatch", "SetAlarmState", state)
    pass_time(stand, 5)
    assert settled(stand) == ("InService", "m4", 4)


def test_an_alarm_that_is_not_there_is_refused(stand: Stand) -> None:
    stand.create()
    told = refused(
        stand.sm,
        "UpdateEndpoint",
        EndpointName="e",
        EndpointConfigName="c-n",
        DeploymentConfig=watched({}, "typo"),
    )
    assert told == "Could not find the CloudWatch alarms typo of AutoRollbackConfiguration."
