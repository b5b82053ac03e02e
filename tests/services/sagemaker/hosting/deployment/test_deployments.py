"""Every turn of a deployment by each policy, over a backend that does as the test says."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.routing.endpoints import Endpoint
from sagebrush.services.sagemaker.hosting.deployment import rollback_alarms
from tests.services.sagemaker.hosting.deployment.test_update_policy import (
    blue_green,
    rolling,
    size,
)
from tests.services.sagemaker.stand import NAME, TRACE, Stand, refused

CANARY = blue_green("CANARY", 60, final=30, CanarySize=size(25))
ONE = size(1, "INSTANCE_COUNT")


class Alarms:
    """The states of the alarms that there are, as CloudWatch would tell them."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {"latency": "OK", "errors": "INSUFFICIENT_DATA"}
        self.refusal: AwsError | None = None
        self.asked: list[tuple[str | None, tuple[str, ...]]] = []

    def states(
        self, _world: Any, _account: str, _region: str, role: str | None, names: Any
    ) -> dict[str, str]:
        self.asked.append((role, tuple(names)))
        if self.refusal:
            raise self.refusal
        return {name: state for name, state in self.found.items() if name in names}


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> Alarms:
    made = Alarms()
    monkeypatch.setattr(rollback_alarms, "states", made.states)
    return made


