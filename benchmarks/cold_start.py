"""Serverless endpoints from no process to the first answer, and the same again while awake.

    python benchmarks/cold_start.py [MODEL_DIRECTORY] [--isolation sandbox|process] [--wakes N]

A script that answers by itself (the base environment), BlazingText (trained here by a training job),
and a MiniLM text classifier by ONNX Runtime, float32 and int8: MODEL_DIRECTORY holds one as
transformers' save_pretrained writes it, else one of MiniLM's shape is made with random weights, which
take as long. Each is put to sleep and woken N times by a signed call of boto3's; times are those that
the caller sees. Nothing else should run beside it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config

from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
IDLE = 1
SERVE = """
import json, os, sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.compute.base import Running
from sagebrush.settings import Settings
given = dict(home=Path(sys.argv[1]), port=0, isolation=sys.argv[2], serverless_idle=int(sys.argv[3]))
app = build(Settings.load(dict(os.environ), None, **given))
app.start()
print(json.dumps([app.port, *app.world.credentials.user_key]), flush=True)
for _ in sys.stdin:
    states = [app.backend.poll(key) for key in app.backend.adopt()]
    print(sum(isinstance(s, Running) for s in states), flush=True)
app.stop_jobs(lambda: False)
app.stop()
"""
CODE = """
def model_fn(model_dir):
    return None
def predict_fn(data, model):
    return data
"""
CLASSIFIER = """
import sys
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
shape = dict(vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
             intermediate_size=1536, num_labels=77)
BertForSequenceClassification(BertConfig(**shape)).save_pretrained(sys.argv[1])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(30517))]
open(sys.argv[1] + "/vocab.txt", "w").write("\\n".join(words))
BertTokenizerFast(sys.argv[1] + "/vocab.txt").save_pretrained(sys.argv[1])
"""
BLAZINGTEXT = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
HUGGINGFACE = "sagebrush/huggingface"
SCRIPT = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


@dataclass(frozen=True)
class Case:
    """A model to wake."""

    name: str
    image: str
    data: str
    """Its archive's address."""
    body: bytes
    env: dict[str, str]
    memory: int = 3072
    """MB."""


class Clients:
    """Clients of the server, and its process."""

    def __init__(self, process: subprocess.Popen[str], told: list[Any]) -> None:
        self._process = process
        options: dict[str, Any] = {
            "endpoint_url": f"http://127.0.0.1:{told[0]}",
            "aws_access_key_id": told[1],
            "aws_secret_access_key": told[2],
            "region_name": "us-east-1",
            "config": Config(read_timeout=200, retries={"max_attempts": 0}),
        }
        session = boto3.session.Session()
        self.s3, self.sm = session.client("s3", **options), session.client("sagemaker", **options)
        self.runtime = session.client("sagemaker-runtime", **options)

    def running(self) -> int:
        """How many process trees run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def server(isolation: str) -> Iterator[Clients]:
    """A server of its own with its data in a temporary directory."""
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(Path(home) / "home"), isolation, str(IDLE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Clients(process, json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(60)


def script(clients: Clients) -> Case:
    """A model without weights whose code answers."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("code/inference.py")
        info.size = len(CODE)
        tar.addfile(info, io.BytesIO(CODE.encode()))
    clients.s3.put_object(Bucket="bench", Key="script.tar.gz", Body=out.getvalue())
    env = {"SAGEMAKER_PROGRAM": "inference.py"}
    return Case("base environment, a script", SCRIPT, "s3://bench/script.tar.gz", b"[1]", env)


