"""Endpoints whose steps raise again and again, and those whose clock is set back."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.engine.loop import GIVE_UP, SLOWEST
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.hosting.deployment.replicas import Replicas
from sagebrush.services.sagemaker.hosting.plan import Plan, set_back
from tests.services.sagemaker.hosting.deployment.test_deployments import (
    CANARY,
    begin,
    pass_time,
    settled,
    split,
    stage,
)
from tests.services.sagemaker.hosting.deployment.test_update_policy import rolling, size
from tests.services.sagemaker.stand import NAME, Stand, refused


def test_a_clock_that_is_set_back_holds_no_deployment_up(stand: Stand) -> None:
    begin(stand, CANARY)
    stand.healthy()
    assert stage(stand)[0] == "Baking"
    pass_time(stand, -3600)
    pass_time(stand, 59)
    assert stage(stand)[0] == "Baking"
    pass_time(stand, 2)
    assert split(stand) == (1.0, 4, 4)
    pass_time(stand, -3600)
    pass_time(stand, 31)
    assert stand.status() == "InService"


def test_no_time_of_a_plan_is_of_the_future() -> None:
    fleet: Any = {"id": "f", "config": "c", "variants": [], "started": 5000.0}
    entries: Any = [{"since": 5000.0, "not_before": 5030.0}, {"since": 900.0, "not_before": 1010.0}]
    deploying: Any = {"config": {}, "step": 1, "stage": "Baking", "since": 5000.0}
    plan: Plan = {"active": fleet, "pending": None, "deployment": deploying, "replicas": entries}
    set_back(plan, 1000.0)
    assert (fleet["started"], deploying["since"]) == (1000.0, 1000.0)
    assert entries == [
        {"since": 1000.0, "not_before": 1060.0},
        {"since": 900.0, "not_before": 1010.0},
    ]


def give_up(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps raise until the loop gives up."""

    def broken(_: Any) -> None:
        raise RuntimeError("no step can be done")

    with monkeypatch.context() as patched:
        patched.setattr(Replicas, "step", broken)
        for _ in range(GIVE_UP):
            pass_time(stand, SLOWEST)


@pytest.mark.parametrize("config", [None, CANARY, rolling(size(50))])
def test_a_step_that_fails_again_and_again_leaves_nothing_to_overtake(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, config: Doc | None
) -> None:
    begin(stand, config or {})
    assert stand.status() == "Updating"
    give_up(stand, monkeypatch)
    found = stand.describe()
    assert found["EndpointStatus"] == "RollingBack"
    assert "no step can be done" in found["FailureReason"]
    update = {"EndpointName": "e", "EndpointConfigName": "c-n"}
    assert "in-progress" in refused(stand.sm, "UpdateEndpoint", **update)
    pass_time(stand, 60)  # it goes back as soon as steps succeed
    for _ in range(4):
        stand.healthy()
        pass_time(stand, 600)
    assert settled(stand) == ("InService", "m4", 4)
    stand.sm("UpdateEndpoint", **update)


def test_an_endpoint_whose_deployment_is_stuck_can_be_deleted(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(stand, CANARY)
    give_up(stand, monkeypatch)
    stand.sm("DeleteEndpoint", EndpointName="e")
    give_up(stand, monkeypatch)
    for _ in range(3):
        pass_time(stand, 600)
    assert stand.app.world.rows.get(*NAME[:2], "endpoint", "e") is None
    assert not stand.backend.running()


def test_an_endpoint_that_fails_leaves_no_process(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.turn()
    assert stand.backend.running()
    give_up(stand, monkeypatch)
    assert stand.status() == "Failed"
    pass_time(stand, 60)
    assert (stand.status(), list(stand.backend.running())) == ("Failed", [])
