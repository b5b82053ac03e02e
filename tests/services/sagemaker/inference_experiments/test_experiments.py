"""Every turn of an inference experiment, over endpoints whose backend does as the test says."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker.stand import NAME, Stand, refused

DAY = 86400.0
RETAIN = {"AllTraffic": "Retain", "shadow": "Remove"}
PROMOTE = {"AllTraffic": "Remove", "shadow": "Promote"}


def variant(name: str, model: str, count: int = 1) -> Doc:
    at = {"InstanceType": "ml.m5.large", "InstanceCount": count}
    return {
        "VariantName": name,
        "ModelName": model,
        "InfrastructureConfig": {
            "InfrastructureType": "RealTimeInference",
            "RealTimeInferenceConfig": at,
        },
    }


def mode(percentage: int = 25) -> Doc:
    shadow = {"ShadowModelVariantName": "shadow", "SamplingPercentage": percentage}
    return {"SourceModelVariantName": "AllTraffic", "ShadowModelVariants": [shadow]}


def request(**more: Any) -> Doc:
    return {
        "Name": "x",
        "Type": "ShadowMode",
        "EndpointName": "e",
        "RoleArn": ROLE,
        "ModelVariants": [variant("AllTraffic", "m"), variant("shadow", "n")],
        "ShadowModeConfig": mode(),
        **more,
    }


class Test:
    """A world with the endpoint `e`, which serves the model m, and at most one experiment `x`."""

    __test__ = False

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        stand.create()

    def create(self, **more: Any) -> Doc:
        return self.stand.sm("CreateInferenceExperiment", **request(**more))

    def describe(self) -> Doc:
        return self.stand.sm("DescribeInferenceExperiment", Name="x")

    def status(self) -> str:
        return self.describe()["Status"]

    def call(self, verb: str, **params: Any) -> Doc:
        return self.stand.sm(f"{verb}InferenceExperiment", Name="x", **params)

    def stop(self, actions: dict[str, str] = RETAIN, **more: Any) -> Doc:
        return self.call("Stop", ModelVariantActions=actions, **more)

    def pass_time(self, seconds: float = 12.0) -> None:
        self.stand.clock.now += seconds
        self.stand.turn()

    def deployed(self) -> None:
        """What the endpoint was asked for is there, and the experiment knows."""
        for _ in range(6):
            self.stand.healthy()
            self.pass_time()

    def run(self, **more: Any) -> None:
        self.create(**more)
        self.stand.turn()
        self.deployed()
        assert self.status() == "Running"

    def shares(self) -> dict[str, float]:
        found = self.stand.app.world.endpoints.get(NAME)
        return {s.variant.name: s.share for s in found.shadows} if found else {}

    def statuses(self) -> list[str]:
        return [each["Status"] for each in self.describe()["ModelVariants"]]


@pytest.fixture
def test(stand: Stand) -> Test:
    return Test(stand)


def conflict(call: Any, *args: Any, **params: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call(*args, **params)
    assert caught.value.code == "ConflictException"
    return caught.value.message


def test_an_experiment_runs_until_its_end_and_the_endpoint_is_as_before(test: Test) -> None:
    test.run(Description="is n better", Tags=[{"Key": "team", "Value": "a"}])
    found = test.describe()
    assert test.shares() == {"shadow": 0.25}
    assert test.statuses() == ["InService", "InService"]
    assert found["EndpointMetadata"]["EndpointStatus"] == "InService"
    assert found["EndpointMetadata"]["EndpointConfigName"] not in ("c-m", "")
    span = found["Schedule"]["EndTime"] - found["Schedule"]["StartTime"]
    assert span == dt.timedelta(days=7)
    tags = test.stand.sm("ListTags", ResourceArn=found["Arn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]
    test.pass_time(7 * DAY)
    assert (test.status(), test.statuses()) == ("Stopping", ["Updating", "Deleting"])
    test.deployed()
    found = test.describe()
    assert (found["Status"], test.statuses()) == ("Completed", ["InService", "Deleted"])
    assert found["CompletionTime"] > found["CreationTime"]
    assert test.stand.describe()["EndpointConfigName"] == "c-m"
    assert (list(test.stand.routed()), test.shares()) == (["AllTraffic"], {})
    listed = test.stand.sm("ListEndpointConfigs")["EndpointConfigs"]
    assert {each["EndpointConfigName"] for each in listed} == {"c-m", "c-n"}


def test_a_promoted_shadow_is_the_only_production_variant(test: Test) -> None:
    test.run()
    wanted = [variant("shadow", "n", 2)]
    test.stop(PROMOTE, DesiredModelVariants=wanted, DesiredState="Completed", Reason="better")
    assert test.status() == "Stopping"
    test.deployed()
    found = test.describe()
    assert (found["Status"], found["StatusReason"]) == ("Completed", "better")
    assert test.statuses() == ["Deleted", "InService"]
    assert {name: len(keys) for name, keys in test.stand.routed().items()} == {"shadow": 2}
    assert test.shares() == {}


def test_the_production_variant_may_get_another_model_too(test: Test) -> None:
    """AWS's notebook of experiments deploys by an SDK and names a model of its own."""
    test.run(ModelVariants=[variant("AllTraffic", "n", 2), variant("shadow", "m")])
    name = test.describe()["EndpointMetadata"]["EndpointConfigName"]
    found = test.stand.sm("DescribeEndpointConfig", EndpointConfigName=name)
    (production,) = found["ProductionVariants"]
    assert (production["ModelName"], production["InitialInstanceCount"]) == ("n", 2)
    test.stop()
    test.deployed()
    assert test.stand.describe()["EndpointConfigName"] == "c-m"


