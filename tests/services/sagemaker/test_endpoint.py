"""Endpoints over a backend that does as the test says: every turn of their life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sagebrush.app import App, build
from sagebrush.engine import capacity
from sagebrush.services.sagemaker import deployment
from sagebrush.settings import Settings
from sagebrush.world import AwsError, Doc
from tests.conftest import Clock
from tests.services.sagemaker.doubles import archive, install
from tests.services.sagemaker.test_model import IMAGE, ROLE

NAME = ("123456789012", "us-east-1", "e")
TRACE = """loading
Traceback (most recent call last):
  File "inference.py", line 3, in model_fn
    raise ValueError("no luck")
ValueError: no luck"""


class Stand:
    """An endpoint's world without threads: `turn` is the loop, the clock passes when told."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.backend, self.live = install(app.world)
        self.ctx = app.world.service_ctx(ROLE)
        self.call_s3("CreateBucket", Bucket="models")
        for name, files in (("m", {"weights": "w1"}), ("n", {"weights": "w2"})):
            body = app.world.objects.spool_bytes(archive(files))
            self.call_s3("PutObject", Bucket="models", Key=f"{name}.tar.gz", Body=body)
            self.sm(
                "CreateModel",
                ModelName=name,
                ExecutionRoleArn=ROLE,
                PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://models/{name}.tar.gz"},
            )
            self.config(f"c-{name}", {"AllTraffic": (name, 1, 1.0)})

    def call_s3(self, name: str, **params: Any) -> Doc:
        return self.ctx.call("s3", name, params)

    def sm(self, name: str, **params: Any) -> Doc:
        return self.ctx.call("sagemaker", name, params)

    def config(self, name: str, variants: dict[str, tuple[str, int, float]], **more: Any) -> None:
        self.sm(
            "CreateEndpointConfig",
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": v,
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": count,
                    "InitialVariantWeight": weight,
                    **more,
                }
                for v, (model, count, weight) in variants.items()
            ],
        )

    def turn(self, times: int = 8) -> None:
        """The loop has had `times` turns."""
        for _ in range(times):
            self.app.loop.run_once()

    def healthy(self) -> None:
        """Every replica that runs answers /ping, and the loop knows."""
        for key in self.backend.running():
            self.live.becomes_healthy(key)
        self.touch()

    def touch(self) -> None:
        row = self.app.world.rows.get(*NAME[:2], "endpoint", "e")
        if row is not None:
            self.app.world.rows.touch(row.id)
        self.turn()

    def create(self, config: str = "c-m") -> None:
        """The endpoint `e` is InService."""
        self.sm("CreateEndpoint", EndpointName="e", EndpointConfigName=config)
        self.turn()
        self.healthy()
        assert self.status() == "InService"

    def describe(self) -> Doc:
        return self.sm("DescribeEndpoint", EndpointName="e")

    def status(self) -> str:
        return self.describe()["EndpointStatus"]

    def routed(self) -> dict[str, list[str]]:
        """The keys of the replicas that get requests, by variant."""
        found = self.live.get(NAME)
        return {v.name: [r.key for r in v.routes] for v in found.variants} if found else {}


@pytest.fixture
def stand(settings: Settings, clock: Clock) -> Iterator[Stand]:
    app = build(settings, clock)
    real = app.backend
    yield Stand(app, clock)
    app.backend = real
    app.stop()


