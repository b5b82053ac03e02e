"""A thousand small models on one multi-model endpoint: latency of hits and misses, memory, errors.

    python benchmarks/multi_model.py [--models N] [--memory MIB] [--requests R] [--clients C]

Each model is a scikit-learn logistic regression with an inference script of its own; each answer is
compared with what that very model must say. `--memory` lowers the memory that the model server counts
with below the instance's (ml.t2.medium: 4 GiB). Calls are boto3's, signed, over HTTP. Linux only.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import boto3.session

SERVE = """
import json, os, sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.settings import Settings
app = build(Settings.load({}, None, home=Path(sys.argv[1]), port=0))
app.start()
print(json.dumps([app.port, *app.world.credentials.user_key]), flush=True)
sys.stdin.read()
app.stop_jobs(lambda: False)
app.stop()
"""
CODE = """
import json, os
import numpy
from sklearn.linear_model import LogisticRegression
CALLS = [0]
def model_fn(model_dir):
    with open(os.path.join(model_dir, "weights.json")) as file:
        weights = json.load(file)
    model = LogisticRegression()
    model.coef_, model.intercept_ = numpy.array([weights["coef"]]), numpy.array([0.0])
    model.classes_ = numpy.array([0, 1])
    model.n_features_in_ = len(weights["coef"])
    return model
def predict_fn(data, model):
    CALLS[0] += 1
    asked = numpy.array([data])
    return {"calls": CALLS[0], "score": float(model.decision_function(asked)[0]),
            "class": int(model.predict(asked)[0]), "server": os.getppid(),
            "peak": peak()}
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
def peak():
    for name in ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes"):
        try:
            return int(open(name).read())
        except (OSError, ValueError):
            pass
    return 0
"""
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
BUCKET = "bench-models"
FEATURES = 64


class Answered(NamedTuple):
    """One request of the model `number`; `first`: it was the first that the loaded model answered."""

    number: int
    begun: float
    ended: float
    first: bool


@dataclass
class Seen:
    """What was measured. Times in seconds."""

    answers: list[Answered] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    servers: set[int] = field(default_factory=set)
    guard: threading.Lock = field(default_factory=threading.Lock)


def archive(number: int) -> bytes:
    """The model's model.tar.gz: its first weight is its number."""
    out = io.BytesIO()
    coef = [float(number), *(random.Random(number).random() for _ in range(FEATURES - 1))]
    files = {"weights.json": json.dumps({"coef": coef}), "code/inference.py": CODE}
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def ask(runtime: Any, number: int, seen: Seen) -> None:
    """One request of the model, checked and counted."""
    body = json.dumps([1.0] + [0.0] * (FEATURES - 1))
    begun = time.perf_counter()
    try:
        answer = runtime.invoke_endpoint(
            EndpointName="many",
            ContentType="application/json",
            TargetModel=f"{number}.tar.gz",
            Body=body,
        )
        found = json.loads(answer["Body"].read())
    except Exception as error:
        with seen.guard:
            seen.wrong.append(f"{number}: {error}")
        return
    ended = time.perf_counter()
    with seen.guard:
        seen.answers.append(Answered(number, begun, ended, found["calls"] == 1))
        seen.servers.add(found["server"])
        if found["score"] != number or found["class"] != int(number > 0):
            seen.wrong.append(f"{number}: {found}")


