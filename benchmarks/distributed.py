"""Data-parallel training on three instances beside torchrun by hand with three local processes.

    python benchmarks/distributed.py [--runs N] [--epochs N]

Both train the same text classifier on the quickstart's texts (sentences of AWS's documentation, 20
services), batch by batch the same, with as many threads in each process. Prints, as medians of N
runs that alternate: the training loop alone and the whole (from CreateTrainingJob to `Completed`;
by hand from the first process to the last one's end), the efficiency (by hand / ours), and what
both have learned.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import boto3.session

from sagebrush.app import App
from sagebrush.quickstart import texts
from sagebrush.settings import Settings

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311"
SCRIPT = Path(__file__).parents[1] / "tests" / "sdk" / "distributed" / "train_text.py"
INSTANCES = 3
BUCKET = "distributed"
ASKED = {"batch": "192", "buckets": "16384", "width": "64", "lr": "4"}
TOLD = re.compile(r"(\w+)=([-0-9.]+);")

Figures = dict[str, float]


class Bench:
    """One server with the texts and the script in its S3, and the environment by hand."""

    def __init__(self, place: Path, epochs: int) -> None:
        self.place = place
        self.asked = {**ASKED, "epochs": str(epochs)}
        self.app = App(Settings.load({}, None, home=place / "home", port=0))
        self.app.start()
        access_key, secret = self.app.world.credentials.user_key
        session = boto3.session.Session(access_key, secret, region_name="us-east-1")
        url = f"http://127.0.0.1:{self.app.port}"
        self.s3, self.sagemaker, self.logs, iam = (
            session.client(name, endpoint_url=url)  # pyright: ignore[reportArgumentType]
            for name in ("s3", "sagemaker", "logs", "iam")
        )
        self.role = iam.get_role(RoleName="SagebrushExecutionRole")["Role"]["Arn"]
        self.python = str(self.app.world.environments.build("pytorch").python)
        self.s3.create_bucket(Bucket=BUCKET)
        self.texts = place / "texts"
        self.texts.mkdir()
        parts = texts.split(texts.aws_documentation())
        for name, part in (("train", parts.train), ("test", parts.test)):
            file = self.texts / f"{name}.csv"
            with file.open("w", newline="") as out:
                rows = csv.writer(out)
                rows.writerow(["label", "text"])
                rows.writerows([each.label, each.text] for each in part)
            self.s3.upload_file(str(file), BUCKET, f"texts/{name}.csv")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(SCRIPT, SCRIPT.name)
        self.s3.put_object(Bucket=BUCKET, Key="code.tar.gz", Body=packed.getvalue())

    def ours(self, number: int) -> Figures:
        """What the job on three instances took and learned."""
        name, began = f"bench-{number}", time.perf_counter()
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            RoleArn=self.role,
            HyperParameters={
                "sagemaker_program": json.dumps(SCRIPT.name),
                "sagemaker_submit_directory": json.dumps(f"s3://{BUCKET}/code.tar.gz"),
                "sagemaker_torch_distributed_enabled": "true",
                **self.asked,
            },
            InputDataConfig=[
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": f"s3://{BUCKET}/texts/",
                            "S3DataDistributionType": "FullyReplicated",
                        }
                    },
                }
            ],
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": INSTANCES,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 1200},
        )
        while True:
            job = self.sagemaker.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] != "InProgress":
                break
            time.sleep(0.05)
        whole = time.perf_counter() - began
        if job["TrainingJobStatus"] != "Completed":
            raise SystemExit(f"{name} ended {job['TrainingJobStatus']}: {job.get('FailureReason')}")
        return {**figures(self.log(name)), "whole": whole}

    def log(self, job: str) -> str:
        """All that algo-1 wrote."""
        group = "/aws/sagemaker/TrainingJobs"
        (stream,) = self.logs.describe_log_streams(
            logGroupName=group, logStreamNamePrefix=f"{job}/algo-1"
        )["logStreams"]
        events = self.logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
        return "\n".join(event["message"] for event in events)

    def by_hand(self, threads: int) -> Figures:
        """What three local processes under torchrun took and learned."""
        model = self.place / "model"
        model.mkdir(exist_ok=True)
        words = [word for name, value in self.asked.items() for word in (f"--{name}", value)]
        began = time.perf_counter()
        done = subprocess.run(
            [self.python, "-m", "torch.distributed.run", "--standalone", "--nnodes", "1",
             "--nproc_per_node", str(INSTANCES), str(SCRIPT), *words],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.place),
                "OMP_NUM_THREADS": str(threads),
                "OMP_WAIT_POLICY": "PASSIVE",
                "SM_CHANNEL_TRAIN": str(self.texts),
                "SM_MODEL_DIR": str(model),
            },
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        return {**figures(done.stdout), "whole": time.perf_counter() - began}


def figures(said: str) -> Figures:
    """What the script printed last."""
    line = next(line for line in said.splitlines() if line.startswith("processes="))
    return {name: float(value) for name, value in TOLD.findall(line)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place), given.epochs)
        try:
            measure(bench, given.runs)
        finally:
            bench.app.stop_jobs(lambda: False)
            bench.app.stop()


def measure(bench: Bench, runs: int) -> None:
    """Prints both efficiencies and what was learned."""
    ours: list[Figures] = []
    hand: list[Figures] = []
    for number in range(runs):
        ours.append(bench.ours(number))
        hand.append(bench.by_hand(int(ours[-1]["threads"])))
    for name, what in (("loop_seconds", "training loop"), ("whole", "whole job")):
        a, b = (statistics.median(each[name] for each in rows) for rows in (ours, hand))
        print(
            f"{what:13}: {INSTANCES} instances {a:7.2f} s   {INSTANCES} processes by hand {b:7.2f} s"
            f"   efficiency {b / a:5.3f}"
        )
    for name in ("loss", "accuracy"):
        a, b = (statistics.median(each[name] for each in rows) for rows in (ours, hand))
        print(f"{name:13}: {INSTANCES} instances {a:9.5f}   by hand {b:9.5f}")
    print(f"threads in each process: {ours[0]['threads']:.0f}; runs: {runs}")


if __name__ == "__main__":
    sys.exit(main())