def watched(config: Doc, *names: str) -> Doc:
    return {**config, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": n} for n in names]}}


def begin(stand: Stand, config: Doc, count: int = 4) -> None:
    """`count` old instances serve, and as many new ones are to take their place."""
    slow = {"ContainerStartupHealthCheckTimeoutInSeconds": 900}
    for name in ("m", "n"):
        stand.config(f"{name}{count}", {"AllTraffic": (name, count, 1.0)}, **slow)
    stand.create(f"m{count}")
    params = {"EndpointName": "e", "EndpointConfigName": f"n{count}"}
    stand.sm("UpdateEndpoint", **params, DeploymentConfig=config)
    stand.turn()


def split(stand: Stand) -> tuple[float, int, int]:
    """(share of the new fleet, old instances that are routed to, new ones)."""
    found = stand.app.world.endpoints.get(NAME)
    assert found is not None
    return (
        round(found.share, 3),
        sum(len(v.routes) for v in found.variants),
        sum(len(v.routes) for v in found.coming.variants) if found.coming else 0,
    )


def coming(stand: Stand) -> Endpoint:
    """The routes of the new fleet."""
    found = stand.app.world.endpoints.get(NAME)
    assert found is not None
    assert found.coming is not None
    return found.coming


def pass_time(stand: Stand, seconds: float) -> None:
    stand.clock.forward(seconds)
    stand.touch()


def stage(stand: Stand) -> tuple[str, str]:
    (variant,) = stand.describe()["PendingDeploymentSummary"]["ProductionVariants"]
    (status,) = variant["VariantStatus"]
    return status["Status"], status["StatusMessage"]


def settled(stand: Stand) -> tuple[str, str, int]:
    """(status, configuration, instances that run)."""
    found = stand.describe()
    return found["EndpointStatus"], found["EndpointConfigName"], len(stand.backend.running())


def test_a_canary_gets_its_part_and_then_the_rest_follows(stand: Stand) -> None:
    begin(stand, CANARY)
    assert stage(stand) == ("Creating", "Launching 4 instance(s).")
    assert split(stand) == (0.0, 4, 0)
    stand.healthy()
    assert split(stand) == (0.25, 4, 1)
    assert stage(stand) == (
        "Baking",
        "Baking for 60 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of"
        " 1 instance(s).",
    )
    pending = stand.describe()["PendingDeploymentSummary"]["ProductionVariants"][0]
    assert (pending["CurrentInstanceCount"], pending["DesiredInstanceCount"]) == (1, 4)
    pass_time(stand, 59)
    assert split(stand) == (0.25, 4, 1)
    pass_time(stand, 1)
    assert split(stand) == (1.0, 4, 4)
    assert "full capacity of 4" in stage(stand)[1]
    assert settled(stand) == ("Updating", "m4", 8), "the old fleet waits until the end"
    pass_time(stand, 30)
    assert settled(stand) == ("InService", "n4", 4)
    assert split(stand) == (0.0, 4, 0)
    found = stand.describe()
    assert found["LastDeploymentConfig"] == CANARY
    assert "PendingDeploymentSummary" not in found


def test_traffic_is_shared_as_the_canary_says(stand: Stand) -> None:
    begin(stand, CANARY)
    stand.healthy()
    found = stand.app.world.endpoints.get(NAME)
    assert found is not None
    drawn = [found.choose().config for _ in range(4000)]
    assert 850 < drawn.count("n4") < 1150
    named = [found.variant("AllTraffic") for _ in range(400)]
    assert {each.config for each in named if each} == {"m4", "n4"}, "TargetVariant is shared too"


def test_linear_steps_follow_each_other(stand: Stand) -> None:
    begin(stand, blue_green("LINEAR", 10, final=0, LinearStepSize=size(50)))
    stand.healthy()
    assert split(stand) == (0.5, 4, 2)
    pass_time(stand, 10)
    assert settled(stand) == ("InService", "n4", 4)


def test_all_at_once_keeps_the_old_fleet_for_the_termination_wait(stand: Stand) -> None:
    begin(stand, blue_green("ALL_AT_ONCE", 0, final=300))
    stand.healthy()
    assert split(stand) == (1.0, 4, 4)
    pass_time(stand, 299)
    assert settled(stand) == ("Updating", "m4", 8)
    pass_time(stand, 1)
    assert settled(stand) == ("InService", "n4", 4)


def test_a_rolling_update_replaces_batch_by_batch(stand: Stand) -> None:
    begin(stand, rolling(ONE, 60), 3)
    seen = []
    for _ in range(3):
        assert len(stand.backend.running()) == 4, "one batch more than the fleet"
        assert stage(stand) == ("Creating", "Launching 1 instance(s).")
        stand.healthy()
        share, old, new = split(stand)
        assert old + new >= 3
        seen.append((share, old, new))
        pass_time(stand, 60)
    assert seen == [(0.333, 3, 1), (0.667, 2, 2), (1.0, 1, 3)]
    assert settled(stand) == ("InService", "n3", 3)
    assert split(stand) == (0.0, 3, 0)


def test_an_alarm_rolls_back_at_once_and_is_told(stand: Stand, alarms: Alarms) -> None:
    begin(stand, watched(CANARY, "latency", "errors"))
    old = stand.routed()["AllTraffic"]
    stand.healthy()
    (canary,) = coming(stand).variants[0].routes
    canary.pool.busy = 1
    alarms.found["errors"] = "ALARM"
    pass_time(stand, 5)
    assert split(stand) == (0.0, 4, 0)
    assert stand.status() == "RollingBack", "until the open request has its answer"
    assert canary.key in stand.backend.running()
    canary.pool.busy = 0
    stand.touch()
    found = stand.describe()
    assert settled(stand) == ("InService", "m4", 4)
    assert found["FailureReason"] == (
        "The deployment was rolled back because the following alarms went into ALARM state: errors."
    )
    assert stand.routed()["AllTraffic"] == old
    assert alarms.asked[-1][1] == ("latency", "errors")


def test_an_alarm_in_the_last_wait_rolls_back_too(stand: Stand, alarms: Alarms) -> None:
    begin(stand, watched(blue_green("ALL_AT_ONCE", 0, final=60), "latency"))
    stand.healthy()
    assert split(stand) == (1.0, 4, 4)
    pass_time(stand, 30)
    alarms.found["latency"] = "ALARM"
    pass_time(stand, 30)
    assert settled(stand) == ("InService", "m4", 4)


def test_an_alarm_that_is_deleted_or_hidden_rolls_back(stand: Stand, alarms: Alarms) -> None:
    begin(stand, watched(CANARY, "latency"))
    stand.healthy()
    del alarms.found["latency"]
    pass_time(stand, 5)
    assert "do not exist: latency" in stand.describe()["FailureReason"]
    alarms.found["latency"] = "OK"
    stand.sm(
        "UpdateEndpoint",
        EndpointName="e",
        EndpointConfigName="n4",
        RetainDeploymentConfig=True,
    )
    stand.turn()
    stand.healthy()
    alarms.refusal = AwsError("AccessDenied", "no such permission")
    pass_time(stand, 5)
    assert "could not be read: no such permission" in stand.describe()["FailureReason"]
    assert settled(stand) == ("InService", "m4", 4)


def test_an_update_whose_alarms_are_not_there_is_refused(stand: Stand, alarms: Alarms) -> None:
    stand.create()
    params: Doc = {"EndpointName": "e", "EndpointConfigName": "c-n"}
    config = watched({}, "latency", "typo")
    words = "Could not find the CloudWatch alarms typo of AutoRollbackConfiguration."
    assert refused(stand.sm, "UpdateEndpoint", **params, DeploymentConfig=config) == words
    alarms.refusal = AwsError("AccessDenied", "no such permission")
    told = refused(stand.sm, "UpdateEndpoint", **params, DeploymentConfig=config)
    assert told.endswith("could not be read: no such permission")
    assert stand.status() == "InService"


def test_a_rolling_rollback_brings_the_old_back_in_batches(stand: Stand, alarms: Alarms) -> None:
    begin(stand, watched(rolling(ONE, 60, RollbackMaximumBatchSize=ONE), "latency"), 4)
    for _ in range(2):
        stand.healthy()
        pass_time(stand, 60)
    stand.healthy()
    assert split(stand) == (0.75, 2, 3)
    alarms.found["latency"] = "ALARM"
    pass_time(stand, 5)
    assert stand.status() == "RollingBack"
    assert split(stand) == (0.5, 2, 2), "what the old ones can take goes back at once"
    stand.healthy()
    assert split(stand) == (0.25, 3, 1)
    stand.healthy()
    assert settled(stand) == ("InService", "m4", 4)
    assert split(stand) == (0.0, 4, 0)
    assert "ALARM state: latency" in stand.describe()["FailureReason"]


def test_a_rollback_that_fails_leaves_a_mix_that_an_update_replaces(
    stand: Stand, alarms: Alarms
) -> None:
    begin(stand, watched(rolling(size(2, "INSTANCE_COUNT"), 60), "latency"), 4)
    stand.healthy()
    pass_time(stand, 60)
    stand.healthy()
    assert split(stand) == (1.0, 2, 4)
    alarms.found["latency"] = "ALARM"
    pass_time(stand, 5)
    launched = [k for k in stand.backend.running() if not stand.health.ready(k)]
    assert len(launched) == 2, "all at once, where no batch size is given"
    stand.backend.die(launched[0], 1, log=TRACE)
    stand.touch()
    found = stand.describe()
    assert found["EndpointStatus"] == "UpdateRollbackFailed"
    assert "no luck" in found["FailureReason"]
    assert len(stand.routed()["AllTraffic"]) == 4, "two old ones and two new ones"
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}]
    assert "UpdateRollbackFailed" in refused(
        stand.sm,
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=desired,
    )
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="n4")
    stand.turn()
    stand.healthy()
    assert settled(stand) == ("InService", "n4", 4)


