"""`sagebrush jobs` and `top` on a real server: what they tell, shells inside jobs, its restart."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from sagebrush.commands.job import dump as job_dump
from tests.faults.conftest import Start, starting
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
    """A server of this module's with one job, which lives until /opt/ml/model/end is there."""
    with starting(tmp_path_factory.mktemp("looking-in"), isolated) as start:
        yield living(start())


def living(stand: Stand) -> Stand:
    """`stand`, the job `lives` at work."""
    stand.train("lives", LIVES)
    until(lambda: "ready" in stand.log("lives"), "the job")
    return stand


def shell(stand: Stand, *words: str) -> subprocess.CompletedProcess[str]:
    return stand.run("jobs", "shell", "lives", *words)


def test_a_shell_outlives_the_server_and_leaves_the_job_alone(start: Start) -> None:
    stand = living(start())
    done = shell(stand, "--", "sh", "-c", "cat /tmp/mine.txt; echo $TRAINING_JOB_NAME >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "the job wrote this", "lives\n")
    stand.kill()
    assert shell(stand, "--", "cat", "/tmp/mine.txt").stdout == "the job wrote this"
    stand.up()
    assert shell(stand, "--host", "algo-1", "--", "cat", "/tmp/mine.txt").returncode == 0
    assert (
        "lives has no algo-7, but algo-1" in shell(stand, "--host", "algo-7", "--", "true").stderr
    )
    assert "nowhere: No such file or directory" in shell(stand, "--", "nowhere").stderr
    assert shell(stand, "--", "touch", "/opt/ml/model/end").returncode == 0
    assert stand.ended("lives")["TrainingJobStatus"] == "Completed"
    assert "end" in stand.model("lives")
    late = shell(stand, "--", "true")
    assert (late.returncode, late.stderr) == (1, "sagebrush: lives does not run (sagebrush jobs)\n")


def test_standard_input_reaches_the_command(stand: Stand) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sagebrush", "jobs", "shell", "lives", "--", "wc", "-c"],
        input=b"x" * 300_000,
        capture_output=True,
        env=stand.environment(),
        timeout=60,
    )
    assert done.stdout.split() == [b"300000"], done.stderr


def test_a_shell_in_a_terminal(stand: Stand) -> None:
    """Typed at, with a prompt, job control and Ctrl-C; its status is the command's."""
    pid, master = pty.fork()
    if pid == 0:
        words = [sys.executable, "-m", "sagebrush", "jobs", "shell", "lives"]
        os.execve(sys.executable, words, {**stand.environment(), "TERM": "dumb"})
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
    until(
        lambda: "sleep" in shell(stand, "--", "sh", "-c", "cat /proc/[0-9]*/comm").stdout, "sleep"
    )
    os.write(master, b"\x03")
    says(b"$ ")
    os.write(master, b"exit 6\r")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 6
    os.close(master)


def test_what_the_table_says(start: Start) -> None:
    stand = start()
    stand.outcome("short", "print('done')")
    stand.outcome("breaks", "raise ValueError('no such column')")
    living(stand)
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


def test_top_once(stand: Stand) -> None:
    done = stand.run("top", "--once")
    assert done.returncode == 0, done.stderr
    head, _, columns, row = done.stdout.splitlines()
    assert head.startswith("1 running, 0 waiting   CPU ")
    assert columns.split()[:4] == ["NAME", "INSTANCE", "KIND", "CPU"]
    assert row.split()[:4] == ["lives", "algo-1", "ml.m5.large", "job"]
    assert "% of 2" in row
    assert "MiB of " in row


def test_only_managed_spot_is_interrupted(stand: Stand) -> None:
    done = stand.run("jobs", "interrupt", "lives")
    assert done.returncode == 1
    assert "lives is no managed spot training job" in done.stderr
    tags = stand.sm.list_tags(ResourceArn=stand.job("lives")["TrainingJobArn"])
    assert tags["Tags"] == []


def test_a_dump_of_its_stacks(stand: Stand) -> None:
    done = stand.run("jobs", "dump", "lives")
    if job_dump._tool() is None:
        assert done.returncode == 1
        assert "pip install py-spy" in done.stderr
    else:
        assert "waiting_for_its_end" in done.stdout, done.stderr


def test_an_interrupted_job_goes_on(start: Start) -> None:
    stand = start()
    spot = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200}
    stand.train("lives", LIVES, EnableManagedSpotTraining=True, StoppingCondition=spot)
    until(lambda: "ready" in stand.log("lives"), "the job")
    done = stand.run("jobs", "interrupt", "lives")
    assert done.returncode == 0, done.stderr
    assert "lives is interrupted" in done.stdout
    until(lambda: shell(stand, "--", "touch", "/opt/ml/model/end").returncode == 0, "a second life")
    found = stand.ended("lives")
    assert found["TrainingJobStatus"] == "Completed"
    statuses = [each["Status"] for each in found["SecondaryStatusTransitions"]]
    assert statuses.count("Interrupted") == 1
    assert "managed spot savings" in stand.run("jobs").stdout
    late = stand.run("jobs", "interrupt", "lives")
    assert "lives does not train now: it is Completed" in late.stderr


def test_each_instance_has_its_own_shell(start: Start) -> None:
    stand = start()
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    stand.train("lives", LIVES, ResourceConfig=two)
    until(lambda: len([s for s in stand.log("lives") if "ready" in s]) == 2, "both instances")
    for host in ("algo-1", "algo-2"):
        done = shell(stand, "--host", host, "--", "hostname")
        assert (done.returncode, done.stdout) == (0, f"{host}\n"), done.stderr
    rows = stand.run("top", "--once").stdout.splitlines()[3:]
    assert [row.split()[1] for row in rows] == ["algo-1", "algo-2"]
    for host in ("algo-1", "algo-2"):
        shell(stand, "--host", host, "--", "touch", "/opt/ml/model/end")
    assert stand.ended("lives")["TrainingJobStatus"] == "Completed"
