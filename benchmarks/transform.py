"""Batch transform of JSON lines beside calling the same model in-process with the same batches.

`python benchmarks/transform.py [--lines N] [--times K]`: N lines (100,000) of a sentence each, a model
that is cheap (it counts words by a table, in Python), payloads of 1 MB. In-process: one interpreter of
the same environment, with the model's own functions, from a file to a file, once alone and once with as
many processes as the job has workers. Transform: a job on a server of its own, from S3 to S3, timed from
the first request to the last output (the data-log's lines) and as the user sees it. On a host with other
work the times say little: then compare the processor seconds. The last job has ten times the lines: the
driver's memory must not grow with them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import boto3

from sagebrush.app import App, build
from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
WORKERS = 2
"""Workers of the model server on an ml.m5.large."""
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
MODEL = """
import json

WEIGHTS = {f"word{n}": (n % 7) - 3 for n in range(5000)}

def model_fn(folder):
    return WEIGHTS

def input_fn(body, content_type):
    return [json.loads(line)["text"] for line in body.splitlines()]

def predict_fn(texts, weights):
    return [sum(weights.get(word, 0) for word in text.split()) for text in texts]

def output_fn(scores, accept):
    return "\\n".join(json.dumps({"score": score}) for score in scores), accept
"""
ALONE = """
import sys, time
sys.path.insert(0, sys.argv[1])
import inference
limit, own, of = int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
model = inference.model_fn("")
began, held, number = time.perf_counter(), b"", 0
with open(sys.argv[2], "rb") as file, open(sys.argv[3], "wb") as out:
    while True:
        piece = file.read(limit - len(held))
        held += piece
        if not held:
            break
        end = held.rfind(b"\\n") + 1 if piece else len(held)
        body, held = held[:end], held[end:]
        if number % of == own:
            found = inference.predict_fn(inference.input_fn(body, "application/jsonlines"), model)
            out.write(inference.output_fn(found, "application/jsonlines")[0].encode() + b"\\n")
        number += 1
print(time.perf_counter() - began)
"""


def lines(path: Path, count: int) -> None:
    """The file has so many JSON lines, always the same."""
    chance = random.Random(1)
    words = [f"word{n}" for n in range(5000)]
    with path.open("w") as out:
        for number in range(count):
            text = " ".join(chance.choices(words, k=20))
            out.write(json.dumps({"id": number, "text": text}) + "\n")


def alone(python: Path, folder: Path, source: Path, payload: int, processes: int) -> float:
    """Seconds of the model in-process, in so many processes that share the batches."""
    running = [
        subprocess.Popen(
            [str(python), "-c", ALONE, str(folder), str(source), f"{source}.out{own}",
             str(payload << 20), str(own), str(processes)],
            stdout=subprocess.PIPE, text=True,
        )
        for own in range(processes)
    ]  # fmt: skip
    return max(float(each.communicate()[0]) for each in running)


def used(work: Callable[[], object]) -> float:
    """Processor seconds of this process (the server is in it) and of all that it started for `work`."""

    def now() -> float:
        return sum(os.times()[:4])

    time.sleep(4.0)  # the supervisors of jobs are waited for each second: earlier ones, and its own
    before = now()
    work()
    time.sleep(4.0)
    return now() - before


def archive() -> bytes:
    """The model as an archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(MODEL)
        tar.addfile(member, io.BytesIO(MODEL.encode()))
    return out.getvalue()


