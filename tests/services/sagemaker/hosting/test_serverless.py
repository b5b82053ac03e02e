"""Serverless and sleeping endpoints over a backend that does as the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.host import Host
from sagebrush.engine.usage import Sampler
from sagebrush.errors import AwsError, Doc
from sagebrush.net.http_client import Answer, Pool
from sagebrush.routing.forward import PAYLOAD, Forward
from sagebrush.routing.tallies import NAMESPACE
from sagebrush.services.sagemaker_runtime import invoke
from sagebrush.store.series import Point
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.hosting.test_model import ROLE
from tests.services.sagemaker.stand import NAME, TRACE, Stand, refused

CONFIG = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
MODELS = "AllTraffic"


def configured(stand: Stand, name: str = "c", model: str = "m", **config: Any) -> None:
    variant = {"VariantName": MODELS, "ModelName": model, "ServerlessConfig": {**CONFIG, **config}}
    stand.sm("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant])


class Answers:
    """The connections to replicas: a request is answered when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.body = b"yes"
        self.held: asyncio.Event | None = None
        answers = self

        async def ask(pool: Pool, head: bytes, body: Any, timeout: float) -> Answer:
            pool.busy += 1
            try:
                if answers.held is not None:
                    await answers.held.wait()
            finally:
                pool.busy -= 1
            return Answer(200, {"content-type": "text/plain"}, answers.body)

        monkeypatch.setattr(Pool, "ask", ask)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    return Answers(monkeypatch)


async def invoked(stand: Stand, body: bytes = b"1") -> Doc:
    return await invoke.invoke_endpoint(stand.ctx, {"EndpointName": "e", "Body": body})


async def until(stand: Stand, done: Callable[[], bool]) -> None:
    """The loop turned until that is so."""
    for _ in range(500):
        if done():
            return
        stand.turn(1)
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to that")


def asleep(stand: Stand) -> None:
    stand.clock.forward(301)
    stand.touch()
    assert stand.backend.running() == []
    assert stand.status() == "InService"


async def wakes(stand: Stand) -> Doc:
    """The answer to a call that wakes the endpoint."""
    call = asyncio.create_task(invoked(stand))
    await until(stand, lambda: bool(stand.backend.running()))
    assert not call.done()
    stand.healthy()
    return await call


