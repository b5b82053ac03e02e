"""`sagebrush jobs` and `top` on a real server: what they tell, shells inside jobs, its restart."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.commands.job import dump as job_dump
from tests.faults.conftest import starting
from tests.faults.stand import Stand, until

pytestmark = pytest.mark.sandbox

LIVES = """
import os, time
open("/tmp/mine.txt", "w").write("the job wrote this")
print("ready", flush=True)
def waiting_for_its_end():
    while not os.path.exists("/opt/ml/model/end"):
        time.sleep(0.05)
waiting_for_its_end()
"""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, isolated: str) -> Iterator[Stand]:
    """A server of this module's, for one job at a time: there may be two processors."""
    with starting(tmp_path_factory.mktemp("looking-in"), isolated) as start:
        yield start()


@pytest.fixture(scope="module")
def lives(stand: Stand) -> Stand:
    """`stand` with a job `lives`, which others would wait for: tests with jobs of their own come
    before those that need it."""
    return living(stand, "lives")


def living(stand: Stand, name: str, count: int = 1, **more: Any) -> Stand:
    """`stand`, the job at work in each of its instances until /opt/ml/model/end is there."""
    stand.train(name, LIVES, **more)
    until(lambda: stand.log(name).count("ready") == count, "the job")
    return stand


def shell(stand: Stand, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return stand.run("jobs", "shell", name, *words)


@pytest.mark.full
def test_a_shell_outlives_the_server_and_leaves_the_job_alone(stand: Stand) -> None:
    living(stand, "left")
    words = ("sh", "-c", "cat /tmp/mine.txt; echo $TRAINING_JOB_NAME >&2; exit 3")
    done = shell(stand, "left", "--", *words)
    assert (done.returncode, done.stdout, done.stderr) == (3, "the job wrote this", "left\n")
    stand.kill()
    assert shell(stand, "left", "--", "cat", "/tmp/mine.txt").stdout == "the job wrote this"
    stand.up()
    assert shell(stand, "left", "--host", "algo-1", "--", "cat", "/tmp/mine.txt").returncode == 0
    other = shell(stand, "left", "--host", "algo-7", "--", "true")
    assert "left has no algo-7, but algo-1" in other.stderr
    assert "nowhere: No such file or directory" in shell(stand, "left", "--", "nowhere").stderr
    assert shell(stand, "left", "--", "touch", "/opt/ml/model/end").returncode == 0
    assert stand.ended("left")["TrainingJobStatus"] == "Completed"
    assert "end" in stand.model("left")
    late = shell(stand, "left", "--", "true")
    assert (late.returncode, late.stderr) == (1, "sagebrush: left does not run (sagebrush jobs)\n")


@pytest.mark.full
def test_an_interrupted_job_goes_on(stand: Stand) -> None:
    spot = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200}
    living(stand, "spot", EnableManagedSpotTraining=True, StoppingCondition=spot)
    done = stand.run("jobs", "interrupt", "spot")
    assert done.returncode == 0, done.stderr
    assert "spot is interrupted" in done.stdout
    until(lambda: stand.log("spot").count("ready") == 2, "a second life")
    assert shell(stand, "spot", "--", "touch", "/opt/ml/model/end").returncode == 0
    found = stand.ended("spot")
    assert found["TrainingJobStatus"] == "Completed"
    statuses = [each["Status"] for each in found["SecondaryStatusTransitions"]]
    assert statuses.count("Interrupted") == 1
    assert "managed spot savings" in stand.run("jobs").stdout
    late = stand.run("jobs", "interrupt", "spot")
    assert "spot does not train now: it is Completed" in late.stderr


@pytest.mark.full
def test_each_instance_has_its_own_shell(stand: Stand) -> None:
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    living(stand, "pair", 2, ResourceConfig=two)
    for host in ("algo-1", "algo-2"):
        done = shell(stand, "pair", "--host", host, "--", "hostname")
        assert (done.returncode, done.stdout) == (0, f"{host}\n"), done.stderr
    rows = [line.split() for line in stand.run("top", "--once").stdout.splitlines()[3:]]
    assert [row[1] for row in rows if row[0] == "pair"] == ["algo-1", "algo-2"]
    for host in ("algo-1", "algo-2"):
        shell(stand, "pair", "--host", host, "--", "touch", "/opt/ml/model/end")
    assert stand.ended("pair")["TrainingJobStatus"] == "Completed"


