"""Deployments under load: a running server, real model servers, boto3; no request fails."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import Server
from tests.services.sagemaker.hosting.deployment.test_update_policy import (
    blue_green,
    rolling,
    size,
)
from tests.services.sagemaker_runtime.test_invoke import Stand, until_gone
from tests.waiting import until

CLIENTS = 3


@pytest.fixture
def stand(server: Server) -> Iterator[Stand]:
    made = Stand(server)
    for name in ("old", "new"):
        made.model(name, data=name)
        made.config(f"{name}2", {"AllTraffic": name}, count=2)
    made.endpoint("deployed", "old2")
    yield made
    made.clear()


@contextmanager
def load(stand: Stand) -> Iterator[list[Any]]:
    """Requests one after the other by a few clients; their answers and errors, in order."""
    stop, found = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                found.append(stand.ask("deployed", "x")["model"])
            except Exception as error:
                found.append(error)

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask) for _ in range(CLIENTS)]
        try:
            yield found
        finally:
            stop.set()
    for each in asking:
        each.result()


def update(stand: Stand, config: str, deployment: dict[str, Any]) -> dict[str, Any]:
    stand.sm.update_endpoint(
        EndpointName="deployed", EndpointConfigName=config, DeploymentConfig=deployment
    )
    return stand.settled("deployed")


@pytest.mark.costs("six model servers under load")
def test_no_request_fails_while_fleets_change_and_replicas_end(stand: Stand) -> None:
    half = size(50)
    with load(stand) as found:
        until(lambda: len(found) > 10, "the load")
        done = update(stand, "new2", blue_green("CANARY", 0, CanarySize=half))
        assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", "new2")
        before = len(found)
        until(lambda: len(found) > before + CLIENTS + 10, "more of the load")
        assert set(found[before + CLIENTS :]) == {"new"}
        done = update(stand, "old2", rolling(half, 0))
        assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", "old2")
    assert set(found) == {"old", "new"}
    # a replica that nothing is on is killed: whoever comes next is answered by the other
    victim = stand.ask("deployed", "x")["ppid"]
    os.kill(victim, signal.SIGKILL)
    until_gone(victim)
    with ThreadPoolExecutor(CLIENTS) as pool:
        assert set(pool.map(lambda _: stand.ask("deployed", "x")["model"], range(30))) == {"old"}