def deploy(options: dict[str, Any], count: int, memory: int | None) -> None:
    """The endpoint `many` has `count` models in S3, none of them loaded."""
    session = boto3.session.Session()
    s3, sm = session.client("s3", **options), session.client("sagemaker", **options)
    s3.create_bucket(Bucket=BUCKET)
    for number in range(count):
        s3.put_object(Bucket=BUCKET, Key=f"all/{number}.tar.gz", Body=archive(number))
    sm.create_model(
        ModelName="many",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/SagebrushExecutionRole",
        PrimaryContainer={
            "Image": IMAGE,
            "Mode": "MultiModel",
            "ModelDataUrl": f"s3://{BUCKET}/all/",
            "Environment": {"SAGEBRUSH_MEMORY": str(memory << 20)} if memory else {},
        },
    )
    variant = {"VariantName": "AllTraffic", "ModelName": "many", "InstanceType": "ml.t2.medium"}
    sm.create_endpoint_config(
        EndpointConfigName="many", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sm.create_endpoint(EndpointName="many", EndpointConfigName="many")
    while (found := sm.describe_endpoint(EndpointName="many"))["EndpointStatus"] == "Creating":
        time.sleep(0.01)
    if found["EndpointStatus"] != "InService":
        raise SystemExit(found.get("FailureReason"))


def run(runtime: Any, numbers: Sequence[int], clients: int, seen: Seen) -> float:
    """The models are asked in this order by so many clients; requests a second."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda number: ask(runtime, number, seen), numbers))
    return len(numbers) / (time.perf_counter() - begun)


def sorted_out(answers: Sequence[Answered]) -> dict[str, list[float]]:
    """The latencies of hits, of misses, and of those that were there while another request had the
    same model loaded: they waited for it too."""
    loads: dict[int, list[Answered]] = {}
    for each in answers:
        if each.first:
            loads.setdefault(each.number, []).append(each)
    found: dict[str, list[float]] = {"hits": [], "misses": [], "waited for another's load": []}
    for each in answers:
        others = loads.get(each.number, ())
        waited = any(o.begun < each.ended and each.begun < o.ended for o in others)
        kind = "misses" if each.first else "waited for another's load" if waited else "hits"
        found[kind].append(each.ended - each.begun)
    return found


def line(what: str, times: list[float]) -> str:
    """Latencies in milliseconds."""
    if len(times) < 2:
        return f"  {what}: {len(times)}"
    cuts = statistics.quantiles(times, n=100)
    return f"  {what}: {len(times)}, p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--memory", type=int, help="MiB")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(Path(home) / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            port, key, secret = json.loads(server.stdout.readline())
            measure(given, port, key, secret)
        finally:
            server.stdin.close()
            server.wait(60)


def measure(given: argparse.Namespace, port: int, key: str, secret: str) -> None:
    """Three kinds of traffic, a line or two for each."""
    options: dict[str, Any] = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "aws_access_key_id": key,
        "aws_secret_access_key": secret,
        "region_name": "us-east-1",
    }
    deploy(options, given.models, given.memory)
    runtime = boto3.session.Session().client("sagemaker-runtime", **options)
    chance = random.Random(1)
    weights = [1 / (n + 1) for n in range(given.models)]
    skewed = chance.choices(range(given.models), weights, k=given.requests)
    wrong, servers = 0, set[int]()
    for what, numbers, clients in (
        ("each model once, 1 client", list(range(given.models)), 1),
        ("the last 20 models, 1 client", list(range(given.models))[-20:] * 25, 1),
        (f"Zipf, {given.clients} clients", skewed, given.clients),
    ):
        seen = Seen()
        rate = run(runtime, numbers, clients, seen)
        print(f"{what}: {rate:.0f} requests/s, {len(seen.wrong)} failed or wrong")
        for kind, times in sorted_out(seen.answers).items():
            print(line(kind, times), flush=True)
        for each in seen.wrong[:3]:
            print(f"  {each}")
        wrong, servers = wrong + len(seen.wrong), servers | seen.servers
    print(f"{wrong} failed or wrong in all; {len(servers)} server process (1: it never ended)")
    if wrong or len(servers) != 1:
        logs = boto3.session.Session().client("logs", **options)
        group = "/aws/sagemaker/Endpoints/many"
        for event in logs.filter_log_events(logGroupName=group)["events"][-30:]:
            print(event["message"])
        raise SystemExit(1)


if __name__ == "__main__":
    main()