def refused(call: Callable[..., Any], *args: Any, **params: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call(*args, **params)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_creating_then_in_service(stand: Stand) -> None:
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.turn()
    found = stand.describe()
    assert found["EndpointStatus"] == "Creating"
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    assert found["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Creating"
    assert stand.routed() == {}
    stand.healthy()
    found = stand.describe()
    assert found["EndpointStatus"] == "InService"
    variant = found["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (1, 1.0)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert stand.routed() == {"AllTraffic": stand.backend.running()}


def test_a_replica_gets_its_model_its_role_and_its_limits(stand: Stand) -> None:
    stand.create()
    (spec,) = stand.backend.specs.values()
    assert (spec.root / "ml" / "model" / "weights").read_text() == "w1"
    assert spec.role == ROLE
    assert spec.port == 8080
    assert spec.limits.name == "ml.m5.large"
    assert spec.env["SAGEMAKER_MODEL_SERVER_WORKERS"].isdigit()
    assert spec.argv[1].endswith("/toolkit/serve.py")


def test_code_that_a_submit_directory_names_is_unpacked(stand: Stand) -> None:
    code = stand.app.world.objects.spool_bytes(archive({"mine.py": "x = 1\n"}))
    stand.call_s3("PutObject", Bucket="models", Key="sourcedir.tar.gz", Body=code)
    stand.sm(
        "CreateModel",
        ModelName="s",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": "s3://models/m.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "mine.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "s3://models/sourcedir.tar.gz",
            },
        },
    )
    stand.config("c-s", {"AllTraffic": ("s", 1, 1.0)})
    stand.create("c-s")
    (spec,) = stand.backend.specs.values()
    assert (spec.root / "ml" / "code" / "mine.py").read_text() == "x = 1\n"
    assert spec.env["SAGEMAKER_PROGRAM"] == "mine.py"


def test_a_model_that_cannot_load_fails_the_endpoint_with_its_traceback(stand: Stand) -> None:
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.turn()
    stand.backend.die(stand.backend.running()[0], 1, log=TRACE)
    stand.touch()
    found = stand.describe()
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"].startswith(
        "The primary container for production variant AllTraffic did not pass the ping health check."
    )
    assert found["FailureReason"].endswith("ValueError: no luck (exit code 1)")
    assert stand.backend.running() == []
    message = refused(stand.sm, "UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    assert "DeleteEndpoint" in message


def test_a_container_that_never_answers_fails_after_its_time(stand: Stand) -> None:
    slow = {"ContainerStartupHealthCheckTimeoutInSeconds": 90}
    stand.config("slow", {"AllTraffic": ("m", 1, 1.0)}, **slow)
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="slow")
    stand.turn()
    stand.clock.forward(89)
    stand.touch()
    assert stand.status() == "Creating"
    stand.clock.forward(2)
    stand.touch()
    found = stand.describe()
    assert found["EndpointStatus"] == "Failed"
    assert "within 90 seconds" in found["FailureReason"]
    assert stand.backend.running() == []


def test_model_data_that_is_gone_or_no_archive_is_told(stand: Stand) -> None:
    stand.call_s3("DeleteObject", Bucket="models", Key="m.tar.gz")
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.turn()
    assert "Failed to download model data" in stand.describe()["FailureReason"]
    assert "s3://models/m.tar.gz" in stand.describe()["FailureReason"]
    stand.sm("DeleteEndpoint", EndpointName="e")
    stand.turn()
    junk = stand.app.world.objects.spool_bytes(b"this is no archive")
    stand.call_s3("PutObject", Bucket="models", Key="m.tar.gz", Body=junk)
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.turn()
    assert "valid tar.gz archive" in stand.describe()["FailureReason"]


def test_a_dead_replica_is_replaced_while_the_others_answer(stand: Stand) -> None:
    stand.config("two", {"AllTraffic": ("m", 2, 1.0)})
    stand.create("two")
    first, second = stand.backend.running()
    stand.backend.die(first, -9)
    stand.touch()
    assert stand.status() == "InService"
    assert stand.routed() == {"AllTraffic": [second]}
    stand.healthy()
    third = next(k for k in stand.backend.running() if k != second)
    assert sorted(stand.routed()["AllTraffic"]) == sorted([second, third])


def test_a_crash_loop_backs_off_and_is_told_until_it_is_over(stand: Stand) -> None:
    stand.create()
    started = []
    for _ in range(4):
        stand.backend.die(stand.backend.running()[0], 3, log=TRACE)
        stand.touch()
        before = len(stand.backend.specs)
        stand.touch()
        if len(started) > 1:
            assert len(stand.backend.specs) == before, "it must wait before it starts another"
        stand.clock.forward(61)
        stand.touch()
        started.append(len(stand.backend.specs))
    assert started == [2, 3, 4, 5]
    found = stand.describe()
    assert found["EndpointStatus"] == "InService"
    assert "ValueError: no luck (exit code 3)" in found["FailureReason"]
    stand.healthy()
    stand.clock.forward(61)
    stand.touch()
    assert "FailureReason" not in stand.describe()