def blazingtext(clients: Clients) -> Case:
    """A text classifier that a training job has made."""
    chance = random.Random(0)
    words = [f"word{n}" for n in range(20000)]
    lines = "\n".join(
        f"__label__{n % 77} {' '.join(chance.choices(words, k=12))}" for n in range(10000)
    )
    clients.s3.put_object(Bucket="bench", Key="train/train.txt", Body=lines.encode())
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bench/train/"}
    clients.sm.create_training_job(
        TrainingJobName="bench",
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": BLAZINGTEXT, "TrainingInputMode": "File"},
        HyperParameters={
            "mode": "supervised",
            "epochs": "2",
            "vector_dim": "100",
            "min_count": "1",
        },
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": "s3://bench/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    clients.sm.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName="bench", WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    data = clients.sm.describe_training_job(TrainingJobName="bench")["ModelArtifacts"]
    body = json.dumps({"instances": ["word1 word2 word3"]}).encode()
    return Case("BlazingText", BLAZINGTEXT, data["S3ModelArtifacts"], body, {})


def minilm(clients: Clients, model: Path | None, folder: Path) -> Iterator[Case]:
    """The classifier by ONNX Runtime, in both precisions."""
    python = Environments(Settings.load(dict(os.environ)).environments).build("huggingface").python
    if model is None:
        model = folder / "classifier"
        subprocess.run([str(python), "-c", CLASSIFIER, str(model)], check=True)
    for precision in ("float32", "int8"):
        made = folder / f"{precision}.tar.gz"
        command = [sys.executable, "-m", "sagebrush", "model", "optimize", str(model)]
        command += ["--precision", precision, "--output", str(made)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        clients.s3.upload_file(str(made), "bench", made.name)
        body = json.dumps({"inputs": "w1 w2 w3 w4 w5"}).encode()
        env = {"HF_TASK": "text-classification"}
        yield Case(
            f"MiniLM by ONNX, {precision}", HUGGINGFACE, f"s3://bench/{made.name}", body, env
        )


def measure(clients: Clients, case: Case, wakes: int) -> None:
    """Prints how long the model takes from nothing to its answer, and then."""
    container = {"Image": case.image, "ModelDataUrl": case.data, "Environment": case.env}
    serverless = {"MemorySizeInMB": case.memory, "MaxConcurrency": 4}
    variant = {"VariantName": "a", "ModelName": "m", "ServerlessConfig": serverless}
    sm = clients.sm
    sm.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    sm.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sm.create_endpoint(EndpointName="e", EndpointConfigName="c")
    while (found := sm.describe_endpoint(EndpointName="e"))["EndpointStatus"] == "Creating":
        time.sleep(0.1)
    if found["EndpointStatus"] != "InService":
        raise SystemExit(found.get("FailureReason"))
    bucket, key = case.data.removeprefix("s3://").split("/", 1)
    size = clients.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    cold, warm = [], []
    for _ in range(wakes):
        while clients.running():
            time.sleep(0.1)
        for times, count in ((cold, 1), (warm, 5)):
            for _ in range(count):
                begun = time.perf_counter()
                clients.runtime.invoke_endpoint(
                    EndpointName="e", Body=case.body, ContentType="application/json"
                )["Body"].read()
                times.append(time.perf_counter() - begun)
    print(
        f"{case.name:<28} {size / 1e6:6.1f} MB   from zero {statistics.median(cold):5.2f} s"
        f" (least {min(cold):.2f}, most {max(cold):.2f})   awake {1e3 * statistics.median(warm):5.1f} ms",
        flush=True,
    )
    sm.delete_endpoint(EndpointName="e")
    while clients.running():
        time.sleep(0.1)
    sm.delete_endpoint_config(EndpointConfigName="c")
    sm.delete_model(ModelName="m")


def main() -> None:
    """Prints a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--wakes", type=int, default=5)
    args = parser.parse_args()
    with server(args.isolation) as clients, tempfile.TemporaryDirectory() as folder:
        clients.s3.create_bucket(Bucket="bench")
        measure(clients, script(clients), args.wakes)
        measure(clients, blazingtext(clients), args.wakes)
        for case in minilm(clients, args.model, Path(folder)):
            measure(clients, case, args.wakes)
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
