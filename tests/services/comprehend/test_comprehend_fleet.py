"""The processes of Comprehend's models: several requests find that they are not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.errors import AwsError, Busy
from sagebrush.services.comprehend import fleet
from sagebrush.world import World

ARN = "arn:aws:sagemaker:us-east-1:000000000015:endpoint/comprehend"
Call = Callable[[str, str, dict[str, Any]], dict[str, Any]]


def world_of(call: Call) -> World:
    """A world in which Comprehend's calls are answered so."""
    here = SimpleNamespace(call=call)
    return cast(World, SimpleNamespace(service_ctx=lambda **_: here))


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs' variables are none."""
    monkeypatch.setattr(fleet, "environment", lambda _world: {})
    monkeypatch.setattr(fleet, "SOONEST", 0.0)


def test_another_caller_may_delete_what_has_failed_first() -> None:
    statuses, called = ["Failed", "Deleting", "InService"], []

    def call(_service: str, operation: str, _request: dict[str, Any]) -> dict[str, Any]:
        called.append(operation)
        if operation == "DeleteEndpoint":
            raise Busy("ValidationException", f'Cannot update in-progress endpoint "{ARN}".')
        return {"EndpointStatus": statuses.pop(0)}

    asyncio.run(fleet.ready(world_of(call)))
    assert called == ["DescribeEndpoint", "DeleteEndpoint", *["DescribeEndpoint"] * 2]


def test_what_forbids_the_processes_is_told_without_their_account() -> None:
    def call(_service: str, operation: str, _request: dict[str, Any]) -> dict[str, Any]:
        if operation == "DescribeEndpoint":
            raise AwsError("ValidationException", f'Could not find endpoint "{ARN}".')
        raise AwsError("ResourceLimitExceeded", f"A quota forbids {ARN}.")

    with pytest.raises(AwsError, match="ResourceLimitExceeded") as refused:
        asyncio.run(fleet.ready(world_of(call)))
    assert (refused.value.code, refused.value.status) == ("InternalServerException", 500)
    assert "arn:" not in refused.value.message


def test_many_that_wait_hold_no_thread() -> None:
    waiting = [0]

    def call(_service: str, _operation: str, _request: dict[str, Any]) -> dict[str, Any]:
        waiting[0] += 1
        return {"EndpointStatus": "InService" if waiting[0] > 100 else "Creating"}

    async def all_at_once() -> None:
        world = world_of(call)
        await asyncio.gather(*(fleet.ready(world) for _ in range(100)))

    asyncio.run(asyncio.wait_for(all_at_once(), 60))  # 100 are more than the pool has threads
    assert waiting[0] > 100
