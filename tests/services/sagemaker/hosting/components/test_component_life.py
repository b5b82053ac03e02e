"""Inference components over a backend that does as the test says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.routing.tallies import NAMESPACE
from sagebrush.services.sagemaker_runtime import invoke
from sagebrush.store.series import Point
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker.stand import TRACE, Stand, refused

MB = 1 << 20


class Room:
    """An endpoint without models, and components on it."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand

    def endpoint(self, count: int = 1, **managed: Any) -> None:
        """The endpoint `e` is InService with `count` instances (2 vCPU and 8 GiB each)."""
        scaling = {"ManagedInstanceScaling": {"Status": "ENABLED", **managed}} if managed else {}
        self.config("room", count, **scaling)
        self.stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="room")
        self.stand.turn()
        assert self.stand.status() == "InService"

    def config(self, name: str, count: int, **more: Any) -> None:
        variant = {
            "VariantName": "v",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": count,
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
            **more,
        }
        self.stand.sm(
            "CreateEndpointConfig",
            EndpointConfigName=name,
            ExecutionRoleArn=ROLE,
            ProductionVariants=[variant],
        )

    def create(self, name: str = "c", copies: int = 1, **needs: Any) -> None:
        self.stand.sm(
            "CreateInferenceComponent",
            InferenceComponentName=name,
            EndpointName="e",
            VariantName="v",
            Specification=spec(**needs),
            RuntimeConfig={"CopyCount": copies},
        )
        self.stand.turn()

    def answering(self, name: str = "c", copies: int = 1, **needs: Any) -> None:
        """The component is InService."""
        self.create(name, copies, **needs)
        self.healthy()
        assert self.describe(name)["InferenceComponentStatus"] == "InService"

    def describe(self, name: str = "c") -> Doc:
        return self.stand.sm("DescribeInferenceComponent", InferenceComponentName=name)

    def scale(self, copies: int, name: str = "c") -> None:
        self.stand.sm(
            "UpdateInferenceComponentRuntimeConfig",
            InferenceComponentName=name,
            DesiredRuntimeConfig={"CopyCount": copies},
        )
        self.stand.turn()

    def healthy(self) -> None:
        """Every copy that runs answers /ping, and the loop has had some seconds."""
        for _ in range(8):
            for key in self.stand.backend.running():
                self.stand.health.answers(key)
            self.touch()

    def touch(self) -> None:
        rows = self.stand.app.world.rows
        for kind in ("inference-component", "endpoint"):
            for row in rows.select(kind):
                rows.touch(row.id)
        self.stand.clock.forward(3)
        self.stand.turn(3)

    def routes(self, name: str = "c") -> list[str]:
        found = self.stand.app.world.endpoints.get(
            ("123456789012", "us-east-1", f"inference-component/{name}")
        )
        return [route.key for route in found.routes()] if found else []

    def instances(self) -> int:
        return self.stand.describe()["ProductionVariants"][0]["CurrentInstanceCount"]


def spec(model: str = "m", **needs: Any) -> Doc:
    wanted = {"NumberOfCpuCoresRequired": 1.0, "MinMemoryRequiredInMb": 1024, **needs}
    return {"ModelName": model, "ComputeResourceRequirements": wanted}


@pytest.fixture
def room(stand: Stand) -> Room:
    return Room(stand)


