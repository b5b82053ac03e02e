"""Training jobs and endpoints beside the floor: the same script by hand, the same model loaded by hand.

    python benchmarks/jobs.py [--runs N] [--seconds S]

Prints, as medians of N runs that alternate with the floor: CreateTrainingJob to the script's first
line, a script of S seconds through CreateTrainingJob beside running it by hand (from the request
to `Completed`), and CreateEndpoint to `InService` beside the time that the model itself takes to
load. Everything goes through boto3, as a user's would; it polls every 20 ms.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3.session

from sagebrush.app import App
from sagebrush.settings import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
SCRIPT = """
import time
print(f"first line {time.time():.4f}", flush=True)
end = time.perf_counter() + float("SECONDS")
done = 0
while time.perf_counter() < end:
    done += sum(i * i for i in range(1000))
print("last line")
"""
INFERENCE = """
def model_fn(directory):
    return "loaded"
def predict_fn(data, model):
    return data
"""


class Bench:
    """One server with a bucket, and what each measurement does to it."""

    def __init__(self, home: Path) -> None:
        self.app = App(Settings.load({}, None, home=home, port=0))
        self.app.start()
        access_key, secret = self.app.world.credentials.user_key
        session = boto3.session.Session(access_key, secret, region_name="us-east-1")
        url = f"http://127.0.0.1:{self.app.port}"
        self.s3, self.sagemaker, self.logs = (
            session.client(name, endpoint_url=url)  # pyright: ignore[reportArgumentType]
            for name in ("s3", "sagemaker", "logs")
        )
        self.role = f"arn:aws:iam::{self.app.settings.account}:role/{self.app.settings.role}"
        self.s3.create_bucket(Bucket="bench")
        self.python = str(self.app.world.environments.build("base").python)
        self.number = 0

    def put_archive(self, key: str, files: dict[str, str]) -> str:
        """A tar.gz of `files` is at `key`; its URI."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
        self.s3.put_object(Bucket="bench", Key=key, Body=packed.getvalue())
        return f"s3://bench/{key}"

    def name(self) -> str:
        self.number += 1
        return f"bench-{self.number}"

    def job(self, source: str) -> dict[str, float]:
        """Seconds from the request to the script's first line and to `Completed`."""
        name, begun, wall = self.name(), time.perf_counter(), time.time()
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            RoleArn=self.role,
            HyperParameters={
                "sagemaker_program": json.dumps("train.py"),
                "sagemaker_submit_directory": json.dumps(source),
            },
            OutputDataConfig={"S3OutputPath": "s3://bench/out"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        wait(
            lambda: self.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"],
            "InProgress",
            "Completed",
        )
        total = time.perf_counter() - begun
        group = "/aws/sagemaker/TrainingJobs"
        (stream,) = self.logs.describe_log_streams(
            logGroupName=group, logStreamNamePrefix=name + "/"
        )["logStreams"]
        events = self.logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
        (first,) = (
            float(e["message"].split()[-1])
            for e in events
            if e["message"].startswith("first line ")
        )
        return {"first line": first - wall, "whole job": total}

    def by_hand(self, script: Path) -> dict[str, float]:
        """The same script, run by the same interpreter."""
        begun, wall = time.perf_counter(), time.time()
        done = subprocess.run(
            [self.python, str(script)], capture_output=True, text=True, check=True
        )
        total = time.perf_counter() - begun
        return {"first line": float(done.stdout.split()[2]) - wall, "whole job": total}

    def endpoint(self, model: str) -> float:
        """Seconds from CreateEndpoint to InService."""
        name = self.name()
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": model},
            ExecutionRoleArn=self.role,
        )
        variant: Any = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        begun = time.perf_counter()
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        wait(
            lambda: self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"],
            "Creating",
            "InService",
        )
        took = time.perf_counter() - begun
        self.sagemaker.delete_endpoint(EndpointName=name)
        return took


def wait(status: Callable[[], str], while_: str, then: str) -> None:
    """Polls until the status is no longer `while_`; SystemExit unless it is `then`."""
    while (now := status()) == while_:
        time.sleep(0.02)
    if now != then:
        raise SystemExit(f"ended {now}, not {then}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place) / "home")
        try:
            measure(bench, Path(place), given.runs, given.seconds)
        finally:
            bench.app.stop_jobs(lambda: False)
            bench.app.stop()


def measure(bench: Bench, place: Path, runs: int, seconds: float) -> None:
    """Prints the three comparisons."""
    for length in (0.0, seconds):
        text = SCRIPT.replace("SECONDS", str(length))
        script = place / "train.py"
        script.write_text(text)
        source = bench.put_archive("code/source.tar.gz", {"train.py": text})
        ours, floor = [], []
        for _ in range(runs):
            floor.append(bench.by_hand(script))
            ours.append(bench.job(source))
        for what in ("first line", "whole job"):
            a, b = (statistics.median(r[what] for r in rows) for rows in (ours, floor))
            print(
                f"script of {length:g} s, {what:10}: job {a:6.2f} s   by hand {b:6.2f} s"
                f"   added {a - b:5.2f} s   ratio {a / b:5.2f}"
            )
    model = bench.put_archive(
        "model/model.tar.gz", {"weights": "x", "code/inference.py": INFERENCE}
    )
    took = [bench.endpoint(model) for _ in range(runs)]
    print(f"endpoint InService (a model that loads at once): median {statistics.median(took):.2f} s,"
          f" least {min(took):.2f} s")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