@pytest.mark.full
def test_what_the_table_says(stand: Stand, request: pytest.FixtureRequest) -> None:
    stand.outcome("short", "print('done')")
    stand.outcome("breaks", "raise ValueError('no such column')")
    request.getfixturevalue("lives")
    large = {"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    stand.train("waits", LIVES, ResourceConfig=large)
    until(lambda: "waiting" in stand.run("jobs").stdout, "the queue")
    lines = {line.split()[1]: line for line in stand.run("jobs").stdout.splitlines()}
    assert "InProgress" in lines["lives"]
    assert "training for" in lines["lives"]
    assert "position 1" in lines["waits"]
    assert "Completed" in lines["short"]
    assert " here; " in lines["short"]
    assert " on AWS" in lines["short"]
    assert "no such column" in lines["breaks"]
    one = stand.run("jobs", "-n", "1").stdout.splitlines()
    assert len([line for line in one if line.startswith("job ")]) == 1
    shown = stand.run("jobs", "show", "short").stdout
    for text in ("ml.m5.large", "would have cost", "Downloading", "Completed"):
        assert text in shown
    none = stand.run("jobs", "show", "nobody")
    assert none.stderr.startswith("sagebrush: there is no job, endpoint or notebook named nobody\n")
    assert "\n  job  short" in none.stderr
    stand.sm.stop_training_job(TrainingJobName="waits")
    assert stand.ended("waits")["TrainingJobStatus"] == "Stopped"


def test_standard_input_reaches_the_command(lives: Stand) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sagebrush", "jobs", "shell", "lives", "--", "wc", "-c"],
        input=b"x" * 300_000,
        capture_output=True,
        env=lives.environment(),
        timeout=60,
    )
    assert done.stdout.split() == [b"300000"], done.stderr


def test_a_shell_in_a_terminal(lives: Stand) -> None:
    """Typed at, with a prompt, job control and Ctrl-C; its status is the command's."""
    pid, master = pty.fork()
    if pid == 0:
        words = [sys.executable, "-m", "sagebrush", "jobs", "shell", "lives"]
        os.execve(sys.executable, words, {**lives.environment(), "TERM": "dumb"})
    said = b""

    def says(text: bytes) -> None:
        nonlocal said
        limit = time.monotonic() + 30
        while text not in said:
            assert time.monotonic() < limit, said
            if select.select([master], [], [], 1)[0]:
                said += os.read(master, 10_000)
        said = said.partition(text)[2]

    says(b"[lives] root@algo-1:/opt/ml$ ")
    os.write(master, b"tty -s && echo a ter''minal; cat /tmp/mine.txt\r")
    says(b"a terminal\r\nthe job wrote this")
    os.write(master, b"sleep 1000\r")
    says(b"sleep 1000\r\n")
    names = ("sh", "-c", "cat /proc/[0-9]*/comm")
    until(lambda: "sleep" in shell(lives, "lives", "--", *names).stdout, "sleep")
    os.write(master, b"\x03")
    says(b"$ ")
    os.write(master, b"exit 6\r")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 6
    os.close(master)


def test_top_once(lives: Stand) -> None:
    done = lives.run("top", "--once")
    assert done.returncode == 0, done.stderr
    head, _, columns, row = done.stdout.splitlines()
    assert head.startswith("1 running, 0 waiting   CPU ")
    assert columns.split()[:4] == ["NAME", "INSTANCE", "KIND", "CPU"]
    assert row.split()[:4] == ["lives", "algo-1", "ml.m5.large", "job"]
    assert "% of 2" in row
    assert "MiB of " in row


def test_only_managed_spot_is_interrupted(lives: Stand) -> None:
    done = lives.run("jobs", "interrupt", "lives")
    assert done.returncode == 1
    assert "lives is no managed spot training job" in done.stderr
    tags = lives.sm.list_tags(ResourceArn=lives.job("lives")["TrainingJobArn"])
    assert tags["Tags"] == []


def test_a_dump_of_its_stacks(lives: Stand) -> None:
    done = lives.run("jobs", "dump", "lives")
    if job_dump._tool() is None:
        assert done.returncode == 1
        assert "pip install py-spy" in done.stderr
    else:
        assert "waiting_for_its_end" in done.stdout, done.stderr
