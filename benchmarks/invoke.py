"""InvokeEndpoint beside a direct call to the same worker: CPU added, latency, requests a second.

    python benchmarks/invoke.py [--isolation sandbox|process] [--seconds S]

The client is lean (a prepared signature on kept-alive sockets), so that the server is what is timed;
boto3 is shown beside it. CPU is what the server's threads ran (`/proc/PID/task/*/schedstat`): the
worker and the client do the same work either way. Linux only.
"""

from __future__ import annotations

import argparse
import io
import json
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush.net import dial

SERVE = """
import json, os, sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.compute.base import Running
from sagebrush.settings import Settings
given = {"home": Path(sys.argv[1]), "port": 0, "isolation": sys.argv[2]}
app = build(Settings.load({}, None, models=os.environ.get("SAGEBRUSH_MODELS", ""), **given))
app.start()
print(json.dumps([os.getpid(), app.port, *app.world.credentials.user_key]), flush=True)
for _ in sys.stdin:
    states = [app.backend.poll(key) for key in app.backend.adopt()]
    print(json.dumps([s.address for s in states if isinstance(s, Running)]), flush=True)
app.stop_jobs(lambda: False)
app.stop()
"""
CODE = """
import json
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    return data
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
BODY = json.dumps({"instances": ["a sentence about nothing much"] * 6}).encode()
TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Way:
    """A way to the model: how to connect and what to send."""

    name: str
    address: str
    request: bytes

    def connect(self) -> socket.socket:
        sock = dial.connect_sync(self.address)
        sock.settimeout(30)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


def ask(sock: socket.socket, request: bytes) -> bytes:
    """One answer's body."""
    sock.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError("closed")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data.decode(errors="replace"))
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(65536)
    return body


def cpu_seconds(pid: int) -> float:
    """What all threads of the process have run."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def load(way: Way, clients: int, seconds: float) -> list[float]:
    """The latencies of a closed loop of `clients`, in seconds."""
    until, found = time.perf_counter() + seconds, []

    def run() -> None:
        mine = []
        with way.connect() as sock:
            while (begun := time.perf_counter()) < until:
                ask(sock, way.request)
                mine.append(time.perf_counter() - begun)
        found.extend(mine)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@contextmanager
def server(isolation: str) -> Iterator[tuple[subprocess.Popen[str], list[Any]]]:
    """A server of its own with its data in a temporary directory."""
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(Path(home) / "home"), isolation],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(60)


def deploy(port: int, key: str, secret: str) -> tuple[Any, float]:
    """The runtime client of a server with an endpoint `bench`, and the seconds until InService."""
    options: dict[str, Any] = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "aws_access_key_id": key,
        "aws_secret_access_key": secret,
        "region_name": "us-east-1",
    }
    session = boto3.session.Session()
    s3, sm = session.client("s3", **options), session.client("sagemaker", **options)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("code/inference.py")
        info.size = len(CODE)
        tar.addfile(info, io.BytesIO(CODE.encode()))
    s3.create_bucket(Bucket="bench-bucket")
    s3.put_object(Bucket="bench-bucket", Key="model.tar.gz", Body=out.getvalue())
    sm.create_model(
        ModelName="bench",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/SagebrushExecutionRole",
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": "s3://bench-bucket/model.tar.gz",
            "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
        },
    )
    variant = {"VariantName": "AllTraffic", "ModelName": "bench", "InstanceType": "ml.m5.large"}
    sm.create_endpoint_config(
        EndpointConfigName="bench", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    begun = time.perf_counter()
    sm.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
    while (found := sm.describe_endpoint(EndpointName="bench"))["EndpointStatus"] == "Creating":
        time.sleep(0.005)
    if found["EndpointStatus"] != "InService":
        raise SystemExit(found.get("FailureReason"))
    return session.client("sagemaker-runtime", **options), time.perf_counter() - begun


def signed(port: int, key: str, secret: str, endpoint: str = "bench") -> bytes:
    """InvokeEndpoint with its signature, ready to be sent again and again."""
    path = f"/endpoints/{endpoint}/invocations"
    request = AWSRequest("POST", f"http://127.0.0.1:{port}{path}", headers=dict(TYPE), data=BODY)
    SigV4Auth(Credentials(key, secret), "sagemaker", "us-east-1").add_auth(request)
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Content-Length": str(len(BODY)),
        **dict(request.headers.items()),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + BODY


def direct() -> bytes:
    """The same body, as a container gets it."""
    head = f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
    return f"POST /invocations HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode() + BODY


def measure(pid: int, ways: list[Way], clients: int, seconds: float, rounds: int = 5) -> None:
    """A line for each way: medians over alternating rounds."""
    rows: dict[str, list[tuple[float, float, float, float]]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            before = cpu_seconds(pid)
            found = sorted(load(way, clients, seconds / rounds))
            spent = cpu_seconds(pid) - before
            rows[way.name].append(
                (
                    spent / len(found) * 1e6,
                    found[len(found) // 2] * 1e3,
                    found[int(len(found) * 0.99)] * 1e3,
                    len(found) / (seconds / rounds),
                )
            )
    for name, taken in rows.items():
        cpu, middle, late, rate = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"{name:<28}{clients:>8}{cpu:>16.0f}{middle:>10.2f}{late:>10.2f}{rate:>10.0f}")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each way")
    given = parser.parse_args()
    with server(given.isolation) as (process, (pid, port, key, secret)):
        runtime, ready = deploy(port, key, secret)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("addresses\n")
        process.stdin.flush()
        (address,) = json.loads(process.stdout.readline())
        print(f"endpoint InService after {ready:.2f} s, model load included ({address[:4]})\n")
        ways = [
            Way("worker, called directly", address, direct()),
            Way("InvokeEndpoint, SigV4", f"tcp:127.0.0.1:{port}", signed(port, key, secret)),
        ]
        for way in ways:
            load(way, 1, 0.5)
        print(
            f"{'':<28}{'clients':>8}{'server CPU µs':>16}{'p50 ms':>10}{'p99 ms':>10}{'req/s':>10}"
        )
        for clients in (1, 8):
            measure(pid, ways, clients, given.seconds)
        before, begun, count = cpu_seconds(pid), time.perf_counter(), 300
        for _ in range(count):
            runtime.invoke_endpoint(
                EndpointName="bench", ContentType="application/json", Body=BODY
            )["Body"].read()
        spent, took = cpu_seconds(pid) - before, time.perf_counter() - begun
        print(
            f"{'InvokeEndpoint by boto3':<28}{1:>8}{spent / count * 1e6:>16.0f}"
            f"{took / count * 1e3:>10.2f}{'':>10}{count / took:>10.0f}"
        )


if __name__ == "__main__":
    main()
