"""Endpoints and notebook instances on a host with GPUs, without, and under quotas."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from sagebrush.compute.host import Host
from sagebrush.errors import AwsError
from sagebrush.scheduler import capacity
from sagebrush.settings import Settings
from sagebrush.world import World
from tests.conftest import Clock
from tests.services.sagemaker.notebook import notebookstand
from tests.services.sagemaker.notebook.notebookstand import Desk
from tests.services.sagemaker.stand import Stand

GIB = 1 << 30
GPUS = Host(16, 64 * GIB, (0, 3))


@pytest.fixture
def desk(settings: Settings, clock: Clock) -> Iterator[Desk]:
    with notebookstand.desk(settings, clock) as found:
        yield found


def choose(world: World, host: Host, **settings: object) -> None:
    world.host = host
    world.settings = dataclasses.replace(world.settings, **settings)  # pyright: ignore[reportArgumentType]


def gpu_config(stand: Stand, name: str = "gpu", count: int = 1) -> None:
    stand.config(name, {"AllTraffic": ("m", count, 1.0)}, InstanceType="ml.g5.xlarge")


def test_replicas_of_a_gpu_type_hold_one_each(stand: Stand) -> None:
    choose(stand.app.world, GPUS)
    gpu_config(stand, count=2)
    stand.create("gpu")
    held = sorted(spec.limits.gpus for spec in stand.backend.specs.values())
    assert held == [(0,), (3,)]
    stand.sm("CreateEndpoint", EndpointName="f", EndpointConfigName="c-m")
    gpu_config(stand, "one")
    stand.sm("CreateEndpoint", EndpointName="g", EndpointConfigName="one")
    stand.turn()
    (variant,) = stand.sm("DescribeEndpoint", EndpointName="g")["ProductionVariants"]
    message = variant["VariantStatus"][0]["StatusMessage"]
    assert message.endswith("1.0 GiB and 1 GPU are asked for, 0 GPU are free")
    assert len(stand.backend.specs) == 3  # f, which needs none, does not wait behind it
    stand.sm("DeleteEndpoint", EndpointName="e")
    stand.turn(12)
    last = list(stand.backend.specs.values())[-1]
    assert last.limits.gpus in ((0,), (3,))


def test_an_endpoint_that_this_host_can_never_have_is_refused(stand: Stand) -> None:
    choose(stand.app.world, Host(16, 64 * GIB))
    gpu_config(stand)
    with pytest.raises(AwsError, match="need 1 GPU, and this host has none") as caught:
        stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="gpu")
    assert (caught.value.code, caught.value.status) == ("ResourceLimitExceeded", 400)
    choose(stand.app.world, Host(16, 64 * GIB), gpu_as_cpu=True)
    stand.create("gpu")
    (spec,) = stand.backend.specs.values()
    assert spec.limits.gpus == ()
    assert "and no GPU" in spec.banner
    choose(stand.app.world, Host(16, 64 * GIB), gpu_as_cpu=False)
    with pytest.raises(AwsError, match="gpu_as_cpu"):
        stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="gpu")
    assert stand.status() == "InService"


def test_a_quota_holds_for_new_and_for_more_replicas(stand: Stand) -> None:
    choose(stand.app.world, Host(16, 64 * GIB), quotas=("ml.m5.large=2",))
    stand.create()
    desired = {"VariantName": "AllTraffic", "DesiredInstanceCount": 3}
    with pytest.raises(
        AwsError, match="current utilization of 1 Instances and a request delta of 2"
    ):
        stand.sm(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="e",
            DesiredWeightsAndCapacities=[desired],
        )
    stand.sm("CreateEndpoint", EndpointName="f", EndpointConfigName="c-n")
    with pytest.raises(AwsError, match=r"'ml.m5.large for endpoint usage' is 2 Instances"):
        stand.sm("CreateEndpoint", EndpointName="g", EndpointConfigName="c-n")
    assert stand.sm("ListEndpoints", NameContains="g")["Endpoints"] == []


@pytest.mark.parametrize("name", ["ml.m5.3xlarge", "ml.m5", "m5.large"])
def test_a_type_that_does_not_exist_is_refused_in_the_enums_words(stand: Stand, name: str) -> None:
    with pytest.raises(AwsError, match="Member must satisfy enum value set") as caught:
        stand.config("odd", {"AllTraffic": ("m", 1, 1.0)}, InstanceType=name)
    assert caught.value.code == "ValidationException"


def test_a_notebook_of_a_gpu_type_holds_a_gpu(desk: Desk) -> None:
    choose(desk.world, GPUS)
    desk.create(InstanceType="ml.g5.xlarge")
    desk.turn()
    assert desk.spec.limits.gpus == (0,)
    assert desk.spec.limits.share
    assert capacity.admit(desk.world, capacity.Ask("j", 1, 1, GIB, gpus=1)).gpus == (3,)


def test_a_notebook_that_can_never_start_is_refused(desk: Desk) -> None:
    choose(desk.world, Host(16, 64 * GIB))
    with pytest.raises(AwsError, match="this host has none") as caught:
        desk.create(InstanceType="ml.g5.xlarge")
    assert caught.value.code == "ResourceLimitExceeded"
    choose(desk.world, Host(16, 64 * GIB), quotas=("ml.t3.medium=1",))
    desk.create(InstanceType="ml.t3.medium")
    desk.serve()
    with pytest.raises(AwsError, match=r"'ml.t3.medium for notebook instance usage' is 1"):
        desk.create("second", InstanceType="ml.t3.medium")
    desk.stop()
    desk.turn()
    desk.create("second", InstanceType="ml.t3.medium")
    with pytest.raises(AwsError, match="current utilization of 1"):
        desk.call("StartNotebookInstance", NotebookInstanceName="nb")
    assert desk.status() == "Stopped"
