"""Ten thousand jobs in the queue: does a submission, or the server's memory, grow with it?

    python benchmarks/job_queue.py [--jobs N] [--roles N] [--settled SECONDS]

A job holds the whole host; then N jobs are submitted to a running server by CreateTrainingJob through
boto3, as a user's would be, under several roles. Prints, for the first and the last tenth of them:
the median and the 95th percentile of the submission time, the server's CPU time for each job (which
other work on the machine does not change) and its resident memory; then the ratios, what DescribeTrainingJob of the last one says and takes, and how long the server
is busy until it has looked at every job once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3.session
import psutil

from sagebrush.commands import running
from sagebrush.settings import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
BLOCK = ["python", "-c", "import time; print('ready', flush=True); time.sleep(86400)"]


class Bench:
    """One server in a process of its own, and a client."""

    def __init__(self, home: Path) -> None:
        self.env = {**os.environ, "SAGEBRUSH_HOME": str(home), "SAGEBRUSH_PORT": "0"}
        self.command("up", "-d")
        settings = Settings.load({}, None, home=home)
        state = running.state(settings)
        self.process = psutil.Process(state["pid"])
        access_key, secret = running.user_key(settings)
        session = boto3.session.Session(access_key, secret, region_name="us-east-1")
        url = f"http://127.0.0.1:{state['port']}"
        self.sagemaker, self.iam, self.s3 = (
            session.client(name, endpoint_url=url)  # pyright: ignore[reportArgumentType]
            for name in ("sagemaker", "iam", "s3")
        )
        self.s3.create_bucket(Bucket="bench")
        self.own = f"arn:aws:iam::{settings.account}:role/{settings.role}"

    def command(self, *words: str) -> None:
        """Runs `sagebrush` with the words."""
        subprocess.run([sys.executable, "-m", "sagebrush", *words], env=self.env, check=True)

    def roles(self, count: int) -> list[str]:
        """The ARNs of so many roles: the seeded one and copies of it."""
        found = [self.own]
        name = self.own.rsplit("/", 1)[-1]
        trust = self.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        for number in range(1, count):
            made = self.iam.create_role(
                RoleName=f"bench-{number}", AssumeRolePolicyDocument=json.dumps(trust)
            )
            self.iam.attach_role_policy(
                RoleName=f"bench-{number}",
                PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess",
            )
            found.append(made["Role"]["Arn"])
        return found

    def submit(self, name: str, role: str, kind: str = "ml.m5.large") -> float:
        """Seconds that CreateTrainingJob took."""
        begun = time.perf_counter()
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": BLOCK,
            },
            RoleArn=role,
            OutputDataConfig={"S3OutputPath": "s3://bench/out"},
            ResourceConfig={"InstanceType": kind, "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 86400},
        )
        return time.perf_counter() - begun

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def end(self, place: str) -> None:
        """The server is gone, and the job that held the host with it; the others never ran."""
        self.process.kill()
        self.process.wait(10)
        for each in psutil.process_iter(["cmdline"]):
            if (
                any(place in word for word in each.info["cmdline"] or ())
                and each.pid != os.getpid()
            ):
                each.kill()

    def busy(self) -> float:
        """The server's CPU seconds so far."""
        found = self.process.cpu_times()
        return found.user + found.system

    def memory(self) -> float:
        """The server's resident memory in MB."""
        return self.process.memory_info().rss / 1e6


def tenth(times: list[float]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(times)
    return statistics.median(ordered) * 1e3, ordered[int(len(ordered) * 0.95)] * 1e3


def measure(bench: Bench, jobs: int, roles: list[str], settled: float) -> None:
    """Prints the comparison."""
    bench.submit("blocker", roles[0], "ml.m5.24xlarge")
    while bench.describe("blocker")["SecondaryStatus"] != "Training":
        time.sleep(0.1)
    part = max(1, jobs // 10)
    times: list[float] = []
    found: list[tuple[float, float, float, float]] = []
    spent = bench.busy()
    for number in range(jobs):
        times.append(bench.submit(f"queued-{number}", roles[number % len(roles)]))
        if (number + 1) % part == 0:
            each = (bench.busy() - spent) / part * 1e3
            spent = bench.busy()
            found.append((*tenth(times[-part:]), each, bench.memory()))
            print(
                f"{number + 1:6} queued: submission median {found[-1][0]:6.2f} ms,"
                f" p95 {found[-1][1]:6.2f} ms; server {found[-1][2]:5.2f} ms of CPU each,"
                f" {found[-1][3]:6.1f} MB",
                flush=True,
            )
    ratios = [last / first for first, last in zip(found[0], found[-1], strict=True)]
    print(f"last tenth / first tenth: submission {ratios[0]:.2f}, CPU {ratios[2]:.2f},"
          f" memory {ratios[3]:.2f}")  # fmt: skip
    begun = time.monotonic()
    while time.monotonic() - begun < settled:
        before = bench.busy()
        time.sleep(1)
        if bench.busy() - before < 0.1:
            break
    print(f"the server is at rest {time.monotonic() - begun:.0f} s later,"
          f" with {bench.memory():.1f} MB")  # fmt: skip
    asked, last = [], {}
    for _ in range(20):
        start = time.perf_counter()
        last = bench.describe(f"queued-{jobs - 1}")
        asked.append(time.perf_counter() - start)
    print(f"DescribeTrainingJob of the last: {statistics.median(asked) * 1e3:.2f} ms:"
          f" {last['SecondaryStatusTransitions'][-1]['StatusMessage']}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--roles", type=int, default=3)
    parser.add_argument("--settled", type=float, default=120.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place) / "home")
        try:
            measure(bench, given.jobs, bench.roles(given.roles), given.settled)
        finally:
            bench.end(place)


if __name__ == "__main__":
    sys.exit(main())
