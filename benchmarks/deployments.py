"""Requests that fail while an endpoint changes or something is killed, under an open-loop load.

    python benchmarks/deployments.py [--isolation sandbox|process] [--rate R] [--only NAME]...

A server of its own, an endpoint of two instances whose model takes 5 ms and writes each request's
number into a file, and requests at random intervals (Poisson) with a signature each. For each
deployment policy, for an update whose new model cannot load, for 1 -> 4 -> 1, a replica's kill -9
and a server's kill -9 with its restart, one line: how many requests were sent, how many of them
failed and how, how many of these no model had begun to answer (`unbegun`), and how many requests
reached a model more than once. Requests are never retried: botocore would
send those again that were refused or cut off while the server was away. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import io
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

SERVE = """
import json, os, sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.settings import Settings
home, isolation, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
app = build(Settings.load({}, None, home=home, port=port, isolation=isolation))
app.start()
print(json.dumps([os.getpid(), app.port, *app.world.credentials.user_key]), flush=True)
sys.stdin.read()
app.stop_jobs(lambda: False)
app.stop()
"""
CODE = """
import os, time
def model_fn(folder):
    {load}
    return os.open(os.path.join(folder, "seen"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
def input_fn(body, kind):
    return body if isinstance(body, str) else body.decode()
def predict_fn(data, model):
    os.write(model, (data + "\\n").encode())
    time.sleep(0.005)
    return data
def output_fn(prediction, accept):
    return prediction, "text/plain"
"""
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
BUCKET, NAME = "bench-bucket", "bench"


def words(pid: int) -> str:
    """A process's command line."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def parent(pid: int) -> int:
    """The process that started it."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


class Server:
    """A server in a process of its own; `start` may be called again after `kill`."""

    def __init__(self, home: Path, isolation: str) -> None:
        self.home, self.isolation, self.port = home, isolation, 0
        self.process: subprocess.Popen[str] | None = None
        self.key = self.secret = ""
        self.kept = home.parent / "seen"

    def start(self) -> None:
        """It answers, on the port that it had."""
        argv = [sys.executable, "-c", SERVE, str(self.home), self.isolation, str(self.port)]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        _, self.port, self.key, self.secret = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """It and its jobs have ended."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)

    def client(self, service: str) -> Any:
        """A client as a user has one."""
        return boto3.session.Session().client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )

    def replicas(self) -> dict[str, list[int]]:
        """The processes of each replica's model server: those beneath the one that its job's record
        names."""
        found: dict[str, list[int]] = {}
        firsts: dict[int, str] = {}
        for job in (self.home / "jobs").glob("e-*"):
            with contextlib.suppress(OSError, KeyError):
                firsts[json.loads((job / "state.json").read_text())["pid"]] = job.name
        for place in Path("/proc").iterdir():
            if place.name.isdigit() and "/serving/serve.py" in words(int(place.name)):
                above = int(place.name)
                while above > 1 and above not in firsts:
                    above = parent(above)
                if above in firsts:
                    found.setdefault(firsts[above], []).append(int(place.name))
        return found

    async def keep_seen(self) -> None:
        """What replicas write stays when they are gone."""
        self.kept.mkdir(exist_ok=True)
        while True:
            for each in (self.home / "jobs").glob("e-*/ml/model/seen"):
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    os.link(each, self.kept / each.parts[-4])
            await asyncio.sleep(0.05)

    def seen(self) -> list[str]:
        """The numbers of the requests that models began to answer, of all replicas so far."""
        return [line for each in self.kept.iterdir() for line in each.read_text().split()]


@dataclass
class Tally:
    """What became of the requests."""

    sent: int = 0
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    late: float = 0.0
    """The longest answer, in seconds."""
    examples: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    """The numbers of those that got no answer, while the server was there."""


class Load:
    """Requests at random intervals, `rate` a second, on connections that are kept."""

    def __init__(self, server: Server, rate: float) -> None:
        self.server, self.rate = server, rate
        self.tally = Tally()
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.numbers = itertools.count()
        self.away = False
        """Whether the server is killed and not back yet: what is refused or cut then is not ours."""

    def request(self, number: str) -> bytes:
        """InvokeEndpoint, signed."""
        path, host = f"/endpoints/{NAME}/invocations", f"127.0.0.1:{self.server.port}"
        asked = AWSRequest(
            "POST", f"http://{host}{path}", headers={"Content-Type": "text/plain"}, data=number
        )
        keys = Credentials(self.server.key, self.server.secret)
        SigV4Auth(keys, "sagemaker", "us-east-1").add_auth(asked)
        lines = {"Host": host, "Content-Length": str(len(number)), **dict(asked.headers.items())}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n{number}".encode()

    async def one(self) -> None:
        """One request, and what became of it."""
        number, begun = f"{next(self.numbers):08d}", time.perf_counter()
        self.tally.sent += 1
        away = self.away
        try:
            outcome, said = await asyncio.wait_for(self.ask(number), 60)
        except ConnectionRefusedError:
            outcome, said = "refused", ""
        except TimeoutError:
            outcome, said = "timeout", ""
        except (OSError, EOFError) as error:
            outcome, said = "cut", repr(error)
        if (away or self.away) and outcome in ("refused", "cut"):
            outcome += " while the server is away"
        elif outcome != "ok":
            self.tally.failed.add(number)
        self.tally.counts[outcome] += 1
        self.tally.examples.setdefault(outcome, said)
        self.tally.late = max(self.tally.late, time.perf_counter() - begun)

    async def ask(self, number: str) -> tuple[str, str]:
        """("ok" or the status, the body)."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(self.request(number))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        body = (await reader.readexactly(length)).decode()
        self.idle.append((reader, writer))
        status = head.split()[1]
        if status == "200" and body == number:
            return "ok", body
        return status + body.partition("failed: ")[2].partition(".")[0], body

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Requests are sent meanwhile; all have an answer at the end."""
        tasks: set[asyncio.Task[None]] = set()
        stop = asyncio.Event()

        async def send() -> None:
            due = time.perf_counter()
            while not stop.is_set():
                due += random.expovariate(self.rate)
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                task = asyncio.create_task(self.one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        sender = asyncio.create_task(send())
        try:
            yield
        finally:
            stop.set()
            await sender
            await asyncio.gather(*tasks)


class Bench:
    """The endpoint, and what is done to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sm = server.client("sagemaker")

    def prepare(self) -> None:
        """The endpoint of two instances is InService; models and configurations are there."""
        s3 = self.server.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for name, load in (("a", "pass"), ("b", "pass"), ("bad", "raise ValueError('no luck')")):
            out = io.BytesIO()
            code = CODE.replace("{load}", load).encode()
            with tarfile.open(fileobj=out, mode="w:gz") as tar:
                info = tarfile.TarInfo("code/inference.py")
                info.size = len(code)
                tar.addfile(info, io.BytesIO(code))
            s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=out.getvalue())
            container = {
                "Image": IMAGE,
                "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz",
                "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"},
            }
            self.sm.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
            variant = {"VariantName": "AllTraffic", "ModelName": name}
            variant |= {"InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
            self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self.sm.create_endpoint(EndpointName=NAME, EndpointConfigName="a")
        while self.status() == "Creating":
            time.sleep(0.1)
        if self.status() != "InService":
            raise SystemExit(self.sm.describe_endpoint(EndpointName=NAME)["FailureReason"])

    def status(self) -> str:
        return self.sm.describe_endpoint(EndpointName=NAME)["EndpointStatus"]

    async def settled(self) -> None:
        """The endpoint is InService again, and what it gave up has drained."""
        while True:
            with contextlib.suppress(EndpointConnectionError, ConnectionClosedError):
                if await asyncio.to_thread(self.status) == "InService":
                    break
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)

    async def update(self, config: str, deployment: dict[str, Any] | None) -> None:
        """UpdateEndpoint, until it is over."""
        more = {"DeploymentConfig": deployment} if deployment else {}
        await asyncio.to_thread(
            self.sm.update_endpoint, EndpointName=NAME, EndpointConfigName=config, **more
        )
        await self.settled()

    async def scale(self, count: int) -> None:
        """So many instances answer."""
        await asyncio.to_thread(
            self.sm.update_endpoint_weights_and_capacities,
            EndpointName=NAME,
            DesiredWeightsAndCapacities=[
                {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
            ],
        )
        await self.settled()

    async def up_and_down(self, _load: Load) -> None:
        for count in (1, 4, 1, 2):
            await self.scale(count)

    async def kill_replica(self, _load: Load) -> None:
        """One of two is killed, three times."""
        for _ in range(3):
            await asyncio.sleep(1)
            found = await asyncio.to_thread(self.server.replicas)
            for pid in next(iter(found.values())):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + 20
            while time.monotonic() < until and await asyncio.to_thread(self.answering) < 2:
                await asyncio.sleep(0.2)

    def answering(self) -> int:
        found = self.sm.describe_endpoint(EndpointName=NAME)
        return found["ProductionVariants"][0]["CurrentInstanceCount"]

    async def kill_in_canary(self, load: Load) -> None:
        """The server is killed while a canary has half of the traffic, and the update goes on."""
        half = {"Type": "CAPACITY_PERCENT", "Value": 50}
        updating = asyncio.create_task(self.update("a", blue_green("CANARY", CanarySize=half)))
        while not await asyncio.to_thread(self.baking):
            await asyncio.sleep(0.05)
        await self.kill_server(load)
        await updating

    def baking(self) -> bool:
        found = self.sm.describe_endpoint(EndpointName=NAME)
        (variant,) = found.get("PendingDeploymentSummary", {}).get("ProductionVariants", ({},))
        return any(each["Status"] == "Baking" for each in variant.get("VariantStatus", ()))

    async def kill_server(self, load: Load) -> None:
        """The server is killed and started again."""
        await asyncio.sleep(1)
        load.away = True
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)
        load.away = False
        await asyncio.sleep(3)


def blue_green(kind: str, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": 2, **more}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": 1,
        }
    }


def scenarios(bench: Bench) -> dict[str, Callable[[Load], Coroutine[Any, Any, None]]]:
    """What is done, by name."""
    half = {"Type": "CAPACITY_PERCENT", "Value": 50}
    rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": half, "WaitIntervalInSeconds": 2}}

    def update(config: str, deployment: dict[str, Any] | None) -> Callable[[Load], Any]:
        return lambda _load: bench.update(config, deployment)

    return {
        "update without a policy": update("b", None),
        "all at once": update("a", blue_green("ALL_AT_ONCE")),
        "canary of 50 %": update("b", blue_green("CANARY", CanarySize=half)),
        "linear, steps of 50 %": update("a", blue_green("LINEAR", LinearStepSize=half)),
        "rolling, batches of 1": update("b", rolling),
        "update to a model that fails": update("bad", rolling),
        "1 -> 4 -> 1": bench.up_and_down,
        "kill -9 of a replica, 3 times": bench.kill_replica,
        "kill -9 of the server": bench.kill_server,
        "kill -9 of it in a canary": bench.kill_in_canary,
    }


async def measure(server: Server, rate: float, only: list[str]) -> None:
    """Prints a line for each scenario."""
    bench = Bench(server)
    await asyncio.to_thread(bench.prepare)
    load = Load(server, rate)
    keeping = asyncio.create_task(server.keep_seen())
    print(
        f"{'':<32}{'sent':>8}{'failed':>8}{'unbegun':>8}{'twice':>8}{'longest ms':>12}{'seconds':>9}"
    )
    for name, act in scenarios(bench).items():
        if only and name not in only:
            continue
        load.tally, begun = Tally(), time.perf_counter()
        async with load.running():
            await asyncio.sleep(1)
            await act(load)
        tally, took = load.tally, time.perf_counter() - begun
        seen = collections.Counter(server.seen())
        twice, unbegun = sum(n > 1 for n in seen.values()), len(tally.failed - set(seen))
        print(
            f"{name:<32}{tally.sent:>8}{len(tally.failed):>8}{unbegun:>8}{twice:>8}"
            f"{tally.late * 1e3:>12.0f}{took:>9.1f}"
        )
        for word, count in tally.counts.items():
            if word != "ok":
                print(f"    {count} {word}: {tally.examples[word][:300]}")
    keeping.cancel()
    print(f"{len(set(server.seen()))} of {next(load.numbers)} requests reached a model")


def free_ports() -> int:
    """A port that is free with the next one, and that no outgoing connection takes meanwhile."""
    while True:
        port = random.randrange(20000, 30000)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--only", action="append", default=[], help="a scenario's name")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        server = Server(Path(home) / "home", given.isolation)
        server.port = free_ports()
        server.start()
        try:
            asyncio.run(measure(server, given.rate, given.only))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