def invoked(stand: Stand, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        asyncio.run(invoke.invoke_endpoint(stand.ctx, {"EndpointName": "e", **request}))
    return caught.value


def test_an_endpoint_without_models_is_instances_without_processes(room: Room) -> None:
    room.endpoint(2, MinInstanceCount=0, MaxInstanceCount=4)
    (variant,) = room.stand.describe()["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 2
    assert variant["ManagedInstanceScaling"]["MaxInstanceCount"] == 4
    assert variant["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    assert "DeployedImages" not in variant
    assert room.stand.backend.specs == {}
    assert "Inference Component Name header is required" in invoked(room.stand).message
    room.stand.sm("DeleteEndpoint", EndpointName="e")
    room.stand.turn()
    assert refused(room.stand.describe).startswith("Could not find")


def test_copies_run_within_their_requirements_and_are_routed_to(room: Room) -> None:
    room.endpoint()
    room.answering(copies=2, MinMemoryRequiredInMb=512, MaxMemoryRequiredInMb=768)
    found = room.describe()
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert (found["EndpointName"], found["VariantName"]) == ("e", "v")
    assert found["Specification"]["ModelName"] == "m"
    assert sorted(room.routes()) == sorted(room.stand.backend.running())
    limits = [each.limits for each in room.stand.backend.specs.values()]
    assert [(each.cpu, each.memory) for each in limits] == [(1.0, 768 * MB)] * 2
    listed = room.stand.sm("ListInferenceComponents", EndpointNameEquals="e")
    assert [c["InferenceComponentName"] for c in listed["InferenceComponents"]] == ["c"]
    assert room.stand.sm("ListInferenceComponents", VariantNameEquals="x") == {
        "InferenceComponents": []
    }
    assert "delete c first" in refused(room.stand.sm, "DeleteEndpoint", EndpointName="e")
    room.stand.sm("DeleteInferenceComponent", InferenceComponentName="c")
    room.touch()
    assert room.stand.backend.running() == []
    assert refused(room.describe).startswith("Could not find inference component")
    room.stand.sm("DeleteEndpoint", EndpointName="e")


def test_an_update_starts_a_copy_before_an_old_one_goes(room: Room) -> None:
    room.endpoint(2)
    room.answering(copies=2)
    before = set(room.routes())
    room.stand.sm(
        "UpdateInferenceComponent", InferenceComponentName="c", Specification={"ModelName": "n"}
    )
    room.stand.turn()
    assert set(room.routes()) == before
    assert len(room.stand.backend.running()) == 3  # one batch of one copy
    for _ in range(3):
        for key in room.stand.backend.running():
            room.stand.health.answers(key)
        room.touch()
        assert len(room.routes()) >= 2
    room.healthy()
    found = room.describe()
    assert found["InferenceComponentStatus"] == "InService"
    assert found["Specification"]["ModelName"] == "n"
    assert not before & set(room.routes())
    assert len(room.routes()) == 2


def test_an_update_that_cannot_come_up_leaves_the_old_copies(room: Room) -> None:
    room.endpoint()
    room.answering()
    before = room.routes()
    room.stand.sm(
        "UpdateInferenceComponent", InferenceComponentName="c", Specification={"ModelName": "n"}
    )
    room.stand.turn()
    (new,) = set(room.stand.backend.running()) - set(before)
    room.stand.backend.die(new, 1, log=TRACE)
    room.healthy()
    found = room.describe()
    assert found["InferenceComponentStatus"] == "InService"
    assert "for inference component c did not pass the ping health" in found["FailureReason"]
    assert found["Specification"]["ModelName"] == "m"
    assert room.routes() == before


def test_a_model_that_cannot_load_fails_the_component_and_no_other(room: Room) -> None:
    room.endpoint()
    room.answering("good")
    room.create("bad")
    (key,) = set(room.stand.backend.running()) - set(room.routes("good"))
    room.stand.backend.die(key, 1, log=TRACE)
    room.touch()
    assert room.describe("bad")["InferenceComponentStatus"] == "Failed"
    assert room.describe("bad")["FailureReason"].endswith("ValueError: no luck (exit code 1)")
    assert len(room.routes("good")) == 1
    room.stand.sm("DeleteInferenceComponent", InferenceComponentName="bad")
    room.touch()


def test_without_copies_there_is_no_capacity_in_awss_words(room: Room) -> None:
    room.endpoint()
    room.answering()
    room.scale(0)
    room.touch()
    assert room.describe()["RuntimeConfig"] == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}
    error = invoked(room.stand, InferenceComponentName="c")
    assert (error.code, error.message) == (
        "ValidationError",
        "Inference Component has no capacity to process this request. ApplicationAutoScaling may be"
        " in-progress (if configured) or try to increase the capacity by invoking"
        " UpdateInferenceComponentRuntimeConfig API.",
    )
    room.stand.app.world.tallies.flush()
    (metric,) = room.stand.ctx.call(
        "cloudwatch", "ListMetrics", {"MetricName": "NoCapacityInvocationFailures"}
    )["Metrics"]
    assert metric["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "c"}]
    assert "not found" in invoked(room.stand, InferenceComponentName="x").message
    room.scale(1)
    room.healthy()
    assert len(room.routes()) == 1


def test_managed_instances_follow_what_the_copies_need_to_zero_and_back(room: Room) -> None:
    room.endpoint(1, MinInstanceCount=0, MaxInstanceCount=2)
    room.answering(copies=2)
    assert room.instances() == 1
    room.scale(4)
    room.healthy()
    assert (room.instances(), len(room.routes())) == (2, 4)
    room.scale(0)
    room.healthy()
    assert (room.instances(), room.routes()) == (0, [])
    assert room.stand.status() == "InService"
    room.scale(1)
    room.healthy()
    assert (room.instances(), len(room.routes())) == (1, 1)


def test_what_does_not_fit_is_told_and_what_answers_stays(room: Room) -> None:
    room.endpoint()
    room.answering(copies=2)
    room.scale(3)
    room.touch()
    assert room.describe()["InferenceComponentStatus"] == "Updating"
    room.stand.clock.forward(500)
    room.healthy()
    found = room.describe()
    assert found["InferenceComponentStatus"] == "InService"
    assert found["FailureReason"].startswith("Insufficient capacity: no instance of endpoint e has")
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}


def test_copies_move_before_their_instance_goes(room: Room) -> None:
    room.endpoint(1)
    room.answering()
    (before,) = room.routes()
    room.config("more", 2)
    room.stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="more")
    room.stand.turn()
    assert before in room.routes()
    room.healthy()
    assert room.stand.status() == "InService"
    assert room.instances() == 2
    (after,) = room.routes()
    assert after != before
    row = room.stand.app.world.rows.get("123456789012", "us-east-1", "endpoint", "e")
    assert row is not None
    assert len(row.plan["replicas"]) == 2
    assert list(row.plan["copies"]) == [after]


def test_a_copy_that_ends_is_replaced(room: Room) -> None:
    room.endpoint()
    room.answering(copies=2)
    first, second = room.routes()
    room.stand.backend.die(first, -9)
    room.touch()
    assert second in room.routes()
    room.healthy()
    assert len(room.routes()) == 2
    assert first not in room.routes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"BaseInferenceComponentName": "b"}, "adapters on a base component"),
        ({"Container": {"Image": IMAGE}}, "exactly one of ModelName and Container"),
        ({"ModelName": "absent"}, "Could not find model"),
        ({"DataCacheConfig": {"EnableCaching": True}}, "DataCacheConfig"),
        ({"ComputeResourceRequirements": {"MinMemoryRequiredInMb": 9000}}, "more than one ml.m5"),
        (
            {
                "ComputeResourceRequirements": {
                    "MinMemoryRequiredInMb": 900,
                    "MaxMemoryRequiredInMb": 800,
                }
            },
            "must not be smaller than",
        ),
        (
            {
                "ComputeResourceRequirements": {
                    "MinMemoryRequiredInMb": 900,
                    "NumberOfAcceleratorDevicesRequired": 1,
                }
            },
            "more than one ml.m5",
        ),
    ],
)
def test_what_is_wrong_or_missing_is_refused(room: Room, change: Doc, words: str) -> None:
    room.endpoint()
    message = refused(
        room.stand.sm,
        "CreateInferenceComponent",
        InferenceComponentName="c",
        EndpointName="e",
        Specification={**spec(), **change},
        RuntimeConfig={"CopyCount": 1},
    )
    assert words in message


