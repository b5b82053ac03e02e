"""What is refused at once: unknown types, quotas in AWS's words, what this host can never give."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from sagebrush import services
from sagebrush.compute.host import Host
from sagebrush.credentials import Caller
from sagebrush.errors import AwsError
from sagebrush.scheduler import quotas
from sagebrush.scheduler.sizes import Size, share
from sagebrush.settings import Settings, SettingsError
from sagebrush.store.db import Db
from sagebrush.store.rows import Row, Rows
from sagebrush.world import Ctx, World

GIB = 1 << 30
LAPTOP = Host(2, 8 * GIB)
CALLER = Caller("arn:aws:iam::1:root", "1", "1")


class Stage:
    """A host and its settings, with rows that use it."""

    def __init__(self, home: Path) -> None:
        self.db = Db(home / "db")
        self.rows = Rows(self.db, lambda: 1000.0)
        self.settings = Settings(home=home)
        self.kinds = services.running()
        self.host = LAPTOP

    def choose(self, of: Host = LAPTOP, **settings: Any) -> None:
        self.host = of
        self.settings = dataclasses.replace(self.settings, **settings)

    def add(self, kind: str, status: str, doc: dict[str, Any], **plan: Any) -> None:
        name = f"r{len(self.rows.select(kind))}"
        self.rows.insert(Row("1", "r", kind, name, status, doc, plan))

    def refused(
        self, types: list[str], use: str = "training job", region: str = "r"
    ) -> AwsError | None:
        try:
            quotas.refuse(Ctx(cast(World, self), "1", region, CALLER, ""), types, use)
        except AwsError as error:
            return error
        return None


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.db.close()


def training(name: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceType": name, "InstanceCount": count}, **more}


def test_what_fits_or_may_be_scaled_is_not_refused(stage: Stage) -> None:
    for use in ("training job", "processing job", "endpoint", "notebook instance"):
        assert stage.refused(["ml.m5.large"], use) is None
        assert stage.refused(["ml.m5.24xlarge"] * 3, use) is None


@pytest.mark.parametrize("name", ["ml.m5.3xlarge", "m5.large", "ml.m5"])
def test_a_type_that_does_not_exist(stage: Stage, name: str) -> None:
    error = stage.refused(["ml.m5.large", name])
    assert error is not None
    assert (error.code, error.status) == ("ValidationException", 400)
    assert f"Value '{name}' at 'instanceType' failed to satisfy constraint" in error.message
    assert "Member must satisfy enum value set: [" in error.message
    assert "ml.m5.large" in error.message


def test_a_quota_counts_what_is_in_use_in_the_same_way(stage: Stage) -> None:
    stage.choose(quotas=("ml.p3.2xlarge=0", "ml.m5.large=4"), gpu_as_cpu=True)
    error = stage.refused(["ml.p3.2xlarge"])
    assert error is not None
    assert error.code == "ResourceLimitExceeded"
    assert error.message.startswith(
        "The account-level service limit 'ml.p3.2xlarge for training job usage' is 0 Instances,"
        " with current utilization of 0 Instances and a request delta of 1 Instances. Please use"
        " AWS Service Quotas to request an increase for this quota."
    )
    stage.add("training-job", "InProgress", training("ml.m5.large", 2))
    stage.add("training-job", "InProgress", training("ml.m5.xlarge", 9))
    stage.add("training-job", "Completed", training("ml.m5.large", 9))
    stage.add("training-job", "Stopping", training("ml.m5.large", EnableManagedSpotTraining=True))
    groups = [
        {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "b", "InstanceType": "ml.c5.large", "InstanceCount": 7},
    ]
    stage.add("training-job", "InProgress", {"ResourceConfig": {"InstanceGroups": groups}})
    assert stage.refused(["ml.m5.large"]) is None
    assert stage.refused(["ml.m5.large"] * 4, region="another") is None
    error = stage.refused(["ml.m5.large"] * 2)
    assert error is not None
    assert "is 4 Instances, with current utilization of 3 Instances and a request delta of 2" in (
        error.message
    )
    assert stage.refused(["ml.m5.large"] * 3, "spot training job") is None
    error = stage.refused(["ml.m5.large"] * 4, "spot training job")
    assert error is not None
    assert "'ml.m5.large for spot training job usage'" in error.message
    assert stage.refused(["ml.m5.large"] * 4, "processing job") is None


def test_quotas_of_endpoints_and_notebooks(stage: Stage) -> None:
    stage.choose(quotas=("ml.m5.large=2",))
    types = (("a", "ml.m5.large", 1), ("b", "ml.c5.large", 5))
    fleet = {"variants": [{"name": name, "type": t, "count": count} for name, t, count in types]}
    stage.add("endpoint", "InService", {}, active=fleet)
    stage.add("endpoint", "Failed", {}, pending=fleet)
    assert stage.refused(["ml.m5.large"], "endpoint") is None
    assert stage.refused(["ml.m5.large"] * 2, "endpoint") is not None
    stage.add("notebook-instance", "InService", {"InstanceType": "ml.m5.large"})
    stage.add("notebook-instance", "Stopped", {"InstanceType": "ml.m5.large"})
    assert stage.refused(["ml.m5.large"], "notebook instance") is None
    assert stage.refused(["ml.m5.large"] * 2, "notebook instance") is not None


def test_what_is_too_large_without_leave_to_scale_it_down(stage: Stage) -> None:
    stage.choose(scale_down=False)
    assert stage.refused(["ml.m5.large"]) is None
    for types in (["ml.m5.xlarge"], ["ml.m5.large"] * 2):
        error = stage.refused(types)
        assert error is not None
        assert error.code == "ResourceLimitExceeded"
        assert "larger than this host (2 vCPU, 8.0 GiB)" in error.message
        assert "scale_down" in error.message
    assert stage.refused(["ml.m5.large"] * 2, "endpoint") is None  # they share the CPU
    assert stage.refused(["ml.m5.xlarge"], "endpoint") is not None


def test_a_gpu_type_is_never_silently_a_cpu(stage: Stage) -> None:
    error = stage.refused(["ml.g5.xlarge"])
    assert error is not None
    assert error.code == "ResourceLimitExceeded"
    assert "1 x ml.g5.xlarge need 1 GPU, and this host has none" in error.message
    assert "gpu_as_cpu" in error.message
    stage.choose(gpu_as_cpu=True)
    assert stage.refused(["ml.g5.xlarge"]) is None
    one = Host(8, 64 * GIB, (0,))
    stage.choose(one, gpu_as_cpu=False)
    assert stage.refused(["ml.g5.xlarge"]) is None
    assert stage.refused(["ml.p3.16xlarge"]) is None  # one of its eight, and its log says so
    assert stage.refused(["ml.g5.xlarge"] * 2) is not None  # one of two would have none
    stage.choose(Host(96, 512 * GIB, (0,)), scale_down=False)
    assert stage.refused(["ml.p3.16xlarge"]) is not None
    stage.choose(one, gpu_as_cpu=True, scale_down=True)
    error = stage.refused(["ml.g5.xlarge"] * 2, "endpoint")
    assert error is not None  # the second would wait for ever
    assert "need 2 GPU together, and this host has 1" in error.message


# ---- sizes


def test_instances_of_a_job_are_scaled_to_the_host_together() -> None:
    sizes, banner = share(["ml.m5.large"] * 3, LAPTOP)
    assert len(sizes) == 3
    assert sum(size.cpu for size in sizes) == pytest.approx(2)
    assert sum(size.memory for size in sizes) <= 8 * GIB
    assert {size.name for size in sizes} == {"ml.m5.large"}
    assert banner == (
        "Sagebrush: 3 x ml.m5.large (2 vCPU, 8 GiB) are together larger than this host: running"
        " with 0.667 vCPU, 2.7 GiB for each"
    )
    assert share(["ml.m5.large"] * 2, Host(4, 16 * GIB))[1] == ""


def test_groups_of_different_types_and_gpus() -> None:
    host = Host(64, 512 * GIB, (0, 1, 2))
    sizes, banner = share(["ml.p3.8xlarge", "ml.p3.2xlarge", "ml.c5.xlarge"], host)
    assert [size.gpus for size in sizes] == [1, 1, 0]
    assert "1 GPU for each ml.p3.8xlarge" in banner
    assert share(["ml.g5.xlarge"] * 2, Host(64, 512 * GIB, (4,)))[0][0].gpus == 0
    (size,), banner = share(["ml.p3.16xlarge"], host)
    assert size == Size("ml.p3.16xlarge", 64, 488 * GIB, 3)
    assert size.limits((2, 0, 1)).gpus == (2, 0, 1)
    assert size.limits().gpus == ()
    assert "running with 64 vCPU and 488.0 GiB and 3 GPU" in banner


@pytest.mark.parametrize("wrong", ["ml.m5.large", "ml.m5.large=many", "ml.m5.large=-1", "=3"])
def test_a_quota_that_is_none_keeps_the_server_from_starting(wrong: str) -> None:
    with pytest.raises(SettingsError, match="is not TYPE=NUMBER"):
        Settings.load({"SAGEBRUSH_QUOTAS": f"ml.p3.2xlarge=0,{wrong}"})
