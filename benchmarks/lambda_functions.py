"""Lambda's Invoke, cold and warm, beside the handler itself and beside a plain subprocess.

    python benchmarks/lambda_functions.py [--isolation sandbox|process] [--cold N] [--warm N]
                                          [--together N N ...]

The function imports json alone. `warm`: one environment, one invocation after the other. `cold`: each
invocation is of a function version that has no environment yet, with a pause after it, so that the
stock of blank environments is full; `cold, at once` leaves no pause. The subprocess is `python -I -c` that
reads the event, calls the same handler and prints the result. `dry run` is Invoke's DryRun, and
`account settings` GetAccountSettings: the same connection, signature, parsing and permissions without an
environment; what warm ones take beyond that is the environment's part. `N together` are cold starts of N
functions at the same time, from N threads, after a pause. `processor` is what processors worked for the
server and all processes below it (`schedstat`), for each: a cold start with the blank environment that is
begun in its place; a warm one; of N together what was done until the last had answered. `memory` is PSS (`smaps_rollup`) of the processes
below the server: the warm interpreter, blank environments and idle ones, each with its shim. The client is lean (prepared signatures on a
kept-alive socket); boto3 is shown beside it. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SERVE = """
import json, os, sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.settings import Settings
app = build(Settings.load({}, None, home=Path(sys.argv[1]), port=0, isolation=sys.argv[2]))
app.start()
print(json.dumps([app.port, app.settings.region, *app.world.credentials.user_key]), flush=True)
sys.stdin.readline()
app.stop()
"""
HANDLER = """
import json
def lambda_handler(event, context):
    return json.loads(json.dumps(event))
