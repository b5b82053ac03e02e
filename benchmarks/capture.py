"""What data capture costs the answers of an endpoint: with and without it, in turn.

    python benchmarks/capture.py [--isolation sandbox|process] [--rounds N] [--seconds S]

Four endpoints of one model on one server, each with a process of its own: two that capture nothing
(which shows how far equal ones differ), one that captures every request and answer as text, one in
Base64. Each has the same request from a lean client (`invoke.py`), in alternating rounds of S seconds; told is
the median of the rounds, and the median of what each round differs from that without capture beside
it. CPU is what the server's threads ran for a request, the capture's own included. Linux only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import boto3.session
from invoke import Way, cpu_seconds, deploy, load, server, signed

PLAIN = "bench"
OTHERS = {"plain": None, "text": ["application/json"], "base64": ["application/x-other"]}
"""Endpoint -> the content types that it captures as JSON (the body's is application/json); None: it
captures nothing."""


def capturing(sagemaker: Any) -> None:
    """The endpoints of OTHERS answer."""
    for name, types in OTHERS.items():
        variant = {"VariantName": "AllTraffic", "ModelName": "bench", "InstanceType": "ml.m5.large"}
        capture = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://bench-bucket/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": types},
        }
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{**variant, "InitialInstanceCount": 1}],
            **({"DataCaptureConfig": capture} if types else {}),
        )
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for name in OTHERS:
        while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
            time.sleep(0.05)


Row = tuple[float, float, float, float]
"""p50 and p99 in ms, requests a second, the server's CPU µs a request."""


def round_of(pid: int, way: Way, clients: int, seconds: float) -> Row:
    """A closed loop's figures."""
    before = cpu_seconds(pid)
    found = sorted(load(way, clients, seconds))
    spent = cpu_seconds(pid) - before
    count = len(found)
    late = found[int(count * 0.99)]
    return found[count // 2] * 1e3, late * 1e3, count / seconds, spent / count * 1e6


def measure(pid: int, ways: list[Way], clients: int, rounds: int, seconds: float) -> None:
    """A line for each way; the first is what the others are compared with."""
    rows: dict[str, list[Row]] = {way.name: [] for way in ways}
    for number in range(rounds):
        for way in ways if number % 2 else reversed(ways):
            rows[way.name].append(round_of(pid, way, clients, seconds))
    for name, taken in rows.items():
        p50, p99, rate, cpu = (statistics.median(each) for each in zip(*taken, strict=True))
        pairs = list(zip(taken, rows[ways[0].name], strict=True))
        more = statistics.median(mine[0] / other[0] for mine, other in pairs) - 1
        slower = statistics.median(other[2] / mine[2] for mine, other in pairs) - 1
        print(
            f"{name:<24}{clients:>8}{p50:>10.3f}{p99:>10.2f}{rate:>10.0f}{cpu:>10.0f}"
            f"{more:>12.1%}{slower:>12.1%}",
            flush=True,
        )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    given = parser.parse_args()
    with server(given.isolation) as (_, (pid, port, key, secret)):
        deploy(port, key, secret)
        sagemaker = boto3.session.Session().client(
            "sagemaker",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )
        capturing(sagemaker)
        address = f"tcp:127.0.0.1:{port}"
        names = {"nothing captured": PLAIN, "nothing, another one": "plain"}
        names |= {f"captured as {name}": name for name, types in OTHERS.items() if types}
        ways = [
            Way(name, address, signed(port, key, secret, endpoint))
            for name, endpoint in names.items()
        ]
        for way in ways:
            load(way, 1, 0.5)
        print(
            f"{'':<24}{'clients':>8}{'p50 ms':>10}{'p99 ms':>10}{'req/s':>10}{'CPU µs':>10}"
            f"{'p50 more':>12}{'time more':>12}"
        )
        for clients in (1, 4):
            measure(pid, ways, clients, given.rounds, given.seconds)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