def test_replicas_that_were_lost_with_the_machine_come_back(stand: Stand) -> None:
    stand.create()
    stand.backend.states.clear()
    stand.touch()
    assert stand.status() == "InService"
    stand.healthy()
    assert stand.routed() == {"AllTraffic": stand.backend.running()}


def test_an_update_brings_the_new_up_before_the_old_goes(stand: Stand) -> None:
    stand.create()
    (old,) = stand.backend.running()
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    stand.turn()
    found = stand.describe()
    assert found["EndpointStatus"] == "Updating"
    assert found["PendingDeploymentSummary"]["EndpointConfigName"] == "c-n"
    assert stand.routed() == {"AllTraffic": [old]}
    assert refused(stand.sm, "UpdateEndpoint", EndpointName="e", EndpointConfigName="c-m") == (
        'Cannot update in-progress endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e".'
    )
    stand.healthy()
    found = stand.describe()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "c-n")
    assert "PendingDeploymentSummary" not in found
    (new,) = stand.backend.running()
    assert new != old
    assert stand.routed() == {"AllTraffic": [new]}
    assert stand.backend.stopped == [old]


def test_an_update_that_fails_leaves_the_old_answering(stand: Stand) -> None:
    stand.create()
    (old,) = stand.backend.running()
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    stand.turn()
    new = next(k for k in stand.backend.running() if k != old)
    stand.backend.die(new, 1, log=TRACE)
    stand.touch()
    found = stand.describe()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "c-m")
    assert "ValueError: no luck" in found["FailureReason"]
    assert stand.routed() == {"AllTraffic": [old]}
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    stand.turn()
    stand.healthy()
    assert "FailureReason" not in stand.describe()


def test_a_draining_replica_ends_when_its_requests_have(stand: Stand) -> None:
    stand.create()
    (old,) = stand.backend.running()
    found = stand.live.get(NAME)
    assert found is not None
    route = found.variants[0].routes[0]
    route.pool.busy = 1
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    stand.turn()
    stand.healthy()
    assert stand.status() == "InService"
    assert old in stand.backend.running()
    route.pool.busy = 0
    stand.touch()
    assert old not in stand.backend.running()


def test_retained_properties_outlive_an_update(stand: Stand) -> None:
    stand.create()
    desired = [{"VariantName": "AllTraffic", "DesiredWeight": 5.0, "DesiredInstanceCount": 2}]
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=desired,
    )
    stand.turn()
    stand.healthy()
    stand.sm(
        "UpdateEndpoint",
        EndpointName="e",
        EndpointConfigName="c-n",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    stand.turn()
    stand.healthy()
    (variant,) = stand.describe()["ProductionVariants"]
    assert (variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (2, 1.0)


def test_scaling_up_and_down(stand: Stand) -> None:
    stand.create()

    def scale(count: int) -> None:
        desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
        stand.sm(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="e",
            DesiredWeightsAndCapacities=desired,
        )
        stand.turn()

    scale(3)
    assert stand.status() == "Updating"
    stand.healthy()
    assert stand.status() == "InService"
    assert len(stand.routed()["AllTraffic"]) == 3
    scale(1)
    assert stand.status() == "InService"
    assert len(stand.backend.running()) == len(stand.routed()["AllTraffic"]) == 1
    missing = [{"VariantName": "bogus", "DesiredWeight": 1.0}]
    message = refused(
        stand.sm,
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=missing,
    )
    assert message == (
        'The variant name(s) "bogus" is/are not present within endpoint configuration "c-m".'
    )


def test_scaling_that_fails_goes_back_to_what_answers(stand: Stand) -> None:
    stand.create()
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}],
    )
    stand.turn()
    stand.backend.die(stand.backend.running()[-1], 1, log=TRACE)
    stand.touch()
    found = stand.describe()
    assert found["EndpointStatus"] == "InService"
    assert "no luck" in found["FailureReason"]
    assert found["ProductionVariants"][0]["DesiredInstanceCount"] == 1


