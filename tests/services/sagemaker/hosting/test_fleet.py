"""The life of endpoints over a backend that does as the test says: every turn of it."""

from __future__ import annotations

import pytest

from sagebrush.compute.host import Host
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker.hosting import fleet
from tests.services.sagemaker.stand import NAME, TRACE, Stand, refused


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
    found = stand.app.world.endpoints.get(NAME)
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


def test_a_variant_tells_since_when_it_changes(stand: Stand) -> None:
    def since() -> tuple[str, float]:
        found = stand.describe()["ProductionVariants"][0]["VariantStatus"][0]
        return found["Status"], found["StartTime"].timestamp()

    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.turn()
    assert since() == ("Creating", stand.clock())
    stand.healthy()
    assert "VariantStatus" not in stand.describe()["ProductionVariants"][0]
    stand.clock.forward(1000)
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}],
    )
    assert since() == ("Updating", stand.clock())


@pytest.mark.parametrize("state", ["failed", "in service", "queued"])
def test_deleting_ends_everything(stand: Stand, state: str) -> None:
    world = stand.app.world
    if state == "queued":  # others may hold what it waits for for ever
        world.host = Host(2.0, 1 << 20)
        full = capacity.Ask("other", 0, 0.0, 1 << 20)
        assert not capacity.admit(world, full).place
    if state == "in service":
        stand.create()
    else:
        stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
        stand.turn()
    if state == "failed":
        stand.backend.die(stand.backend.running()[0])
        stand.touch()
    stand.sm("DeleteEndpoint", EndpointName="e")
    capacity.release(world, "other")
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
    assert stand.app.world.endpoints.load(row) is None
    assert stand.routed() == {}


def test_a_step_that_is_repeated_launches_nothing_new(stand: Stand) -> None:
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.app.loop.run_once()  # the replica is in the plan now
    row = stand.app.world.rows.get(*NAME[:2], "endpoint", "e")
    assert row is not None
    fleet.reconcile(stand.app.world, row)
    fleet.reconcile(stand.app.world, row)
    assert len(stand.backend.specs) == 1


def test_what_does_not_fit_waits_and_says_so(stand: Stand) -> None:
    world = stand.app.world
    world.host = Host(2.0, world.settings.memory_default)
    stand.create()
    stand.sm("CreateEndpoint", EndpointName="f", EndpointConfigName="c-n")
    stand.turn()
    (variant,) = stand.sm("DescribeEndpoint", EndpointName="f")["ProductionVariants"]
    words = "waiting for capacity (position 1): 1.0 GiB are asked for, 0 MiB are free"
    assert variant["VariantStatus"][0]["StatusMessage"] == words
    stand.sm("DeleteEndpoint", EndpointName="e")
    stand.turn(12)
    assert len(stand.backend.running()) == 1


def test_an_update_that_does_not_fit_beside_the_old_is_given_up(stand: Stand) -> None:
    world = stand.app.world
    world.host = Host(2.0, world.settings.memory_default)
    stand.create()
    (old,) = stand.backend.running()
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    stand.turn()
    pending = stand.describe()["PendingDeploymentSummary"]["ProductionVariants"][0]
    assert "waiting for capacity" in pending["VariantStatus"][0]["StatusMessage"]
    stand.clock.forward(500)
    stand.touch()
    found = stand.describe()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "c-m")
    assert "Insufficient capacity" in found["FailureReason"]
    assert stand.routed() == {"AllTraffic": [old]}


def test_scaling_that_does_not_fit_is_given_up_and_the_endpoint_can_be_deleted(
    stand: Stand,
) -> None:
    world = stand.app.world
    stand.create()
    world.host = Host(2.0, world.settings.memory_default)
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}],
    )
    stand.turn()
    assert stand.status() == "Updating"
    stand.clock.forward(500)
    stand.touch()
    found = stand.describe()
    assert found["EndpointStatus"] == "InService"
    assert "Insufficient capacity" in found["FailureReason"]
    assert found["ProductionVariants"][0]["DesiredInstanceCount"] == 1
    stand.sm("DeleteEndpoint", EndpointName="e")
