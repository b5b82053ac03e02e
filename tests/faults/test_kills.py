"""kill -9 of the server, of a job's supervisor, of a job, of a replica and of a worker."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, Stand, channel, until

pytestmark = pytest.mark.sandbox
LINES = 400
PROGRAM = f"""
import time, uuid, boto3
from botocore.config import Config
s3 = boto3.client("s3", config=Config(retries={{"max_attempts": 10, "mode": "standard"}}))
s3.put_object(Bucket="{BUCKET}", Key=f"runs/{{uuid.uuid4()}}", Body=b"")
for number in range({LINES}):
    print("line", number, "x" * 50)
    time.sleep(SECONDS / {LINES})
s3.put_object(Bucket="{BUCKET}", Key=f"ends/{{uuid.uuid4()}}", Body=b"")
open("/opt/ml/model/model.txt", "w").write("whole")
"""


PAUSE = 0.01
"""Seconds between two requests of a load, which would take both processors else."""


class Load:
    """S3 uploads and invocations one after another; what was acknowledged is remembered."""

    def __init__(self, stand: Stand, seed: int) -> None:
        self.stand = stand
        self.random = random.Random(seed)
        self.acknowledged: dict[str, str] = {}
        self.answers = 0
        self.wrong: list[Any] = []
        self.over = threading.Event()
        work = (self._put, self._put, self._invoke)
        self.threads = [threading.Thread(target=each, args=(n,)) for n, each in enumerate(work)]
        for thread in self.threads:
            thread.start()

    def _put(self, number: int) -> None:
        count = 0
        while not self.over.is_set():
            count += 1
            # Bodies beneath and above what a row holds by itself.
            body = self.random.randbytes(self.random.choice([10, 5_000, 200_000]))
            key = f"load/{number}/{count}"
            try:
                self.stand.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            except (ClientError, BotoCoreError, OSError) as error:
                self._refused(error)
                self.over.wait(0.05)
            else:
                self.acknowledged[key] = hashlib.md5(body).hexdigest()
                self.over.wait(PAUSE)

    def _invoke(self, _: int) -> None:
        while not self.over.is_set():
            try:
                answer = self.stand.client("sagemaker-runtime").invoke_endpoint(
                    EndpointName="kept", Body=b"x"
                )
                if answer["Body"].read() != b"kept":
                    self.wrong.append(answer)
                self.answers += 1
                self.over.wait(PAUSE)
            except (ClientError, BotoCoreError, OSError) as error:
                self._refused(error)
                self.over.wait(0.05)

    def _refused(self, error: Exception) -> None:
        """A broken connection is what a kill looks like; an answer must not be a wrong one."""
        if isinstance(error, ClientError):
            self.wrong.append(error.response)

    def end(self) -> None:
        """No request is under way."""
        self.over.set()
        for thread in self.threads:
            thread.join()


def kills(stand: Stand, times: int, seconds: float, seed: int) -> list[float]:
    """The server is killed at random moments during a job and load; seconds until each answer."""
    stand.serve("kept")
    assert stand.in_service("kept")["EndpointStatus"] == "InService"
    chance = random.Random(seed)
    stand.train("once", PROGRAM.replace("SECONDS", str(seconds)))
    load, took = Load(stand, seed), []
    try:
        for _ in range(times):
            load.over.wait(chance.uniform(0.0, 1.5))
            stand.kill()
            if chance.random() < 0.3:  # once more, while it starts
                stand.begin()
                load.over.wait(chance.uniform(0.0, 1.0))
                stand.kill()
            began = time.monotonic()
            stand.up()
            until(lambda: stand.invoke("kept") == "kept", "an answer of the endpoint", 30)
            took.append(time.monotonic() - began)
        found = stand.ended("once")
    finally:
        load.end()
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    assert stand.model("once") == {"model.txt": b"whole"}
    for prefix in ("runs/", "ends/"):
        assert stand.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] == 1, prefix
    assert [line.split()[1] for line in stand.log("once")] == [str(n) for n in range(LINES)]
    assert load.wrong == []
    assert load.answers > times
    for key, digest in load.acknowledged.items():
        body = stand.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert hashlib.md5(body).hexdigest() == digest, key
    assert len(load.acknowledged) > times
    stages = [t["Status"] for t in found["SecondaryStatusTransitions"]]
    assert stages == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    print(f"restart to answer, s: {sorted(round(t, 2) for t in took)}; load: {load.answers}"
          f" answers, {len(load.acknowledged)} objects")  # fmt: skip
    return took


@pytest.mark.full
def test_the_server_is_killed_twice(start: Start) -> None:
    took = kills(start(), 2, 2.0, 1)
    assert min(took) < 20


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [2, 3])
def test_the_server_is_killed_ten_times(start: Start, seed: int) -> None:
    took = kills(start(), 10, 20.0, seed)
    assert statistics.median(took) < 20


@pytest.mark.full
@pytest.mark.timeout(240)
def test_the_server_is_killed_in_every_stage(start: Start) -> None:
    stand = start()
    stand.s3.put_object(Bucket=BUCKET, Key="large/in", Body=os.urandom(64 << 20))
    program = """
