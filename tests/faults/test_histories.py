"""A hundred jobs of every sort while the server, supervisors and programs are killed at random: none
is lost, none runs twice, none is Completed without its model, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, ENDED, Stand, until

pytestmark = pytest.mark.sandbox
PROGRAM = """
import os, time
place = "/opt/ml/checkpoints/step"
done = int(open(place).read()) if os.path.exists(place) else 0
print("began at", done, flush=True)
for step in range(done + 1, STEPS + 1):
    print("step", step, flush=True)
    time.sleep(0.05)
    with open(place + ".part", "w") as file:
        file.write(str(step))
    os.rename(place + ".part", place)
with open("/opt/ml/model/steps.txt", "w") as file:
    file.write(f"whole {STEPS}")
print("ended", flush=True)
"""


class History:
    """One server's life with `count` jobs, and what was done to each."""

    def __init__(self, stand: Stand, count: int, seed: int) -> None:
        self.stand, self.chance = stand, random.Random(seed)
        self.names = [f"job-{n:03d}" for n in range(count)]
        self.steps = {name: self.chance.randint(1, 8) for name in self.names}
        self.spot = {name for name in self.names if self.chance.random() < 0.4}
        self.retried = set(self.names) & {n for n in self.names if self.chance.random() < 0.2}
        self.several = {name for name in self.names if self.chance.random() < 0.1}
        self.hurt: set[str] = set()
        self.stopped: set[str] = set()
        self.kills = 0

    def submit(self, name: str) -> None:
        """The job has been acknowledged, whatever happens to the server meanwhile."""
        changes: dict[str, Any] = {
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 2 if name in self.several else 1,
                "VolumeSizeInGB": 1,
            },
        }
        if name in self.spot:
            changes["EnableManagedSpotTraining"] = True
            changes["StoppingCondition"]["MaxWaitTimeInSeconds"] = 3000
            changes["CheckpointConfig"] = {"S3Uri": f"s3://{BUCKET}/checkpoints/{name}"}
        if name in self.retried:
            changes["RetryStrategy"] = {"MaximumRetryAttempts": 3}
        program = PROGRAM.replace("STEPS", str(self.steps[name]))
        try:
            self.stand.train(name, program, **changes)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":
                raise

    def harm(self) -> None:
        """Something happens to the server, to one job's supervisor or program, or by its user."""
        what = self.chance.choice(["server", "shim", "program", "interrupt", "interrupt", "stop"])
        if what == "server":
            self.stand.kill()
            self.kills += 1
            time.sleep(self.chance.uniform(0.0, 0.3))
            self.stand.up()
            return
        directory, name = self._victim()
        if directory is None:
            return
        with contextlib.suppress(StopIteration, IndexError, ProcessLookupError, FileNotFoundError):
            if what == "shim":
                self.hurt.add(name)
                os.kill(self.stand.shim(directory), signal.SIGKILL)
            elif what == "program":
                tree = self.stand.tree(directory)
                self.hurt.add(name)
                os.kill(tree[-1], signal.SIGKILL)
        with contextlib.suppress(ClientError):
            if what == "interrupt" and name in self.spot:
                arn = self.stand.job(name)["TrainingJobArn"]
                tag = {"Key": "sagebrush:interrupt", "Value": "now"}
                self.stand.sm.add_tags(ResourceArn=arn, Tags=[tag])
            elif what == "stop" and self.chance.random() < 0.5:
                self.stopped.add(name)
                self.stand.sm.stop_training_job(TrainingJobName=name)

    def _victim(self) -> tuple[Path | None, str]:
        """A live job's directory and name."""
        live = self.stand.live()
        if not live:
            return None, ""
        directory = self.chance.choice(live)
        key = directory.name.partition(".")[0]
        with sqlite3.connect(f"file:{self.stand.home / 'sagebrush.db'}?mode=ro", uri=True) as db:
            found = db.execute(
                "SELECT name FROM resource WHERE kind='training-job' AND plan LIKE ?", (f"%{key}%",)
            ).fetchone()
        return (directory, found[0]) if found else (None, "")

    def play(self) -> None:
        """Every job has ended."""
        left = list(self.names)
        while left or not self._over():
            for _ in range(min(len(left), self.chance.randint(0, 6))):
                self.submit(left.pop(0))
            time.sleep(self.chance.uniform(0.0, 0.5))
            if left or self.chance.random() < 0.7:
                self.harm()

    def _over(self) -> bool:
        pages = self.stand.sm.get_paginator("list_training_jobs").paginate()
        found = [job for page in pages for job in page["TrainingJobSummaries"]]
        assert len(found) >= len(self.names)
        return all(job["TrainingJobStatus"] in ENDED for job in found)

    def judge(self, name: str) -> str:
        """The job's end is the truth; its status."""
        job = self.stand.job(name)
        status, past = job["TrainingJobStatus"], job["SecondaryStatusTransitions"]
        again = [t for t in past if t["Status"] in ("Interrupted", "Restarting")]
        lines = self.stand.log(name)
        instances = 2 if name in self.several else 1
        began = [line for line in lines if line.startswith("began at")]
        assert len(began) <= instances * (len(again) + 1), (name, past, lines)
        if status == "Completed":
            whole = f"whole {self.steps[name]}".encode()
            assert self.stand.model(name)["steps.txt"] == whole, name
            assert lines.count("ended") >= instances, (name, lines)
        elif status == "Failed":
            assert name in self.hurt, (name, job.get("FailureReason"))
        else:
            assert name in self.stopped, (name, job["SecondaryStatus"])
        if name in self.spot and instances == 1:
            said = [int(m[1]) for line in lines if (m := re.match(r"step (\d+)", line))]
            twice = len(said) - len(set(said))
            assert twice <= len(again), (name, lines)  # one checkpoint interval each time
        return status


def judged(history: History) -> None:
    """What all histories have in common at their end."""
    stand = history.stand
    ends = [history.judge(name) for name in history.names]
    until(lambda: not stand.live(), "the end of every process", 30)
    with sqlite3.connect(f"file:{stand.home / 'sagebrush.db'}?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM reservation").fetchone() == (0,)
    counts = {end: ends.count(end) for end in sorted(set(ends))}
    print(f"{len(ends)} jobs, {history.kills} kills of the server, {len(history.hurt)} jobs hurt,"
          f" {len(history.stopped)} stopped: {counts}")  # fmt: skip
    assert counts.get("Completed", 0) >= len(ends) // 8


@pytest.mark.full
def test_a_few_random_histories(start: Start) -> None:
    stand = start()
    history = History(stand, 8, 5)
    try:
        history.play()
    except (BotoCoreError, OSError) as error:  # the server was killed by nobody but the test
        raise AssertionError(f"the server did not answer: {error}") from error
    judged(history)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_hundred_random_histories(start: Start) -> None:
    history = History(start(), 100, 11)
    history.play()
    judged(history)
