"""Who may start when: fifty at once, a job beside endpoints, a queue that says so, large types."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.faults.conftest import Start
from tests.faults.stand import ENDED, Stand, until

pytestmark = pytest.mark.sandbox


def instance(name: str) -> dict[str, Any]:
    return {"InstanceType": name, "InstanceCount": 1, "VolumeSizeInGB": 1}


def many(stand: Stand, count: int, kills: int = 0) -> None:
    """`count` jobs created at once all complete, each in its turn, and each once, although the
    server is killed `kills` times."""
    names = [f"many-{number}" for number in range(count)]
    for name in names:
        stand.train(name, "print('ran')", ResourceConfig=instance("ml.t3.medium"))

    for done in range(kills):
        until(lambda done=done: completed(stand) > count * done // kills, "progress")
        stand.kill()
        stand.up()

    def all_ended() -> bool:
        left = stand.sm.list_training_jobs(StatusEquals="InProgress", MaxResults=100)
        return not left["TrainingJobSummaries"]

    until(all_ended, "the end of all jobs", 20 + 3 * count)
    for name in names:
        found = stand.job(name)
        assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
        assert stand.log(name) == ["ran"]


def completed(stand: Stand) -> int:
    """How many jobs have completed, up to 100."""
    found = stand.sm.list_training_jobs(StatusEquals="Completed", MaxResults=100)
    return len(found["TrainingJobSummaries"])


def test_eight_at_once(stand: Stand) -> None:
    many(stand, 8)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("count", "kills"),
    [
        pytest.param(16, 2, marks=pytest.mark.full),
        pytest.param(50, 0, marks=pytest.mark.nightly),
        pytest.param(50, 5, marks=pytest.mark.nightly),
    ],
)
def test_many_at_once(start: Start, count: int, kills: int) -> None:
    many(start(), count, kills)


def test_a_job_starts_at_once_beside_three_endpoints(stand: Stand) -> None:
    stand.serve("three", InitialInstanceCount=3, InstanceType="ml.m5.xlarge")
    assert stand.in_service("three")["EndpointStatus"] == "InService"
    began = time.monotonic()
    stand.train("beside", "print('ran')")
    assert stand.ended("beside")["TrainingJobStatus"] == "Completed"
    took = time.monotonic() - began
    stand.sm.delete_endpoint(EndpointName="three")
    print(f"created to completed beside three endpoints: {took:.2f} s")


def test_what_does_not_fit_waits_and_says_its_place(stand: Stand) -> None:
    large = instance("ml.m5.24xlarge")  # all of any host: one after another
    program = "import time; print('ready'); time.sleep(600)"
    for name in ("place-0", "place-1", "place-2"):
        stand.train(name, program, ResourceConfig=large)
    until(lambda: "ready" in stand.log("place-0"), "the first at work")

    def message(name: str) -> str:
        found = stand.job(name)
        assert found["TrainingJobStatus"] == "InProgress"
        assert found["SecondaryStatus"] == "Starting"
        return found["SecondaryStatusTransitions"][-1]["StatusMessage"]

    for name, place in (("place-1", 1), ("place-2", 2)):
        words = f"waiting for capacity (position {place})"
        until(lambda name=name, words=words: words in message(name), words, 10)
        assert re.search(r": [\d.]+ vCPU and [\d.]+ GiB are asked for, 0 vCPU ", message(name))
        assert re.search(
            r"; it will probably start by 20\d\d-\d\d-\d\d \d\d:\d\d UTC$", message(name)
        )
    stand.sm.stop_training_job(TrainingJobName="place-1")
    assert stand.ended("place-1", 20)["TrainingJobStatus"] == "Stopped"
    until(lambda: "(position 1)" in message("place-2"), "the next one's new place", 10)
    stand.sm.stop_training_job(TrainingJobName="place-0")
    until(lambda: "ready" in stand.log("place-2"), "the next one's turn", 30)
    stand.sm.stop_training_job(TrainingJobName="place-2")
    for name in ("place-0", "place-2"):
        assert stand.ended(name, 30)["TrainingJobStatus"] in ENDED


def test_a_type_larger_than_the_host_says_so_first(stand: Stand) -> None:
    stand.train("scaled", "print('ran')", ResourceConfig=instance("ml.m5.24xlarge"))
    assert stand.ended("scaled")["TrainingJobStatus"] == "Completed"
    scaled, said = stand.log("scaled")
    assert re.match(r"Sagebrush: ml\.m5\.24xlarge \(96 vCPU, 384 GiB\) is larger", scaled)
    assert said == "ran"