def test_a_batch_that_does_not_come_up_rolls_back(stand: Stand) -> None:
    begin(stand, rolling(ONE, 60), 3)
    stand.healthy()
    pass_time(stand, 60)
    new = next(k for k in stand.backend.running() if not stand.health.ready(k))
    stand.backend.die(new, 1, log=TRACE)
    stand.touch()
    assert stand.status() == "RollingBack"
    assert split(stand)[0] == pytest.approx(0.333, abs=0.01)
    stand.healthy()
    assert settled(stand) == ("InService", "m3", 3)
    assert "no luck" in stand.describe()["FailureReason"]


def test_a_new_fleet_that_keeps_crashing_rolls_back(stand: Stand) -> None:
    begin(stand, CANARY, 2)
    stand.healthy()
    for _ in range(5):  # each of its two is the canary by turns
        (route,) = coming(stand).variants[0].routes
        stand.backend.die(route.key, 3, log=TRACE)
        stand.touch()
        stand.clock.forward(5)
        stand.healthy()
    assert settled(stand) == ("InService", "m2", 2)
    assert "no luck (exit code 3)" in stand.describe()["FailureReason"]


def test_a_shadow_variant_goes_over_with_its_fleet(stand: Stand) -> None:
    variant = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
    for name in ("m", "n"):
        stand.sm(
            "CreateEndpointConfig",
            EndpointConfigName=f"s{name}",
            ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": name, **variant}],
            ShadowProductionVariants=[{"VariantName": "Shadow", "ModelName": "m", **variant}],
        )
    stand.create("sm")
    params = {"EndpointName": "e", "EndpointConfigName": "sn"}
    stand.sm("UpdateEndpoint", **params, DeploymentConfig=rolling(ONE, 60))
    stand.turn()
    stand.healthy()
    found = coming(stand)
    assert [len(s.variant.routes) for s in found.shadows] == [1]
    pass_time(stand, 60)
    stand.healthy()
    pass_time(stand, 60)
    assert settled(stand) == ("InService", "sn", 4)


