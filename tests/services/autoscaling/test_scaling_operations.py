"""Application Auto Scaling's operations by boto3, each once, with the errors that it raises."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.store.rows import Row
from tests.conftest import Server
from tests.services.autoscaling.scalingstand import INSTANCES, INVOCATIONS, WHICH

ACCOUNT = "123456789012"


@pytest.fixture(scope="module", autouse=True)
def endpoint(server: Server) -> None:
    """An endpoint that its world knows and nothing drives: its capacity is only read."""
    for name, kind in (("e", "ml.m5.large"), ("small", "ml.t2.medium")):
        variant = {"name": "AllTraffic", "model": "m", "count": 2, "weight": 1.0, "type": kind,
                   "resolved": 0.0, "containers": []}  # fmt: skip
        fleet = {"id": "f", "config": "c", "variants": [variant], "started": 0.0}
        doc = {"EndpointName": name, "EndpointConfigName": "c",
               "EndpointArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/{name}"}  # fmt: skip
        plan = {"active": fleet, "replicas": []}
        server.world.rows.insert(
            Row(ACCOUNT, "us-east-1", "endpoint", name, "InService", doc, plan)
        )


@pytest.fixture
def aas(server: Server) -> Any:
    return server.client("application-autoscaling")


def failed(code: str, call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def put(aas: Any, name: str = "p", **config: Any) -> Any:
    return aas.put_scaling_policy(
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        **WHICH,
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 70.0, **INVOCATIONS, **config},
    )


def test_targets(aas: Any, server: Server) -> None:
    bounds = {"MinCapacity": 1, "MaxCapacity": 4}
    wrong = {**WHICH, **bounds}
    register = aas.register_scalable_target
    invalid = "ValidationException"
    assert "ecs" in failed(invalid, register, **{**wrong, "ServiceNamespace": "ecs"})
    elsewhere = {**wrong, "ResourceId": "endpoint/none/variant/AllTraffic"}
    assert "doesn't exist" in failed(invalid, register, **elsewhere)
    elsewhere = {**wrong, "ResourceId": "endpoint/e/variant/none"}
    assert "doesn't exist" in failed(invalid, register, **elsewhere)
    elsewhere = {**wrong, "ResourceId": "endpoint/small/variant/AllTraffic"}
    assert "burstable" in failed(invalid, register, **elsewhere)
    assert "required" in failed(invalid, register, **WHICH, MinCapacity=1)
    assert "at least 1" in failed(invalid, register, **{**wrong, "MinCapacity": 0})
    arn = register(**wrong, Tags={"team": "nlp"})["ScalableTargetARN"]
    assert register(**WHICH, MaxCapacity=6)["ScalableTargetARN"] == arn
    (found,) = aas.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    role = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    assert found["RoleARN"].endswith(f"/sagemaker.application-autoscaling.amazonaws.com/{role}")
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 6)
    assert not any(found["SuspendedState"].values())
    attached = server.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [p["PolicyName"] for p in attached] == [
        "AWSApplicationAutoscalingSageMakerEndpointPolicy"
    ]
    assert aas.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "nlp"}
    aas.tag_resource(ResourceARN=arn, Tags={"stage": "test"})
    aas.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert aas.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stage": "test"}
    many = {str(n): "x" for n in range(50)}
    failed("TooManyTagsException", aas.tag_resource, ResourceARN=arn, Tags=many)
    failed("ResourceNotFoundException", aas.list_tags_for_resource, ResourceARN=arn + "0")


def test_policies_and_their_alarms(aas: Any, server: Server) -> None:
    cloudwatch = server.client("cloudwatch")
    made = put(aas)
    names = [a["AlarmName"] for a in made["Alarms"]]
    assert names[0].startswith("TargetTracking-endpoint/e/variant/AllTraffic-AlarmHigh-")
    assert made["PolicyARN"].endswith(
        ":resource/sagemaker/endpoint/e/variant/AllTraffic:policyName/p"
    )
    again = put(aas, TargetValue=50.0)
    assert again == {**made, "ResponseMetadata": again["ResponseMetadata"]}
    found = cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert [a["Threshold"] for a in found] == [50.0, 45.0]
    assert "Only one" in failed("ValidationException", put, aas=aas, name="q")
    alone = put(aas, DisableScaleIn=True)
    assert [a["AlarmName"] for a in alone["Alarms"]] == names[:1]
    left = cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking")["MetricAlarms"]
    assert [a["AlarmName"] for a in left] == names[:1]
    page = aas.describe_scaling_policies(ServiceNamespace="sagemaker", PolicyNames=["p"])
    (shown,) = page["ScalingPolicies"]
    assert shown["Alarms"] == alone["Alarms"]
    kind = {"PolicyName": "p", "PolicyType": "StepScaling"}
    assert "cannot be changed" in failed(
        "ValidationException", aas.put_scaling_policy, **kind, **WHICH
    )
    elsewhere = {**WHICH, "ResourceId": "endpoint/none/variant/v"}
    words = failed("ObjectNotFoundException", aas.put_scaling_policy, PolicyName="p", **elsewhere)
    assert words == (
        "No scalable target registered for service namespace: sagemaker, resource ID:"
        f" endpoint/none/variant/v, scalable dimension: {INSTANCES}"
    )
    aas.delete_scaling_policy(PolicyName="p", **WHICH)
    assert cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking")["MetricAlarms"] == []
    failed("ObjectNotFoundException", aas.delete_scaling_policy, PolicyName="p", **WHICH)
    forecast = {"StartTime": 0, "EndTime": 9, "PolicyName": "p", **WHICH}
    refused = failed("ValidationException", aas.get_predictive_scaling_forecast, **forecast)
    assert refused.startswith("GetPredictiveScalingForecast")


def test_scheduled_actions_and_pages(aas: Any) -> None:
    action = {"MinCapacity": 1, "MaxCapacity": 2}
    for n in range(3):
        name = {"ScheduledActionName": f"a{n}", **WHICH}
        aas.put_scheduled_action(**name, Schedule="rate(1 day)", ScalableTargetAction=action)
    page = {"ServiceNamespace": "sagemaker", "MaxResults": 2}
    first = aas.describe_scheduled_actions(**page)
    rest = aas.describe_scheduled_actions(**page, NextToken=first["NextToken"])
    every = first["ScheduledActions"] + rest["ScheduledActions"]
    assert [a["ScheduledActionName"] for a in every] == ["a0", "a1", "a2"]
    assert "NextToken" not in rest
    assert every[0]["ScheduledActionARN"].endswith(":scheduledActionName/a0")
    failed("InvalidNextTokenException", aas.describe_scheduled_actions, **page, NextToken="x")
    whole = {**page, "MaxResults": 51}
    failed("ValidationException", aas.describe_scheduled_actions, **whole)
    aas.put_scheduled_action(
        ScheduledActionName="a0", **WHICH, ScalableTargetAction={"MinCapacity": 1}
    )
    (found,) = aas.describe_scheduled_actions(
        ServiceNamespace="sagemaker", ScheduledActionNames=["a0"]
    )["ScheduledActions"]
    assert (found["Schedule"], found["ScalableTargetAction"]) == ("rate(1 day)", {"MinCapacity": 1})
    gone = {"ScheduledActionName": "a0", **WHICH}
    aas.delete_scheduled_action(**gone)
    failed("ObjectNotFoundException", aas.delete_scheduled_action, **gone)
    assert "needs" in failed("ValidationException", aas.put_scheduled_action, **gone)


def test_deregistered_with_all_that_belongs_to_it(aas: Any, server: Server) -> None:
    put(aas)
    aas.deregister_scalable_target(**WHICH)
    page = {"ServiceNamespace": "sagemaker"}
    assert aas.describe_scheduled_actions(**page)["ScheduledActions"] == []
    assert aas.describe_scaling_policies(**page)["ScalingPolicies"] == []
    assert server.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    failed("ObjectNotFoundException", aas.deregister_scalable_target, **WHICH)
