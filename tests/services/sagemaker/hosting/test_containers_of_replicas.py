"""Replicas of models with several containers, over a backend that does as the test says."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.errors import Doc
from sagebrush.services.sagemaker.hosting.plan import plan_of
from sagebrush.store.rows import Row
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker.stand import TRACE, Stand


@pytest.fixture
def pipeline(stand: Stand) -> Stand:
    """An endpoint configuration `two` of a model with the containers `clean` and `predict`."""
    stand.sm(
        "CreateModel",
        ModelName="pipeline",
        ExecutionRoleArn=ROLE,
        Containers=[
            {
                "Image": IMAGE,
                "ModelDataUrl": f"s3://models/{data}.tar.gz",
                "ContainerHostname": name,
                "Environment": {"PART": name},
            }
            for name, data in (("clean", "m"), ("predict", "n"))
        ],
    )
    stand.config("two", {"AllTraffic": ("pipeline", 1, 1.0)})
    return stand


def test_an_instance_runs_all_and_is_in_service_once_all_answer(pipeline: Stand) -> None:
    pipeline.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="two")
    pipeline.turn()
    first, second = sorted(pipeline.backend.running())
    assert second == f"{first}-1"
    specs = pipeline.backend.specs
    assert [specs[key].env["PART"] for key in (first, second)] == ["clean", "predict"]
    assert [specs[key].hostname for key in (first, second)] == [
        "container-0.local",
        "container-1.local",
    ]
    assert [
        (specs[key].root / "ml" / "model" / "weights").read_text() for key in (first, second)
    ] == ["w1", "w2"]
    pipeline.health.answers(first)
    pipeline.touch()
    assert pipeline.status() == "Creating"
    pipeline.healthy()
    assert pipeline.status() == "InService"
    assert pipeline.routed() == {"AllTraffic": [first]}
    images = pipeline.describe()["ProductionVariants"][0]["DeployedImages"]
    assert [each["SpecifiedImage"] for each in images] == [IMAGE, IMAGE]


def test_both_have_a_log_stream_of_their_own(pipeline: Stand) -> None:
    pipeline.create("two")
    found = pipeline.ctx.call(
        "logs", "DescribeLogStreams", {"logGroupName": "/aws/sagemaker/Endpoints/e"}
    )
    names = [each["logStreamName"].split("/") for each in found["logStreams"]]
    assert sorted((parts[0], parts[2]) for parts in names) == [
        ("AllTraffic", "clean"),
        ("AllTraffic", "predict"),
    ]


def test_the_one_that_cannot_load_is_named(pipeline: Stand) -> None:
    pipeline.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="two")
    pipeline.turn()
    first, second = sorted(pipeline.backend.running())
    pipeline.health.answers(first)
    pipeline.backend.die(second, 1, log=TRACE)
    pipeline.touch()
    found = pipeline.describe()
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"].startswith(
        "The predict container for production variant AllTraffic did not pass the ping health check."
    )
    assert found["FailureReason"].endswith("ValueError: no luck (exit code 1)")
    assert pipeline.backend.running() == []


def test_where_one_dies_the_instance_is_replaced(pipeline: Stand) -> None:
    pipeline.create("two")
    before = set(pipeline.backend.running())
    pipeline.backend.die(max(before), -9)
    pipeline.touch()
    pipeline.healthy()
    after = set(pipeline.backend.running())
    assert len(after) == 2
    assert not after & before
    assert pipeline.routed() == {"AllTraffic": [min(after)]}


def test_nothing_is_left_of_a_deleted_one(pipeline: Stand) -> None:
    pipeline.create("two")
    roots = [pipeline.backend.specs[key].root for key in pipeline.backend.running()]
    pipeline.sm("DeleteEndpoint", EndpointName="e")
    pipeline.turn()
    assert pipeline.backend.running() == []
    assert not any((root / "ml").exists() for root in roots)


def test_a_plan_of_an_older_version_is_read() -> None:
    old: Doc = {
        "name": "v",
        "model": "m",
        "count": 1,
        "weight": 1.0,
        "type": "ml.m5.large",
        "startup": None,
        "image": "i",
        "environment": "base",
        "algorithm": None,
        "container": "",
        "framework": None,
        "env": {"A": "b"},
        "data": ["bucket", "key", "archive"],
        "role": None,
        "isolated": False,
        "resolved": 0.0,
    }
    plan = {
        "active": {"id": "f", "config": "c", "variants": [old], "started": 0.0},
        "replicas": [{"id": "1", "key": "e-1", "was": old}],
    }
    found: Any = plan_of(Row("a", "r", "endpoint", "e", "InService", {}, plan))
    for variant in (found["active"]["variants"][0], found["replicas"][0]["was"]):
        assert variant["mode"] == "Serial"
        (container,) = variant["containers"]
        assert (container["name"], container["env"]) == ("container_1", {"A": "b"})
        assert (variant["name"], variant["count"]) == ("v", 1)
        assert "env" not in variant
