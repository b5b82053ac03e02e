"""Sleeping endpoints that are deleted, scaled or have shadows; sessions beside shadows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.net.http_client import Answer, Pool
from sagebrush.services.sagemaker_runtime import invoke
from tests.services.sagemaker.hosting.test_serverless import Answers, asleep, invoked, until
from tests.services.sagemaker.stand import TRACE, Stand


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    return Answers(monkeypatch)


def shadowed(stand: Stand) -> None:
    """The endpoint `e` of the model m is InService, with n as its shadow."""
    at = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    stand.sm(
        "CreateEndpointConfig",
        EndpointConfigName="c",
        ProductionVariants=[{"VariantName": "own", "ModelName": "m", **at}],
        ShadowProductionVariants=[{"VariantName": "shadow", "ModelName": "n", **at}],
    )
    stand.create("c")


def sleeps(stand: Stand, seconds: int = 60) -> None:
    tags = [{"Key": "sagebrush:sleep-after", "Value": str(seconds)}]
    stand.sm("AddTags", ResourceArn=stand.describe()["EndpointArn"], Tags=tags)
    stand.turn(20)


def keys(stand: Stand, variant: str) -> list[str]:
    row = stand.app.world.rows.get("123456789012", "us-east-1", "endpoint", "e")
    assert row is not None
    running = stand.backend.running()
    return [
        e["key"] for e in row.plan["replicas"] if e["variant"] == variant and e["key"] in running
    ]


def test_who_waits_for_what_is_deleted_is_told_at_once(stand: Stand, answers: Answers) -> None:
    stand.create()
    sleeps(stand)
    asleep(stand)

    async def work() -> None:
        call = asyncio.create_task(invoked(stand))
        await until(stand, lambda: bool(stand.backend.running()))
        stand.sm("DeleteEndpoint", EndpointName="e")
        with pytest.raises(AwsError, match="Endpoint e of account 123456789012 not found"):
            await asyncio.wait_for(call, 2)

    asyncio.run(work())
    stand.turn(20)
    assert stand.backend.running() == []


def test_an_instance_too_many_that_fails_puts_nothing_to_sleep(
    stand: Stand, answers: Answers
) -> None:
    stand.create()
    sleeps(stand)
    (serving,) = stand.backend.running()
    stand.clock.forward(50)
    asyncio.run(invoked(stand))
    stand.clock.forward(50)
    asyncio.run(invoked(stand))
    stand.clock.forward(20)
    more = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2}
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[more],
    )
    stand.turn()
    (new,) = set(stand.backend.running()) - {serving}
    stand.backend.die(new, 1, log=TRACE)
    stand.touch()
    assert serving in stand.backend.running()
    assert asyncio.run(invoked(stand))["Body"] == b"yes"


def test_a_shadow_that_does_not_come_up_keeps_nobody_waiting(
    stand: Stand, answers: Answers
) -> None:
    shadowed(stand)
    sleeps(stand)
    asleep(stand)

    async def work() -> None:
        call = asyncio.create_task(invoked(stand))
        await until(stand, lambda: len(stand.backend.running()) == 2)
        (shadow,), (own,) = keys(stand, "shadow"), keys(stand, "own")
        stand.backend.die(shadow, 1, log=TRACE)
        stand.touch()
        assert own in stand.backend.running()
        stand.health.answers(own)
        stand.touch()
        assert (await asyncio.wait_for(call, 2))["Body"] == b"yes"
        for _ in range(4):
            for key in keys(stand, "shadow"):
                stand.backend.die(key, 1, log=TRACE)
            stand.touch()
        assert len(stand.backend.specs) < 10  # it is tried again, later each time
        assert (await invoked(stand))["Body"] == b"yes"

    asyncio.run(work())
    asleep(stand)


def test_where_one_instance_does_not_come_up_another_is_waited_for(
    stand: Stand, answers: Answers
) -> None:
    stand.config("two", {"a": ("m", 2, 1.0)})
    stand.create("two")
    sleeps(stand)
    asleep(stand)

    async def work() -> None:
        call = asyncio.create_task(invoked(stand))
        await until(stand, lambda: len(stand.backend.running()) == 2)
        first, second = stand.backend.running()
        stand.backend.die(first, 1, log=TRACE)
        stand.touch()
        assert second in stand.backend.running()
        stand.health.answers(second)
        stand.touch()
        assert (await asyncio.wait_for(call, 2))["Body"] == b"yes"

    asyncio.run(work())


def test_a_shadow_that_does_not_come_up_holds_up_no_change(stand: Stand, answers: Answers) -> None:
    shadowed(stand)
    sleeps(stand)
    more = [{"VariantName": "shadow", "DesiredInstanceCount": 2}]
    stand.sm(
        "UpdateEndpointWeightsAndCapacities", EndpointName="e", DesiredWeightsAndCapacities=more
    )
    stand.turn()
    stand.backend.die(keys(stand, "shadow")[-1], 1, log=TRACE)
    stand.touch()
    assert stand.status() == "InService"
    stand.sm("DeleteEndpoint", EndpointName="e")


def test_requests_of_a_session_are_not_copied(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def ask(_pool: Pool, head: bytes, _body: Any, _timeout: float) -> Answer:
        asked.append(head)
        return Answer(200, {invoke.SESSION_NEW: "s-1"} if b"NEW_SESSION" in head else {}, b"yes")

    monkeypatch.setattr(Pool, "ask", ask)
    monkeypatch.setattr(Pool, "open", ask)  # a copy's answer is thrown away as it comes
    shadowed(stand)

    async def work(**more: Any) -> int:
        before = len(asked)
        await invoke.invoke_endpoint(stand.ctx, {"EndpointName": "e", "Body": b"1", **more})
        for _ in range(3):
            await asyncio.sleep(0)
        return len(asked) - before

    assert asyncio.run(work()) == 2
    assert asyncio.run(work(SessionId=invoke.NEW_SESSION)) == 1
    assert asyncio.run(work(SessionId="s-1")) == 1