def test_it_has_no_process_while_idle_and_the_first_call_wakes_it(
    stand: Stand, answers: Answers
) -> None:
    configured(stand)
    stand.create("c")
    (spec,) = stand.backend.specs.values()
    assert spec.limits.name == "serverless.2048"
    assert spec.limits.memory == 2 << 30
    assert spec.env["SAGEMAKER_MODEL_SERVER_WORKERS"] == "1"
    (variant,) = stand.describe()["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == variant["DesiredServerlessConfig"] == CONFIG
    assert "InstanceType" not in variant
    assert "CurrentInstanceCount" not in variant
    asleep(stand)
    assert asyncio.run(wakes(stand))["Body"] == b"yes"
    assert len(stand.backend.running()) == 1
    world = stand.app.world
    names = {"EndpointName": "e", "VariantName": MODELS}
    found = world.service_ctx().call(
        "cloudwatch",
        "ListMetrics",
        {"Dimensions": [{"Name": k, "Value": v} for k, v in names.items()]},
    )
    assert "ModelSetupTime" in {m["MetricName"] for m in found["Metrics"]}
    asleep(stand)


def test_the_limit_of_concurrent_requests_holds_exactly(stand: Stand, answers: Answers) -> None:
    stand.app.world.host = Host(1.0, 8 << 30)  # two requests, and one CPU for them
    configured(stand)
    stand.create("c")

    async def work() -> None:
        answers.held = asyncio.Event()
        calls = [asyncio.create_task(invoked(stand)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(AwsError) as caught:
            await invoked(stand)
        assert (caught.value.code, caught.value.status) == ("ThrottlingException", 400)
        answers.held.set()
        await asyncio.gather(*calls)
        await invoked(stand)

    asyncio.run(work())
    assert len(stand.backend.specs) == 1


def test_more_processes_come_with_more_requests(stand: Stand, answers: Answers) -> None:
    stand.app.world.host = Host(4.0, 8 << 30)
    configured(stand, MaxConcurrency=9)
    stand.create("c")

    async def work() -> None:
        answers.held = asyncio.Event()
        calls = [asyncio.create_task(invoked(stand)) for _ in range(6)]
        await until(stand, lambda: len(stand.backend.running()) == 4)
        answers.held.set()
        await asyncio.gather(*calls)

    asyncio.run(work())
    stand.healthy()
    asleep(stand)


def test_provisioned_processes_stay_and_can_be_changed(stand: Stand, answers: Answers) -> None:
    stand.app.world.host = Host(4.0, 8 << 30)
    configured(stand, MaxConcurrency=4, ProvisionedConcurrency=2)
    stand.create("c")
    stand.clock.forward(3600)
    stand.touch()
    assert len(stand.backend.running()) == 2
    resource = {"ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/e/variant/{MODELS}"}
    target = {**resource, "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
    own = stand.app.world.service_ctx()
    bounds = {"MinCapacity": 2, "MaxCapacity": 4}
    own.call("application-autoscaling", "RegisterScalableTarget", {**target, **bounds})
    metric = "SageMakerVariantProvisionedConcurrencyUtilization"
    config = {
        "TargetValue": 0.7,
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
    }
    policy: Doc = {"PolicyName": "p", "PolicyType": "TargetTrackingScaling", **target}
    policy["TargetTrackingScalingPolicyConfiguration"] = config
    own.call("application-autoscaling", "PutScalingPolicy", policy)
    dimensions = {"EndpointName": "e", "VariantName": MODELS}
    for _ in range(4):
        name = "ServerlessProvisionedConcurrencyUtilization"
        point = Point(NAMESPACE, name, stand.clock.now, 1.0, dimensions)
        stand.app.world.series.append(*NAME[:2], [point])
        stand.clock.forward(60)
        stand.turn(10)
    (variant,) = stand.describe()["ProductionVariants"]
    assert variant["DesiredServerlessConfig"]["ProvisionedConcurrency"] == 3
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2
    stand.healthy()
    (variant,) = stand.describe()["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 3
    assert stand.status() == "InService"
    asyncio.run(invoked(stand))
    Sampler(stand.app.world).sample()
    found = stand.app.world.service_ctx().call("cloudwatch", "ListMetrics", {})
    names = {m["MetricName"] for m in found["Metrics"]}
    assert "ServerlessProvisionedConcurrencyUtilization" in names
    assert "ServerlessProvisionedConcurrencyInvocations" in names


def test_what_does_not_come_up_is_told_and_not_tried_for_ever(
    stand: Stand, answers: Answers
) -> None:
    configured(stand)
    stand.create("c")
    asleep(stand)

    async def work() -> None:
        call = asyncio.create_task(invoked(stand))
        await until(stand, lambda: bool(stand.backend.running()))
        stand.backend.die(stand.backend.running()[0], 1, log=TRACE)
        stand.touch()
        with pytest.raises(AwsError, match="ValueError: no luck") as caught:
            await call
        assert (caught.value.code, caught.value.status) == ("ModelError", 424)
        with pytest.raises(AwsError, match="ValueError: no luck"):
            await invoked(stand)  # not tried again so soon

    asyncio.run(work())
    stand.clock.forward(100)
    stand.touch()
    assert len(stand.backend.specs) == 2
    assert stand.status() == "InService"
    assert "no luck" in stand.describe()["FailureReason"]
    assert asyncio.run(wakes(stand))["Body"] == b"yes"
    stand.touch()
    assert "FailureReason" not in stand.describe()


def test_a_caller_that_leaves_waits_no_more(stand: Stand, answers: Answers) -> None:
    configured(stand)
    stand.create("c")
    asleep(stand)

    async def work() -> None:
        calls = [asyncio.create_task(invoked(stand)) for _ in range(2)]
        await until(stand, lambda: bool(stand.backend.running()))
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert stand.app.world.forward.demand.seen((NAME, "")).inside == 0

    asyncio.run(work())
    stand.healthy()
    asleep(stand)


def test_who_waits_for_a_deleted_endpoint_is_told_so_at_once(
    stand: Stand, answers: Answers
) -> None:
    configured(stand)
    stand.create("c")
    asleep(stand)

    async def work() -> None:
        call = asyncio.create_task(invoked(stand))
        await until(stand, lambda: bool(stand.backend.running()))
        stand.sm("DeleteEndpoint", EndpointName="e")
        with pytest.raises(AwsError) as caught:
            await asyncio.wait_for(call, 10)
        assert caught.value.code == "ValidationError"
        assert "not found" in caught.value.message

    asyncio.run(work())


def test_a_restart_while_asleep_or_waking_changes_nothing(stand: Stand, answers: Answers) -> None:
    world = stand.app.world

    def restarted() -> None:
        """What is in memory alone is gone, as after kill -9."""
        world.endpoints.withdraw(NAME)
        world.forward = Forward(
            world.endpoints, world.tallies, world.rows, world.rows.touch, world.clock
        )

    configured(stand)
    stand.create("c")
    asleep(stand)
    restarted()
    stand.touch()
    assert stand.backend.running() == []

    async def work() -> None:
        call = asyncio.create_task(invoked(stand))
        await until(stand, lambda: bool(stand.backend.running()))
        call.cancel()

    asyncio.run(work())
    restarted()
    stand.touch()
    assert len(stand.backend.running()) == 1
    assert asyncio.run(wakes(stand))["Body"] == b"yes"
    assert len(stand.backend.specs) == 2
    asleep(stand)


def test_payloads_are_limited(stand: Stand, answers: Answers) -> None:
    configured(stand)
    stand.create("c")
    with pytest.raises(AwsError) as caught:
        asyncio.run(invoked(stand, bytes(PAYLOAD + 1)))
    assert caught.value.code == "ValidationError"
    assert caught.value.message.startswith(f"Request {stand.ctx.request_id} has oversize body.")
    asyncio.run(invoked(stand, bytes(PAYLOAD)))
    answers.body = bytes(PAYLOAD + 1)
    with pytest.raises(AwsError, match="response of") as caught:
        asyncio.run(invoked(stand))
    assert caught.value.code == "ModelError"


def test_instances_do_not_become_serverless_but_the_reverse_is_allowed(stand: Stand) -> None:
    configured(stand)
    stand.create()
    to = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert "to a serverless endpoint" in refused(stand.sm, "UpdateEndpoint", **to)
    count = {"VariantName": MODELS, "ServerlessUpdateConfig": {"MaxConcurrency": 3}}
    change = {"EndpointName": "e", "DesiredWeightsAndCapacities": [count]}
    message = refused(stand.sm, "UpdateEndpointWeightsAndCapacities", **change)
    assert "instance-based variant" in message
    stand.sm("DeleteEndpoint", EndpointName="e")
    stand.turn()
    stand.create("c")
    asleep(stand)
    change["DesiredWeightsAndCapacities"] = [{"VariantName": MODELS, "DesiredInstanceCount": 2}]
    message = refused(stand.sm, "UpdateEndpointWeightsAndCapacities", **change)
    assert "a serverless variant" in message
    rolling = {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
            "WaitIntervalInSeconds": 0,
        }
    }
    asked = {"EndpointName": "e", "EndpointConfigName": "c", "DeploymentConfig": rolling}
    assert "rolling" in refused(stand.sm, "UpdateEndpoint", **asked)
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    stand.turn()
    stand.healthy()
    (variant,) = stand.describe()["ProductionVariants"]
    assert (stand.status(), variant["CurrentInstanceCount"]) == ("InService", 1)


@pytest.mark.parametrize(
    ("config", "more", "words"),
    [
        ({"MemorySizeInMB": 1500}, {}, "MemorySizeInMB 1500"),
        ({"ProvisionedConcurrency": 3}, {}, "less than or equal to MaxConcurrency 2"),
        ({}, {"EnableNetworkIsolation": True}, "network isolation"),
        ({}, {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}, "VPC"),
        (
            {},
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://models/o"}}},
            "asynchronous",
        ),
    ],
)
def test_what_aws_excludes_is_refused(stand: Stand, config: Doc, more: Doc, words: str) -> None:
    variant = {"VariantName": "a", "ModelName": "m", "ServerlessConfig": {**CONFIG, **config}}
    asked = {"EndpointConfigName": "x", "ProductionVariants": [variant], **more}
    if "VpcConfig" in more or "EnableNetworkIsolation" in more:
        asked["ExecutionRoleArn"] = ROLE
    assert words in refused(stand.sm, "CreateEndpointConfig", **asked)
    asked = {
        "EndpointConfigName": "x",
        "ProductionVariants": [variant, {**variant, "VariantName": "b"}],
    }
    assert "multiple production variants" in refused(stand.sm, "CreateEndpointConfig", **asked)


def test_an_endpoint_with_instances_sleeps_where_its_tag_says_so(
    stand: Stand, answers: Answers
) -> None:
    stand.config("two", {"a": ("m", 2, 1.0), "b": ("n", 1, 1.0)})
    stand.create("two")
    stand.clock.forward(3600)
    stand.touch()
    assert len(stand.backend.running()) == 3
    tags = [{"Key": "sagebrush:sleep-after", "Value": "60"}]
    stand.sm("AddTags", ResourceArn=stand.describe()["EndpointArn"], Tags=tags)
    stand.turn(20)
    asleep(stand)
    assert asyncio.run(wakes(stand))["Body"] == b"yes"
    assert len(stand.backend.running()) == 3
    stand.clock.forward(59)
    stand.touch()
    assert len(stand.backend.running()) == 3
    stand.clock.forward(2)
    stand.touch()
    assert stand.backend.running() == []
    counts = [v["DesiredInstanceCount"] for v in stand.describe()["ProductionVariants"]]
    assert counts == [2, 1]
    stand.sm("DeleteEndpoint", EndpointName="e")
    stand.turn()


@pytest.mark.parametrize(
    ("isolation", "lacking", "shared"),
    [
        ("sandbox", "", True),
        ("sandbox", "overlay: Operation not permitted", False),
        ("process", "", False),
    ],
)
def test_the_unpacked_model_is_kept_while_it_sleeps(
    stand: Stand, answers: Answers, isolation: str, lacking: str, shared: bool
) -> None:
    def model() -> Path:
        spec = list(stand.backend.specs.values())[-1]
        apart = [each for each in spec.binds if each.apart]
        assert [each.target for each in apart] == ["/opt/ml/model"] * shared
        if not shared:
            return spec.root / "ml" / "model" / "weights"
        assert list((spec.root / "ml" / "model").iterdir()) == []
        assert apart[0].source == spec.root / "model", "its own directory: what is kept may go"
        return apart[0].source / "weights"

    stand.backend.isolation = isolation
    stand.app.world.overlayfs_lacking = lambda: lacking
    kept = stand.app.settings.home / "unpacked"
    configured(stand)
    stand.create("c")
    (copy,) = kept.glob("*/*/weights")
    assert copy.samefile(model()) == shared
    copy.write_text("kept")  # to tell where a model comes from
    before = model().parent
    asleep(stand)
    assert not before.exists()
    asyncio.run(wakes(stand))
    assert model().read_text() == "kept"
    assert copy.samefile(model()) == shared
    asleep(stand)
    newer = stand.app.world.objects.spool_bytes(archive({"weights": "w3"}))
    stand.call_s3("PutObject", Bucket="models", Key="m.tar.gz", Body=newer)
    asyncio.run(wakes(stand))
    assert model().read_text() == "w3"
    assert [each.read_text() for each in kept.glob("*/*/weights")] == ["w3"]
    running = model()
    stand.sm("DeleteEndpoint", EndpointName="e")
    stand.turn()
    assert list(kept.glob("*/*")) == []
    assert not running.exists()


def test_requirements_of_a_model_that_is_shared_are_found(stand: Stand, answers: Answers) -> None:
    stand.backend.isolation = "sandbox"
    stand.app.world.overlayfs_lacking = lambda: ""
    code = {"code/inference.py": "", "code/requirements.txt": "tabulate", "weights": ""}
    body = stand.app.world.objects.spool_bytes(archive(code))
    stand.call_s3("PutObject", Bucket="models", Key="m.tar.gz", Body=body)
    configured(stand)
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    stand.turn()  # it waits for what it asks for
    (asked,) = (stand.app.settings.home / "jobs").glob("e-*/requirements.json")
    assert json.loads(asked.read_text())["text"] == "tabulate"