def test_weights_share_out_the_requests(stand: Stand) -> None:
    stand.config("ab", {"a": ("m", 1, 3.0), "b": ("n", 1, 1.0)})
    stand.create("ab")
    found = stand.live.get(NAME)
    assert found is not None
    drawn = [found.choose().name for _ in range(4000)]
    assert 2800 < drawn.count("a") < 3200
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "b", "DesiredWeight": 0.0}],
    )
    stand.turn()
    found = stand.live.get(NAME)
    assert found is not None
    assert {found.choose().name for _ in range(100)} == {"a"}


@pytest.mark.parametrize("state", ["creating", "in service", "updating"])
def test_deleting_ends_everything(stand: Stand, state: str) -> None:
    if state == "creating":
        stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
        stand.turn()
    else:
        stand.create()
    if state == "updating":
        stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
        stand.turn()
    stand.sm("DeleteEndpoint", EndpointName="e")
    assert stand.status() == "Deleting"
    assert stand.routed() == {}
    stand.turn()
    assert stand.backend.running() == []
    assert refused(stand.describe) == (
        'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e".'
    )
    assert stand.app.world.db.read("SELECT * FROM reservation") == []
    for spec in stand.backend.specs.values():
        assert not (spec.root / "ml").exists()
    stand.create()


def test_a_step_that_began_before_the_deletion_brings_nothing_back(stand: Stand) -> None:
    stand.create()
    row = stand.app.world.rows.get(*NAME[:2], "endpoint", "e")
    assert row is not None
    stand.sm("DeleteEndpoint", EndpointName="e")
    assert stand.live.load(row) is None
    assert stand.routed() == {}


def test_a_step_that_is_repeated_launches_nothing_new(stand: Stand) -> None:
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.app.loop.run_once()  # the replica is in the plan now
    row = stand.app.world.rows.get(*NAME[:2], "endpoint", "e")
    assert row is not None
    deployment.reconcile(stand.app.world, row)
    deployment.reconcile(stand.app.world, row)
    assert len(stand.backend.specs) == 1


def test_what_does_not_fit_waits_and_says_so(stand: Stand) -> None:
    world = stand.app.world
    world.cache["capacity.host"] = capacity.Host(2.0, world.settings.memory_default)
    stand.create()
    stand.sm("CreateEndpoint", EndpointName="f", EndpointConfigName="c-n")
    stand.turn()
    (variant,) = stand.sm("DescribeEndpoint", EndpointName="f")["ProductionVariants"]
    assert variant["VariantStatus"][0]["StatusMessage"] == "waiting for capacity (position 1)"
    stand.sm("DeleteEndpoint", EndpointName="e")
    stand.turn(12)
    assert len(stand.backend.running()) == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {"Type": "CANARY", "WaitIntervalInSeconds": 60}
                }
            },
            "CANARY",
        ),
        (
            {
                "RollingUpdatePolicy": {
                    "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
                    "WaitIntervalInSeconds": 60,
                }
            },
            "rolling",
        ),
    ],
)
def test_deployments_that_would_not_be_done_as_they_say_are_refused(
    stand: Stand, config: Doc, words: str
) -> None:
    stand.create()
    params = {"EndpointName": "e", "EndpointConfigName": "c-n", "DeploymentConfig": config}
    assert words in refused(stand.sm, "UpdateEndpoint", **params)


def test_missing_configurations_and_endpoints_are_told_in_awss_words(stand: Stand) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012"
    params = {"EndpointName": "e", "EndpointConfigName": "none"}
    assert refused(stand.sm, "CreateEndpoint", **params) == (
        f'Could not find endpoint configuration "{arn}:endpoint-config/none".'
    )
    assert refused(stand.sm, "DeleteEndpoint", EndpointName="e") == (
        f'Could not find endpoint "{arn}:endpoint/e".'
    )
    stand.create()
    params = {"EndpointName": "e", "EndpointConfigName": "c-m"}
    assert refused(stand.sm, "CreateEndpoint", **params) == (
        f'Cannot create already existing endpoint "{arn}:endpoint/e".'
    )


def test_the_log_of_a_replica_is_a_stream(stand: Stand) -> None:
    stand.create()
    (key,) = stand.backend.running()
    rows = stand.app.world.db.read("SELECT grp, name, job FROM log_stream")
    assert [(r["grp"], r["job"]) for r in rows] == [("/aws/sagemaker/Endpoints/e", key)]
    assert rows[0]["name"].startswith("AllTraffic/")