import os, time
print("began"); time.sleep(1)
assert os.path.getsize("/opt/ml/input/data/train/in") == 64 << 20
for n in range(6): open(f"/opt/ml/model/{n}", "wb").write(os.urandom(64 << 20))
print("ended")
"""
    channels = [channel("code", "code/staged/"), channel("train", "large/")]
    stand.train("staged", program, InputDataConfig=channels)
    stages = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    for number in range(1, 4):
        until(
            lambda number=number: stages.index(stand.job("staged")["SecondaryStatus"]) >= number,
            stages[number],
        )
        stand.kill()
        stand.up()
    found = stand.ended("staged")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    assert stand.log("staged") == ["began", "ended"]
    members = stand.model("staged")
    assert sorted(members) == [str(n) for n in range(6)]
    assert {len(body or b"") for body in members.values()} == {64 << 20}
    blobs = [f for f in (stand.home / "objects").rglob("*") if f.is_file()]
    spooled = sum(f.stat().st_size for f in blobs)
    assert spooled < (7 * 64 + 32) << 20  # the archive that was half written is gone


@pytest.mark.full
def test_killed_while_an_endpoint_comes_and_goes(start: Start) -> None:
    stand = start()
    for _ in range(3):
        stand.serve("comes")
        stand.kill()
        stand.up()
        assert stand.in_service("comes")["EndpointStatus"] == "InService"
        assert stand.invoke("comes") == "comes"
        stand.sm.delete_endpoint(EndpointName="comes")
        stand.kill()
        stand.up()
        until(lambda: not stand.sm.list_endpoints()["Endpoints"], "the endpoint's end", 30)
        until(lambda: not stand.live(), "the end of its processes", 30)
        stand.sm.delete_endpoint_config(EndpointConfigName="comes")
        stand.sm.delete_model(ModelName="comes")


def running(stand: Stand, name: str, known: list[Path]) -> Path:
    """The directory of the job that came up and is no `known` one, once it says so."""
    until(lambda: "ready" in stand.log(name), f"{name} at work")
    return next(each for each in stand.live() if each not in known)


WAITS = "print('ready'); open('/opt/ml/model/x', 'w').write('half'); import time; time.sleep(600)"


@pytest.mark.full
@pytest.mark.ordinary
def test_a_killed_shim_is_told_and_nothing_of_the_job_goes_on(stand: Stand) -> None:
    before = stand.live()
    stand.train("no-shim", WAITS)
    directory = running(stand, "no-shim", before)
    tree = stand.tree(directory)
    assert tree
    os.kill(stand.shim(directory), signal.SIGKILL)
    found = stand.ended("no-shim", 20)
    assert found["TrainingJobStatus"] == "Failed"
    assert "no exit status was recorded" in found["FailureReason"]
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in tree), "the tree's end", 10)


@pytest.mark.ordinary
@pytest.mark.parametrize("who", ["init", "program"])
def test_a_killed_job_is_told(stand: Stand, who: str) -> None:
    name, before = f"killed-{who}", stand.live()
    stand.train(name, WAITS)
    tree = stand.tree(running(stand, name, before))
    os.kill(tree[0] if who == "init" else tree[-1], signal.SIGKILL)
    found = stand.ended(name, 20)
    assert found["TrainingJobStatus"] == "Failed"
    assert "137" in found["FailureReason"] or "lost" in found["FailureReason"]


def test_a_killed_shim_while_the_server_is_down(start: Start) -> None:
    """As after a reboot of the host: jobs have failed truthfully, endpoints answer again."""
    stand = start()
    stand.serve("kept")
    assert stand.in_service("kept")["EndpointStatus"] == "InService"
    stand.train("rebooted", WAITS)
    until(lambda: "ready" in stand.log("rebooted"), "the job at work")
    stand.kill()
    for directory in stand.live():
        os.kill(stand.shim(directory), signal.SIGKILL)
    until(lambda: not stand.live(), "the end of all shims")
    stand.up()
    found = stand.ended("rebooted", 20)
    assert found["TrainingJobStatus"] == "Failed"
    assert "no exit status was recorded" in found["FailureReason"]
    until(lambda: stand.invoke("kept") == "kept", "the endpoint's answer", 30)


@pytest.mark.ordinary
@pytest.mark.parametrize("who", ["shim", "init", "server"])
def test_a_killed_replica_is_replaced(stand: Stand, who: str) -> None:
    name, before = f"replica-{who}", stand.live()
    stand.serve(name)
    assert stand.in_service(name)["EndpointStatus"] == "InService"
    directory = next(each for each in stand.live() if each not in before)
    victims = {"shim": [stand.shim(directory)], "init": stand.tree(directory)[:1]}
    victim = victims.get(who) or stand.tree(directory)[1:2]
    os.kill(victim[0], signal.SIGKILL)
    until(lambda: stand.invoke(name) == name, "an answer", 20)
    until(lambda: directory not in stand.live(), "the old one's end", 20)
    assert stand.sm.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    stand.sm.delete_endpoint(EndpointName=name)


@pytest.mark.ordinary
def test_a_killed_worker_is_replaced(stand: Stand) -> None:
    before = stand.live()
    stand.serve("worker")
    assert stand.in_service("worker")["EndpointStatus"] == "InService"
    directory = next(each for each in stand.live() if each not in before)
    master, *workers = stand.tree(directory)[1:]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    until(lambda: stand.invoke("worker") == "worker", "an answer", 20)
    assert directory in stand.live()  # the same replica
    until(lambda: len(stand.tree(directory)) == len(workers) + 2, "as many workers", 20)
    assert stand.tree(directory)[1] == master
    stand.sm.delete_endpoint(EndpointName="worker")
