"""The server's own life: down, down --keep-jobs, Ctrl-C, a second one, a newer data directory."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, Stand, until

pytestmark = pytest.mark.sandbox

SAVES = """
import signal, sys, time
def save(*_):
    open("/opt/ml/model/half.txt", "w").write("half")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready")
time.sleep(600)
"""


@pytest.fixture
def busy(start: Start) -> Stand:
    """A server with a job at work, one in the queue behind it and an endpoint in service."""
    stand = start()
    stand.serve("kept")
    assert stand.in_service("kept")["EndpointStatus"] == "InService"
    large = {"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    stand.train("works", SAVES, ResourceConfig=large)
    until(lambda: "ready" in stand.log("works"), "the job at work")
    stand.train("queues", SAVES, ResourceConfig=large)
    return stand


@pytest.mark.parametrize("how", ["down", pytest.param("ctrl-c", marks=pytest.mark.full)])
def test_down_stops_jobs_as_stop_training_job_does(busy: Stand, how: str) -> None:
    if how == "down":
        done = busy.run("down")
        assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
        assert busy._wait(10) == 0
    else:
        assert busy.end(signal.SIGINT) == 0
    assert busy.live() == []
    assert not (busy.home / "server.json").exists()
    busy.up()
    assert busy.job("works")["TrainingJobStatus"] == "Stopped"
    assert busy.model("works") == {"half.txt": b"half"}
    assert busy.job("queues")["TrainingJobStatus"] == "Stopped"
    until(lambda: busy.invoke("kept") == "kept", "the endpoint's answer", 30)
    assert busy.sm.describe_endpoint(EndpointName="kept")["EndpointStatus"] == "InService"


@pytest.mark.full
def test_down_that_keeps_jobs(busy: Stand) -> None:
    before = busy.live()
    done = busy.run("down", "--keep-jobs")
    assert (done.returncode, done.stdout) == (0, "stopped, jobs go on\n"), done.stderr
    assert busy._wait(10) == 0
    assert busy.live() == before
    assert len(before) == 2
    busy.up()
    assert busy.live() == before
    assert busy.job("works")["TrainingJobStatus"] == "InProgress"
    assert busy.invoke("kept") == "kept"
    busy.sm.stop_training_job(TrainingJobName="works")
    assert busy.ended("works", 30)["TrainingJobStatus"] == "Stopped"
    until(lambda: "ready" in busy.log("queues"), "the next one's turn", 30)


@pytest.mark.full
def test_a_second_ctrl_c_does_not_wait(start: Start) -> None:
    stand = start(stop_grace=60)
    stand.train(
        "stubborn",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready')\n"
        "while True: time.sleep(1)",
    )
    until(lambda: "ready" in stand.log("stubborn"), "the job at work")
    assert stand.process is not None
    stand.process.send_signal(signal.SIGINT)
    until(lambda: stand.job("stubborn")["TrainingJobStatus"] == "Stopping", "the stop")
    began = time.monotonic()
    assert stand.end(signal.SIGINT, 25) == 0
    assert time.monotonic() - began < 20


def test_a_second_server_names_the_first(stand: Stand) -> None:
    pid = stand.state["pid"]
    done = stand.run("up", "--port", "0")
    assert done.returncode == 1
    assert f"pid {pid}" in done.stderr
    # also where the state file is gone: the lock knows
    file = stand.home / "server.json"
    aside = file.rename(file.with_suffix(".aside"))
    try:
        done = stand.run("up", "--port", "0")
        assert done.returncode == 1
        assert f"pid {pid}" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        aside.rename(file)
    assert stand.s3.head_bucket(Bucket=BUCKET)


def test_a_newer_data_directory_is_refused(start: Start) -> None:
    stand = start()
    stand.end()
    file = stand.home / "FORMAT"
    was = file.read_text()
    file.write_text("9999\n")
    done = stand.run("up")
    assert done.returncode == 1
    assert "9999" in done.stderr
    assert "Traceback" not in done.stderr
    file.write_text(was)
    stand.up()
    assert stand.s3.head_bucket(Bucket=BUCKET)


def test_the_data_directory_is_the_users_alone(stand: Stand) -> None:
    assert stand.home.stat().st_mode & 0o777 == 0o700
    for folder in ("keys", "logs"):
        for path in (stand.home / folder).rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
    assert os.stat(stand.home / "server.json").st_mode & 0o077 == 0