def test_a_retained_shadow_goes_on_getting_copies(test: Test) -> None:
    test.run()
    test.stop({"AllTraffic": "Retain", "shadow": "Retain"})
    test.stand.turn()
    assert (test.status(), test.statuses()) == ("Cancelled", ["InService", "InService"])
    assert test.shares() == {"shadow": 0.25}


def test_it_waits_for_its_start_and_can_be_changed_and_started_before(test: Test) -> None:
    start = dt.datetime.fromtimestamp(test.stand.clock.now + DAY, dt.UTC)
    test.create(Schedule={"StartTime": start})
    test.stand.turn()
    assert (test.status(), test.statuses()) == ("Created", ["InService", "Creating"])
    assert test.stand.describe()["EndpointConfigName"] == "c-m"
    test.call("Update", ShadowModeConfig=mode(50), Description="half")
    assert test.status() == "Updating"
    test.stand.turn()
    assert test.status() == "Created"
    assert "promotion" in conflict(test.stop, PROMOTE)
    test.call("Start")
    assert test.status() == "Starting"
    test.stand.turn()
    test.deployed()
    assert (test.status(), test.shares()) == ("Running", {"shadow": 0.5})
    assert "Running" in conflict(test.call, "Start")
    assert "Running" in conflict(test.call, "Delete")


def test_a_running_one_takes_another_percentage_and_end(test: Test) -> None:
    test.run()
    refused(test.call, "Update", ModelVariants=[variant("AllTraffic", "m"), variant("shadow", "m")])
    end = dt.datetime.fromtimestamp(test.stand.clock.now + DAY, dt.UTC)
    test.call("Update", ShadowModeConfig=mode(100), Schedule={"EndTime": end})
    test.deployed()
    assert (test.status(), test.shares()) == ("Running", {"shadow": 1.0})
    test.pass_time(DAY)
    assert test.status() == "Stopping"
    assert "Stopping" in conflict(test.stop)


