"""Warm starts beside cold ones: from CreateTrainingJob to the first line of a script that imports torch.

    python benchmarks/warm.py [--runs N]

Prints medians of N runs of each, alternating: a job that finds a warm pool, one that does not, and
the same script by hand (`python script.py`), whose first line waits for `import torch` alone.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3.session

from sagebrush.app import App
from sagebrush.settings import Settings

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.5-cpu-py311"
SCRIPT = """
import torch
import time
print(f"first line {time.time():.4f}", flush=True)
"""


class Bench:
    """One server with a bucket and the script in it."""

    def __init__(self, home: Path) -> None:
        self.app = App(Settings.load({}, None, home=home, port=0))
        self.app.start()
        self.python = str(self.app.world.environments.build("pytorch").python)
        key, secret = self.app.world.credentials.user_key
        session = boto3.session.Session(key, secret, region_name="us-east-1")
        url = f"http://127.0.0.1:{self.app.port}"
        self.s3, self.sagemaker = (
            session.client(name, endpoint_url=url)  # pyright: ignore[reportArgumentType]
            for name in ("s3", "sagemaker")
        )
        self.s3.create_bucket(Bucket="bench")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            info = tarfile.TarInfo("script.py")
            info.size = len(SCRIPT.encode())
            tar.addfile(info, io.BytesIO(SCRIPT.encode()))
        self.s3.put_object(Bucket="bench", Key="code.tar.gz", Body=packed.getvalue())
        self.role = f"arn:aws:iam::{self.app.settings.account}:role/{self.app.settings.role}"
        self.number = 0

    def job(self, keep: int) -> float:
        """Seconds from the request to the script's first line."""
        self.number += 1
        name = f"warm-{self.number}"
        resources: dict[str, Any] = {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        }
        if keep:
            resources["KeepAlivePeriodInSeconds"] = keep
        began = time.time()
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            HyperParameters={
                "sagemaker_program": json.dumps("script.py"),
                "sagemaker_submit_directory": json.dumps("s3://bench/code.tar.gz"),
            },
            RoleArn=self.role,
            OutputDataConfig={"S3OutputPath": "s3://bench/out"},
            ResourceConfig=resources,
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        while True:
            found = self.sagemaker.describe_training_job(TrainingJobName=name)
            if found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
                break
            time.sleep(0.02)
        assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
        row = self.app.world.rows.get(self.app.settings.account, "us-east-1", "training-job", name)
        assert row is not None
        lines = [line.text for line in self.app.backend.logs(row.plan["key"])]
        said = next(line for line in lines if line.startswith("first line"))
        return float(said.split()[-1]) - began

    def ready(self) -> None:
        """A warm pool is available."""
        while not self.app.world.rows.select("warm-pool", ["Available"]):
            time.sleep(0.05)

    def by_hand(self, folder: Path) -> float:
        """Seconds from the start of the interpreter to the first line."""
        (folder / "script.py").write_text(SCRIPT)
        began = time.time()
        done = subprocess.run(
            [self.python, "script.py"], cwd=folder, capture_output=True, text=True, check=True
        )
        return float(done.stdout.split()[-1]) - began


def main() -> None:
    """Prints the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place) / "home")
        try:
            bench.job(600)
            warm, cold, hand = [], [], []
            for _ in range(runs):
                bench.ready()
                warm.append(bench.job(600))
                cold.append(bench.job(0))  # takes the pool's room
                hand.append(bench.by_hand(Path(place)))
                bench.job(600)
        finally:
            bench.app.stop_jobs(lambda: True)
            bench.app.stop()
    print(f"CreateTrainingJob to the first line after `import torch`, median of {runs}:")
    for name, found in (("warm", warm), ("cold", cold), ("by hand", hand)):
        low, high = min(found), max(found)
        print(f"  {name:<8} {statistics.median(found):6.3f} s   ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