"""
EVENT = {"text": "a line of text", "number": 7}
ROLE = "arn:aws:iam::123456789012:role/benchmark"
PAUSE = 0.5
"""Seconds in which one blank environment is begun in place of another."""
STILL = 1.0
"""Seconds without a new process after which the stock is full again."""
LEVELS = ("server", "warm interpreter", "shim", "first process", "program")
"""Who works, by how far below the server."""


class Server:
    """A server in a process of its own, and a lean client of it."""

    def __init__(self, home: Path, isolation: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(home), isolation],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port, self.region, key, secret = json.loads(self._process.stdout.readline())
        self._credentials = Credentials(key, secret)
        self.client: Any = boto3.session.Session().client(
            "lambda",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=self.region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )
        self._socket = self.connected()

    def close(self) -> None:
        """The server has ended."""
        self._socket.close()
        self._process.communicate("\n", timeout=60)

    def function(self, name: str) -> None:
        """The function is there and active."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("lambda_function.py", HANDLER)
        self.client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=ROLE,
            Handler="lambda_function.lambda_handler",
            Code={"ZipFile": packed.getvalue()},
        )
        self.client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05}
        )

    def prepared(self, name: str) -> bytes:
        """A signed request to invoke the function."""
        return self.signed("POST", f"/2015-03-31/functions/{name}/invocations", EVENT)

    def signed(self, method: str, path: str, document: Any = None, **more: str) -> bytes:
        """A signed request."""
        url = f"http://127.0.0.1:{self.port}{path}"
        body = b"" if document is None else json.dumps(document).encode()
        asked = AWSRequest(method, url, data=body, headers=more)
        SigV4Auth(self._credentials, "lambda", self.region).add_auth(asked)
        sent = asked.prepare()
        headers = {**sent.headers, "Host": f"127.0.0.1:{self.port}"}
        headers["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{k}: {v}" for k, v in headers.items()]
        return "\r\n".join((*lines, "", "")).encode() + body

    def connected(self) -> socket.socket:
        """A connection of its own."""
        made = socket.create_connection(("127.0.0.1", self.port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def ask(self, request: bytes, by: socket.socket | None = None) -> None:
        """The function has answered."""
        status, body = self.answer(request, by)
        if status != 200 or json.loads(body) != EVENT:
            raise RuntimeError(body.decode())

    def answer(self, request: bytes, by: socket.socket | None = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        by = by or self._socket
        by.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += by.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        size = 0 if status == 204 else int(head.lower().split(b"content-length:")[1].split()[0])
        while len(body) < size:
            body += by.recv(65536)
        return status, body

    def together(self, requests: Sequence[bytes]) -> list[float]:
        """Milliseconds of each of the invocations, which begin at the same time."""
        sockets = [self.connected() for _ in requests]
        gate = threading.Barrier(len(requests))

        def one(asked: tuple[bytes, socket.socket]) -> float:
            gate.wait()
            return timed(lambda: self.ask(*asked))

        with ThreadPoolExecutor(len(requests)) as pool:
            found = list(pool.map(one, zip(requests, sockets, strict=True)))
        for each in sockets:
            each.close()
        return found

    def processes(self) -> dict[int, int]:
        """The server's process and all below it -> how far below."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        found = {self._process.pid: 0}
        queue = [self._process.pid]
        for pid in queue:
            for child in children.get(pid, ()):
                found[child] = found[pid] + 1
                queue.append(child)
        return found

    def full(self) -> None:
        """The stock is filled again: no process has begun for a while."""
        before: set[int] = set()
        while (now := set(self.processes())) != before:
            before = now
            time.sleep(STILL)

    def memory(self) -> dict[int, int]:
        """Process -> its PSS in bytes, of all below the server."""
        found: dict[int, int] = {}
        for pid, depth in self.processes().items():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                size = next(line for line in text.splitlines() if line.startswith("Pss:"))
                if depth:
                    found[pid] = int(size.split()[1]) << 10
        return found

    def worked(self) -> dict[int, tuple[int, float]]:
        """Process -> its depth below the server, and the milliseconds that a processor worked for it."""
        found: dict[int, tuple[int, float]] = {}
        for pid, depth in self.processes().items():
            total = 0
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(task.read_text().split()[0])
            found[pid] = (depth, total / 1e6)
        return found


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that it took."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def show(name: str, found: Sequence[float]) -> None:
    """One line: how many, and the middle, 95th, 99th and highest of the times."""
    ordered = sorted(found)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    middle = statistics.median(ordered)
    print(
        f"{name:24} {len(found):5}  p50 {middle:8.2f}  p95 {high:8.2f}  p99 {late:8.2f}  max {ordered[-1]:8.2f} ms"
    )


@contextlib.contextmanager
def processor(server: Server, name: str, count: int) -> Iterator[None]:
    """One line: the milliseconds of a processor that each of `count` took, by who worked."""
    before = server.worked()
    yield
    parts = dict.fromkeys(LEVELS, 0.0)
    for pid, (depth, total) in server.worked().items():
        parts[LEVELS[min(depth, len(LEVELS) - 1)]] += total - before.get(pid, (0, 0.0))[1]
    told = "  ".join(f"{part} {value / count:.2f}" for part, value in parts.items())
    print(f"  processor, {name:22} {sum(parts.values()) / count:8.2f} ms each: {told}")


def measure(server: Server, cold: int, warm: int) -> None:
    """All figures are printed."""
    names = [f"cold-{number}" for number in range(2 * cold)]
    for name in ("warm", *names):
        server.function(name)
    one = server.prepared("warm")
    server.ask(one)
    prepared = [server.prepared(name) for name in names]
    server.full()
    paused = []
    with processor(server, "cold and its refill", cold):
        for each in prepared[:cold]:
            paused.append(timed(lambda each=each: server.ask(each)))
            time.sleep(PAUSE)
        server.full()
    show("cold", paused)
    show("cold, at once", [timed(lambda each=each: server.ask(each)) for each in prepared[cold:]])
    for _ in range(warm // 10):
        server.ask(one)
    with processor(server, "warm", warm):
        found = [timed(lambda: server.ask(one)) for _ in range(warm)]
    show("warm", found)
    data = json.dumps(EVENT).encode()
    boto = lambda: server.client.invoke(FunctionName="warm", Payload=data)["Payload"].read()  # noqa: E731
    dry = server.signed(
        "POST",
        "/2015-03-31/functions/warm/invocations",
        EVENT,
        **{"X-Amz-Invocation-Type": "DryRun"},
    )
    if server.answer(dry)[0] != 204:
        raise RuntimeError("a dry run")
    show("dry run", [timed(lambda: server.answer(dry)) for _ in range(warm)])
    settings = server.signed("GET", "/2016-08-19/account-settings/")
    if server.answer(settings)[0] != 200:
        raise RuntimeError("account settings")
    show("account settings", [timed(lambda: server.answer(settings)) for _ in range(warm)])
    show("warm, boto3", [timed(boto) for _ in range(max(1, warm // 5))])


def together(server: Server, counts: Sequence[int], rounds: int) -> None:
    """Cold starts at the same time; the first burst of a size apart from those after it, for which the
    stock has grown."""
    for place, count in enumerate(counts):
        found: list[float] = []
        turns = max(3, rounds // count)
        for turn in range(turns):
            names = [f"together-{place}-{turn}-{number}" for number in range(count)]
            for name in names:
                server.function(name)
            server.full()
            with processor(server, f"{count} together", count):
                times = server.together([server.prepared(name) for name in names])
            if turn:
                found += times
            else:
                show(f"cold, {count} together, first", times)
        show(f"cold, {count} together, later", found)


def memory(server: Server) -> None:
    """What the processes of functions have for themselves and their part of what they share."""
    server.function("memory")
    before = server.memory()
    server.ask(server.prepared("memory"))
    time.sleep(4 * PAUSE)
    for name, found in (("before", before), ("after", server.memory())):
        total = sum(found.values()) / 2**20
        each = sorted((size / 2**20 for size in found.values()), reverse=True)
        print(f"memory, {name:6} one more idle environment: {len(found)} processes {total:.1f} MiB")
        print("   ", " ".join(f"{size:.1f}" for size in each[:12]))


def beside(cold: int, warm: int, together: Sequence[int]) -> None:
    """The same work without Lambda."""
    space: dict[str, Any] = {}
    exec(HANDLER, space)
    text = json.dumps(EVENT)
    call = lambda: json.dumps(space["lambda_handler"](json.loads(text), None))  # noqa: E731
    show("the handler itself", [timed(call) for _ in range(warm)])
    code = f"{HANDLER}\nimport sys\nprint(json.dumps(lambda_handler(json.load(sys.stdin), None)))"
    command = [sys.executable, "-I", "-c", code]
    run = lambda: subprocess.run(command, input=text, text=True, capture_output=True, check=True)  # noqa: E731
    paused = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(cold):
        time.sleep(PAUSE)  # as before a cold start: an idle host is slower at first
        paused.append(timed(run))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  processor, {'a plain subprocess':22} {worked * 1000 / cold:8.2f} ms each")
    show("a plain subprocess", paused)
    show("the same, at once", [timed(run) for _ in range(cold)])
    for count in together:
        gate = threading.Barrier(count)

        def one(_: int, gate: threading.Barrier = gate) -> float:
            gate.wait()
            return timed(run)

        with ThreadPoolExecutor(count) as pool:
            show(f"the same, {count} together", list(pool.map(one, range(count))))


def main() -> None:
    """Measures in a data directory of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--isolation", default="sandbox", choices=("sandbox", "process"))
    parser.add_argument("--cold", type=int, default=20)
    parser.add_argument("--warm", type=int, default=1000)
    parser.add_argument("--together", type=int, nargs="*", default=[1, 10, 50])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        server = Server(Path(home) / "home", given.isolation)
        try:
            server.function("first")
            server.ask(server.prepared("first"))
            time.sleep(2 * PAUSE)
            memory(server)
            measure(server, given.cold, given.warm)
            together(server, given.together, given.cold)
        finally:
            server.close()
    beside(given.cold, given.warm, given.together)


if __name__ == "__main__":
    main()