def test_one_that_cannot_be_deployed_is_cancelled_with_the_reason(test: Test) -> None:
    test.create()
    test.stand.turn()
    for _ in range(30):
        for key in set(test.stand.backend.running()) - {*test.stand.routed()["AllTraffic"]}:
            test.stand.backend.die(key)
        test.stand.touch()
        test.pass_time()
    found = test.describe()
    assert found["Status"] == "Cancelled"
    assert "could not be updated" in found["StatusReason"]
    assert test.stand.describe()["EndpointConfigName"] == "c-m"
    assert test.statuses() == ["InService", "Deleted"]


def test_an_endpoint_that_others_change_is_left_alone(test: Test) -> None:
    test.run()
    test.stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    test.deployed()
    found = test.describe()
    assert found["Status"] == "Cancelled"
    assert 'the configuration "c-n" meanwhile' in found["StatusReason"]
    assert test.stand.describe()["EndpointConfigName"] == "c-n"
    test.stand.sm("DeleteEndpoint", EndpointName="e")
    assert test.call("Delete")["InferenceExperimentArn"].endswith("inference-experiment/x")
    assert test.stand.sm("ListInferenceExperiments")["InferenceExperiments"] == []


def test_a_deleted_endpoint_cancels_it(test: Test) -> None:
    test.run()
    test.stand.sm("DeleteEndpoint", EndpointName="e")
    test.deployed()
    found = test.describe()
    assert (found["Status"], found["EndpointMetadata"]) == ("Cancelled", {"EndpointName": "e"})
    assert "deleted" in found["StatusReason"]


def test_its_own_configuration_is_made_again_where_it_was_deleted(test: Test) -> None:
    test.run()
    test.stand.sm("DeleteEndpointConfig", EndpointConfigName="c-m")
    test.stop()
    test.deployed()
    assert test.status() == "Cancelled"
    name = test.stand.describe()["EndpointConfigName"]
    assert name.startswith("x-own-")
    assert list(test.stand.routed()) == ["AllTraffic"]


def test_each_step_may_be_repeated(test: Test) -> None:
    """A server that is killed after an operation, before its step is stored, does not do it twice."""
    rows, calls = test.stand.app.world.rows, []
    apply, dispatch = rows.apply, test.stand.app.world.dispatch

    def counted(ctx: Any, service: str, operation: str, params: Doc) -> Doc:
        calls.append(operation)
        return dispatch(ctx, service, operation, params)

    lost: set[Any] = set()

    def dropped(row: Any, step: Any) -> bool:
        key = (row.status, str(step.status), tuple(step.plan))
        if row.kind == "inference-experiment" and key not in lost:
            lost.add(key)
            rows.touch(row.id)
            return False
        return apply(row, step)

    test.stand.app.world.dispatch = counted
    rows.apply = dropped  # pyright: ignore[reportAttributeAccessIssue]
    test.create()
    for _ in range(4):
        test.deployed()
    assert test.status() == "Running"
    assert len(lost) > 3
    test.stop(PROMOTE)
    for _ in range(4):
        test.deployed()
    assert test.status() == "Cancelled"
    assert [name for name in calls if name == "CreateEndpointConfig"] == [
        "CreateEndpointConfig"
    ] * 2
    assert list(test.stand.routed()) == ["shadow"]