def test_an_update_keeps_what_it_does_not_say(room: Room) -> None:
    room.endpoint()
    room.answering()
    room.stand.sm(
        "UpdateInferenceComponent",
        InferenceComponentName="c",
        Specification={
            "Container": {},
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 256},
        },
        RuntimeConfig={"CopyCount": 2},
    )
    room.healthy()
    found = room.describe()
    assert found["Specification"] == {
        "ModelName": "m",
        "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 256},
    }
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}


def test_an_endpoint_of_models_takes_no_components(room: Room) -> None:
    room.stand.create()
    message = refused(room.create)
    assert "serves models" in message
    room.config("room", 1)
    message = refused(room.stand.sm, "UpdateEndpoint", EndpointName="e", EndpointConfigName="room")
    assert "from models to inference components" in message


def test_a_container_of_its_own_needs_no_model(room: Room) -> None:
    room.endpoint()
    container = {"Image": IMAGE, "ArtifactUrl": "s3://models/m.tar.gz"}
    needs = {"MinMemoryRequiredInMb": 512}
    room.stand.sm(
        "CreateInferenceComponent",
        InferenceComponentName="c",
        EndpointName="e",
        Specification={"Container": container, "ComputeResourceRequirements": needs},
        RuntimeConfig={"CopyCount": 1},
    )
    room.healthy()
    found = room.describe()
    assert found["InferenceComponentStatus"] == "InService"
    shown = found["Specification"]["Container"]
    assert shown["DeployedImage"]["SpecifiedImage"] == IMAGE
    assert shown["ArtifactUrl"] == "s3://models/m.tar.gz"