class Bench:
    """A server of its own and clients for it."""

    def __init__(self, home: Path) -> None:
        self.app: App = build(Settings.load({}, None, home=home, port=0))
        self.app.start()
        key, secret = self.app.world.credentials.user_key
        given: dict[str, Any] = {
            "endpoint_url": f"http://127.0.0.1:{self.app.port}",
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "region_name": "us-east-1",
        }
        self.s3, self.sagemaker = boto3.client("s3", **given), boto3.client("sagemaker", **given)
        self.logs = boto3.client("logs", **given)
        self.home = home
        self.s3.create_bucket(Bucket="bench")
        self.s3.put_object(Bucket="bench", Key="model.tar.gz", Body=archive())
        self.sagemaker.create_model(
            ModelName="bench",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": "s3://bench/model.tar.gz",
                "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
            },
        )

    def put(self, name: str, source: Path) -> str:
        """The name of a job whose input is in S3."""
        self.s3.upload_file(str(source), "bench", f"in/{name}/data.jsonl")
        return name

    def job(self, name: str, payload: int) -> tuple[float, float, int, float, int]:
        """(seconds from the first request to the last output, seconds as the user sees it, the driver's
        peak memory in bytes and processor seconds, workers) of a job over its input."""
        began = time.perf_counter()
        self.sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName="bench",
            MaxPayloadInMB=payload,
            TransformInput={
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bench/in/{name}/"}
                },
                "ContentType": "application/jsonlines",
                "SplitType": "Line",
            },
            TransformOutput={
                "S3OutputPath": f"s3://bench/out/{name}",
                "Accept": "application/jsonlines",
                "AssembleWith": "Line",
            },
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
        while True:
            doc = self.sagemaker.describe_transform_job(TransformJobName=name)
            if doc["TransformJobStatus"] != "InProgress":
                break
            time.sleep(0.25)  # each look costs the two cores some milliseconds
        whole = time.perf_counter() - began
        assert doc["TransformJobStatus"] == "Completed", doc["FailureReason"]
        text = self._data_log(name)
        own = float(re.findall(r"records in ([0-9.]+) s", text)[0])
        workers = int(re.findall(r"MaxConcurrentTransforms=(\d+)", text)[0])
        exits = list((self.home / "jobs").glob("b-*.d/exit.json"))
        newest = max(exits, key=lambda path: path.stat().st_mtime)
        used = json.loads(newest.read_text())
        return own, whole, used["peak_memory"], used["utime"] + used["stime"], workers

    def _data_log(self, name: str) -> str:
        group = "/aws/sagemaker/TransformJobs"
        found = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)
        stream = next(
            s["logStreamName"] for s in found["logStreams"] if "data-log" in s["logStreamName"]
        )
        events = self.logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True
        )["events"]
        return "\n".join(event["message"] for event in events)


def main() -> None:
    """Prints all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5, help="rounds, of which the medians count")
    parser.add_argument("--payload", type=int, default=1, help="MaxPayloadInMB")
    args = parser.parse_args()
    root = os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments")
    python = Environments(Path(root).expanduser()).build("scikit-learn-1.2-1").python
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "inference.py").write_text(MODEL)
        tiny, small, large = (work / f"{name}.jsonl" for name in ("tiny", "small", "large"))
        lines(small, args.lines)
        lines(large, 10 * args.lines)
        bench = Bench(work / "home")
        try:
            rounds = [
                (
                    alone(python, work, small, args.payload, 1),
                    alone(python, work, small, args.payload, WORKERS),
                    bench.job(bench.put(f"small{n}", small), args.payload),
                )
                for n in range(args.times)
            ]
            ones, others = [r[0] for r in rounds], [r[1] for r in rounds]
            owns = [r[2][0] for r in rounds]
            for name, found in (("1 process", ones), (f"{WORKERS} processes", others)):
                ratios = [mine / own for mine, own in zip(found, owns, strict=True)]
                print(f"in-process, {name}: {args.lines / median(found):,.0f} lines/s; transform is"
                      f" {median(ratios):.2f} x that (best of each: {min(found) / min(owns):.2f} x)")  # fmt: skip
            whole, peak, cpu, workers = (median(r[2][n] for r in rounds) for n in range(1, 5))
            print(f"transform, {workers:.0f} workers: {args.lines / median(owns):,.0f} lines/s;"
                  f" {whole:.2f} s as the user sees it; the driver used {cpu:.2f} s of processor")  # fmt: skip
            lines(tiny, 10)
            names = bench.put("tiny", tiny), bench.put("cpu", small)
            start = used(lambda: bench.job(names[0], args.payload))
            model = used(lambda: alone(python, work, small, args.payload, 1))
            whole = used(lambda: bench.job(names[1], args.payload)) - start
            print(
                f"processor seconds: the model {model:.2f}; the job {whole:.2f}, without its start"
            )
            more = bench.job(bench.put("large", large), args.payload)
            print(f"the driver's peak memory: {peak / 2**20:.0f} MiB, with ten times the lines"
                  f" {more[2] / 2**20:.0f} MiB ({10 * args.lines / more[0]:,.0f} lines/s)")  # fmt: skip
        finally:
            bench.app.stop()


if __name__ == "__main__":
    main()