def test_what_is_refused(test: Test) -> None:
    sm = test.stand.sm
    now = test.stand.clock.now
    at = [dt.datetime.fromtimestamp(now + days * DAY, dt.UTC) for days in (-1, 2, 1, 33)]
    assert "once each" in refused(test.create, ModelVariants=[variant("AllTraffic", "m")])
    assert "30 days" in refused(test.create, Schedule={"StartTime": at[1], "EndTime": at[3]})
    assert "EndTime" in refused(test.create, Schedule={"StartTime": at[1], "EndTime": at[2]})
    assert "in the future" in refused(test.create, Schedule={"EndTime": at[0]})
    last = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
    assert "too late" in refused(test.create, Schedule={"StartTime": last})
    assert "Could not find endpoint" in refused(test.create, EndpointName="nobody")
    gone = [variant("AllTraffic", "m"), variant("shadow", "nobody")]
    assert "Could not find model" in refused(test.create, ModelVariants=gone)
    sm(
        "CreateModel",
        ModelName="two",
        ExecutionRoleArn=ROLE,
        Containers=[{"Image": IMAGE, "ModelDataUrl": "s3://models/m.tar.gz"}] * 2,
    )
    several = [variant("AllTraffic", "m"), variant("shadow", "two")]
    assert "one container" in refused(test.create, ModelVariants=several)
    test.run()
    for more in ({}, {"Name": "y"}):
        with pytest.raises(AwsError) as caught:
            test.create(**more)
        assert caught.value.code == "ResourceInUse"
    with pytest.raises(AwsError) as caught:
        sm("DescribeInferenceExperiment", Name="nobody")
    assert caught.value.code == "ResourceNotFound"
    assert "what becomes of" in refused(test.stop, {"shadow": "Remove"})
    assert "one production variant" in refused(
        test.stop, {"AllTraffic": "Retain", "shadow": "Promote"}
    )
    assert "only a shadow" in refused(test.stop, {"AllTraffic": "Promote", "shadow": "Remove"})
    stays = [variant("shadow", "n")]
    assert "no variant that stays" in refused(test.stop, DesiredModelVariants=stays)


def test_lists_are_filtered_sorted_and_paged(test: Test) -> None:
    test.run()
    test.stop()
    test.deployed()
    start = dt.datetime.fromtimestamp(test.stand.clock.now + DAY, dt.UTC)
    for name in ("b", "a"):
        if name == "a":
            test.stand.sm("DeleteInferenceExperiment", Name="b")
        test.create(Name=name, Schedule={"StartTime": start})
        test.pass_time(1.0)

    def names(**params: Any) -> list[str]:
        page = test.stand.sm("ListInferenceExperiments", **params)
        return [each["Name"] for each in page["InferenceExperiments"]]

    assert names() == ["a", "x"]
    assert names(SortBy="Name", SortOrder="Descending", Type="ShadowMode") == ["x", "a"]
    assert names(StatusEquals="Cancelled") == ["x"]
    assert names(NameContains="a") == ["a"]
    page = test.stand.sm("ListInferenceExperiments", MaxResults=1, SortBy="Status")
    assert names(MaxResults=1, SortBy="Status", NextToken=page["NextToken"]) == ["x"]
    (one,) = test.stand.sm("ListInferenceExperiments", NameContains="x")["InferenceExperiments"]
    assert {"Name", "Type", "Schedule", "Status", "CreationTime", "RoleArn"} <= one.keys()


def test_what_is_not_deployed_is_not_promoted_nor_left_behind(test: Test) -> None:
    test.create()
    test.stand.turn(2)
    assert test.status() == "Starting"
    assert "promotion" in conflict(test.stop, PROMOTE)
    for _ in range(30):
        for key in set(test.stand.backend.running()) - {*test.stand.routed()["AllTraffic"]}:
            test.stand.backend.die(key)
        test.stand.touch()
        test.pass_time()
    assert test.status() == "Cancelled"
    listed = test.stand.sm("ListEndpointConfigs")["EndpointConfigs"]
    assert {each["EndpointConfigName"] for each in listed} == {"c-m", "c-n"}


def test_an_endpoint_that_is_scaled_just_then_is_waited_for(test: Test) -> None:
    dispatch, meanwhile = test.stand.app.world.dispatch, []

    def scaled_first(ctx: Any, service: str, operation: str, params: Doc) -> Doc:
        if operation == "UpdateEndpoint" and not meanwhile:
            meanwhile.append(operation)
            more = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
            test.stand.sm(
                "UpdateEndpointWeightsAndCapacities",
                EndpointName="e",
                DesiredWeightsAndCapacities=more,
            )
        return dispatch(ctx, service, operation, params)

    test.stand.app.world.dispatch = scaled_first
    test.create()
    for _ in range(3):
        test.deployed()
    assert (test.status(), meanwhile) == ("Running", ["UpdateEndpoint"])
