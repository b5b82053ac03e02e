"""Step Functions' executions beside moto_server, both in the same run: transitions and starts a second.

    python benchmarks/states.py [--moto PATH/moto_server] [--executions N] [--threads T]

The peer is pinned in requirements/bench.txt, with moto[stepfunctions] (its own virtual environment;
without --moto it is left out); its executions really run (`execute_state_machine`), in
memory. moto_server (5.2.1) runs one execution in its life: a second start answers 500 (it deep-copies what
holds a lock). So each machine's figure is that of one execution on a server of its own. `loop` is a Choice and a Pass that
count down from 100 (203 states an execution); `short` three Pass states, where starting is what costs.
Each figure is of N executions from the first start by boto3, from T threads, to the end of the last
one: states entered a second, executions a second. `sync` is the time of one StartSyncExecution of
`short`, one after another. `at once`: a thousand executions wait for the same time; how long after it
the last has ended, and what the server's memory grew by. Client and server share the cores; every
transition of ours is on the disk.
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
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).parent))
from asl import LOOP, chain
from s3 import SERVE

ROLE = "arn:aws:iam::123456789012:role/states"
SHORT = chain({"Type": "Pass"}, 3)
MACHINES: dict[str, tuple[Any, str, int]] = {
    "loop": (LOOP, '{"left": 100}', 203),
    "short": (SHORT, '{"a": 1}', 3),
}
"""Name -> definition, input, states entered by an execution."""


@dataclass(frozen=True)
class Server:
    """A running server, its process and a client of it."""

    name: str
    pid: int
    client: Any


def client_of(port: int, key: str, secret: str) -> Any:
    session = boto3.session.Session(key, secret, None, "us-east-1")
    config = Config(
        inject_host_prefix=False, max_pool_connections=50, retries={"total_max_attempts": 1}
    )
    url = f"http://127.0.0.1:{port}"
    return session.client("stepfunctions", endpoint_url=url, config=config)


@contextmanager
def sagebrush() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-c", SERVE, home]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        port, key, secret = process.stdout.readline().split()
        try:
            yield Server("sagebrush", process.pid, client_of(int(port), key, secret))
        finally:
            process.terminate()
            process.wait()


@contextmanager
def moto(program: str) -> Iterator[Server]:
    port = 5061
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([program, "-p", str(port)], stdout=quiet, stderr=quiet)
    body = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    while True:
        try:
            url = f"http://127.0.0.1:{port}/moto-api/config"
            urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).read()
            break
        except OSError:
            time.sleep(0.05)
    try:
        yield Server("moto", process.pid, client_of(port, "a", "b"))
    finally:
        process.terminate()
        process.wait()


def made(server: Server, name: str, definition: Any, **more: Any) -> str:
    given = {"name": name, "definition": json.dumps(definition), "roleArn": ROLE, **more}
    return server.client.create_state_machine(**given)["stateMachineArn"]


def started(server: Server, arn: str, text: str, count: int, threads: int) -> None:
    """So many executions begin."""

    def start(_: int) -> None:
        server.client.start_execution(stateMachineArn=arn, name=str(uuid.uuid4()), input=text)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(start, range(count)))


def finished(server: Server, arn: str) -> None:
    """None of its executions runs."""
    while server.client.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=1)[
        "executions"
    ]:
        time.sleep(0.01)


def rate(server: Server, name: str, count: int, threads: int) -> float:
    """Transitions a second of so many executions; both figures are printed."""
    definition, text, states = MACHINES[name]
    arn = made(server, f"{name}-{count}", definition)
    begun = time.perf_counter()
    started(server, arn, text, count, threads)
    finished(server, arn)
    taken = time.perf_counter() - begun
    found = count * states / taken
    print(
        f"{server.name:10} {name:6} {count:5} executions  {found:8.0f} transitions/s"
        f"  {count / taken:7.1f} executions/s"
    )
    return found


def sync(server: Server, count: int) -> None:
    arn = made(server, "sync", SHORT, type="EXPRESS")
    server.client.start_sync_execution(stateMachineArn=arn)
    times = sorted(timed(server, arn) for _ in range(count))
    middle, late = statistics.median(times), times[int(count * 0.99)]
    print(f"{server.name:10} sync   p50 {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms")


def timed(server: Server, arn: str) -> float:
    begun = time.perf_counter()
    server.client.start_sync_execution(stateMachineArn=arn)
    return time.perf_counter() - begun


def resident(pid: int) -> int:
    """Bytes of memory."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def at_once(server: Server, threads: int) -> None:
    count, patience = 1000, 8.0
    until = time.time() + patience
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
    wait = {"Type": "Wait", "Timestamp": stamp, "End": True}
    arn = made(server, "wait", {"StartAt": "W", "States": {"W": wait}})
    before = resident(server.pid)
    started(server, arn, "{}", count, threads)
    all_started = time.time()
    grown = resident(server.pid) - before
    finished(server, arn)
    print(
        f"{server.name:10} at once {count}: started in {all_started - until + patience:.1f} s,"
        f" {grown / 2**20:.1f} MiB more; ended {time.time() - int(until):.2f} s after their time"
    )


def main() -> int:
    """Prints all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moto", help="the peer's moto_server")
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=8)
    given = parser.parse_args()
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    with sagebrush() as server:
        for name in MACHINES:
            rate(server, name, 20, given.threads)
            ours[name] = rate(server, name, given.executions, given.threads)
        sync(server, 300)
        at_once(server, given.threads)
    for name in MACHINES if given.moto else ():
        with moto(given.moto) as server:
            theirs[name] = rate(server, name, 1, 1)
    for name, figure in theirs.items():
        print(f"{name}: {ours[name] / figure:.1f} times moto's transitions")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