def test_copies_scale_from_zero_by_a_step_policy_and_its_alarm(room: Room) -> None:
    room.endpoint(1, MinInstanceCount=0, MaxInstanceCount=2)
    room.answering()
    own = room.stand.app.world.service_ctx()
    which = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/c",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    bounds = {"MinCapacity": 0, "MaxCapacity": 2}
    own.call("application-autoscaling", "RegisterScalableTarget", {**which, **bounds})
    step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}
    policy = own.call(
        "application-autoscaling",
        "PutScalingPolicy",
        {
            **which,
            "PolicyName": "out",
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": {
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Maximum",
                "Cooldown": 600,
                "StepAdjustments": [step],
            },
        },
    )
    # as in AWS's guide, "Scale an endpoint to zero instances"
    own.call(
        "cloudwatch",
        "PutMetricAlarm",
        {
            "AlarmName": "asked-in-vain",
            "AlarmActions": [policy["PolicyARN"]],
            "Namespace": "AWS/SageMaker",
            "MetricName": "NoCapacityInvocationFailures",
            "Dimensions": [{"Name": "InferenceComponentName", "Value": "c"}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        },
    )
    room.scale(0)
    room.healthy()
    assert (room.instances(), room.routes()) == (0, [])
    assert "no capacity" in invoked(room.stand, InferenceComponentName="c").message
    room.stand.app.world.tallies.flush()
    for _ in range(3):
        room.stand.clock.forward(50)
        room.healthy()
    assert (room.instances(), len(room.routes())) == (1, 1)
    room.stand.sm("DeleteInferenceComponent", InferenceComponentName="c")
    targets = own.call(
        "application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "sagemaker"}
    )
    assert targets["ScalableTargets"] == []


def test_copies_follow_their_invocations(room: Room) -> None:
    room.endpoint(1, MinInstanceCount=1, MaxInstanceCount=2)
    room.answering()
    world = room.stand.app.world
    own = world.service_ctx()
    which = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/c",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    bounds = {"MinCapacity": 1, "MaxCapacity": 3}
    own.call("application-autoscaling", "RegisterScalableTarget", {**which, **bounds})
    metric = "SageMakerInferenceComponentInvocationsPerCopy"
    tracking = {
        "TargetValue": 10.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
    }
    own.call(
        "application-autoscaling",
        "PutScalingPolicy",
        {
            **which,
            "PolicyName": "p",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": tracking,
        },
    )
    for _ in range(5):
        copies = max(1, len(room.routes()))
        dimensions = {"InferenceComponentName": "c"}
        point = Point(
            NAMESPACE, "InvocationsPerCopy", room.stand.clock.now, 30.0 / copies, dimensions
        )
        world.series.append("123456789012", "us-east-1", [point])
        room.stand.clock.forward(36)
        room.healthy()
    assert room.describe()["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}
    assert room.instances() == 2  # two vCPU each, one for each copy