def test_where_no_new_replica_answers_the_old_ones_do(stand: Stand) -> None:
    begin(stand, blue_green("ALL_AT_ONCE", 0, final=60), 1)
    stand.healthy()
    found = stand.app.world.endpoints.get(NAME)
    assert found is not None
    (variant,) = coming(stand).variants
    other = found.instead(variant)
    assert other is not None
    assert (other.config, len(other.routes)) == ("m1", 1)
    assert found.instead(other) is variant


def test_a_deployment_that_takes_too_long_goes_back(stand: Stand) -> None:
    begin(stand, blue_green("CANARY", 60, limit=600, CanarySize=size(25)))
    pass_time(stand, 600)
    assert settled(stand) == ("InService", "m4", 4)
    assert "within 600 seconds" in stand.describe()["FailureReason"]


def test_a_server_that_starts_again_goes_on_where_it_was(stand: Stand) -> None:
    begin(stand, CANARY)
    stand.healthy()
    stand.app.world.endpoints.withdraw(NAME)  # what is in memory is lost
    row = stand.app.world.rows.get(*NAME[:2], "endpoint", "e")
    assert row is not None
    stand.app.world.endpoints.load(row)
    assert split(stand) == (0.25, 4, 1)


def test_the_last_configuration_is_used_again_where_it_is_retained(stand: Stand) -> None:
    stand.config("c2", {"AllTraffic": ("m", 2, 1.0)})
    given = {"EndpointName": "e", "EndpointConfigName": "c2", "DeploymentConfig": CANARY}
    stand.sm("CreateEndpoint", **given)
    stand.turn()
    stand.healthy()
    assert stand.describe()["LastDeploymentConfig"] == CANARY
    stand.sm(
        "UpdateEndpoint", EndpointName="e", EndpointConfigName="c2", RetainDeploymentConfig=True
    )
    stand.turn()
    stand.healthy()
    assert split(stand)[0] == 0.25
    pass_time(stand, 60)
    pass_time(stand, 30)
    assert stand.describe()["LastDeploymentConfig"] == CANARY
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    stand.turn()
    stand.healthy()
    assert stand.status() == "InService", "all at once, with nothing to wait for"
    assert "LastDeploymentConfig" not in stand.describe()


def test_what_cannot_be_deployed_so_is_refused(stand: Stand) -> None:
    stand.create()
    stand.config("other", {"Another": ("n", 1, 1.0)})
    params: Doc = {"EndpointName": "e", "EndpointConfigName": "other"}
    told = refused(stand.sm, "UpdateEndpoint", **params, DeploymentConfig=CANARY)
    assert "the same variant names" in told
    params["EndpointConfigName"] = "c-n"
    told = refused(stand.sm, "UpdateEndpoint", **params, DeploymentConfig=rolling(ONE))
    assert "MaximumBatchSize" in told
    create = {**params, "EndpointName": "f", "DeploymentConfig": rolling(ONE)}
    assert "MaximumBatchSize" in refused(stand.sm, "CreateEndpoint", **create)


def test_scaling_says_what_it_does(stand: Stand) -> None:
    stand.create()
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 3, "DesiredWeight": 2.0}]
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=desired,
    )
    (variant,) = stand.describe()["ProductionVariants"]
    (status,) = variant["VariantStatus"]
    assert status["StatusMessage"] == "Scaling out desired instance count to 3."
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 3)
