"""S3 beside moto_server and the floors of this disk and CPU, all measured in the same run.

`python benchmarks/s3.py [--moto PATH/moto_server] [--dir DIR] [--seconds S]`: the peer is pinned in
requirements/bench.txt (its own virtual environment; without --moto it is left out). The client is
lean: prepared signatures on keep-alive sockets, so that the server is what is timed; boto3 is shown
beside it. Servers and client share the machine's cores. DIR should be on the disk that counts.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import os
import select
import selectors
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

BUCKET = "bench-bucket"
LARGE, SMALL = 64 * 1024**2, 1024
ROUNDS = 7
"""Turns of each in a comparison; the median of the ratios is told."""
SERVE = """
import sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.settings import Settings
app = build(Settings.load({}, None, home=Path(sys.argv[1]), port=0, isolation="process"))
app.start()
print(app.port, *app.world.credentials.user_key, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Server:
    """A running server: where it listens and the key that it knows."""

    name: str
    port: int
    key: str
    secret: str

    def client(self) -> Any:
        """A boto3 client."""
        return boto3.session.Session().client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id=self.key, aws_secret_access_key=self.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def request(self, method: str, key: str, body: bytes = b"") -> bytes:
        """A signed request as it goes over the wire."""
        url = f"http://127.0.0.1:{self.port}/{BUCKET}/{key}"
        signed = AWSRequest(method, url, data=body or None)
        S3SigV4Auth(Credentials(self.key, self.secret), "s3", "us-east-1").add_auth(signed)
        headers = {"Host": f"127.0.0.1:{self.port}", **dict(signed.headers.items())}
        if method == "PUT":
            headers["Content-Length"] = str(len(body))
        lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        return f"{method} /{BUCKET}/{key} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection:
    """One keep-alive connection, made anew where the server closed it: after an answer, as moto does,
    or while nothing was asked, as any server does after a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._buffer = bytearray(1 << 20)
        self.socket = self._connect()
        self._closed = False

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def exchange(self, request: bytes) -> None:
        """The request is sent and its answer, 200, read to the end."""
        self.send(request)
        self.answer()

    def send(self, request: bytes) -> None:
        """The request is sent."""
        if self._closed or self._ended():
            self.socket.close()
            self.socket, self._closed = self._connect(), False
        self.socket.sendall(request)

    def _ended(self) -> bool:
        """Whether the server has closed the connection: nothing but its end can be read by now."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def answer(self) -> None:
        """One answer has been read. Raises RuntimeError when it is not 200."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise RuntimeError("the server closed the connection")
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError((head + b"\n" + body)[:500].decode())
        left = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                left = int(line.partition(b":")[2]) - len(body)
            elif line == b"connection: close":
                self._closed = True
        while left > 0:
            left -= self.socket.recv_into(self._buffer, min(left, len(self._buffer)))


@contextlib.contextmanager
def sagebrush(home: Path) -> Iterator[Server]:
    """A Sagebrush server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port, key, secret = process.stdout.readline().split()
        yield Server("sagebrush", int(port), key, secret)
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def moto(program: str) -> Iterator[Server]:
    """A moto_server in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield Server("moto", port, "testing", "testing")
    finally:
        process.kill()
        process.communicate()


# ---- floors


def hash_and_disk(folder: Path, body: bytes) -> float:
    """Seconds for MD5, SHA-256 and write + fsync of `body`, a thread each."""
    path = folder / "floor"

    def store() -> None:
        with open(path, "wb", buffering=0) as file:
            file.write(body)
            os.fsync(file.fileno())

    work = [lambda: hashlib.md5(body).digest(), lambda: hashlib.sha256(body).digest(), store]
    threads = [threading.Thread(target=step) for step in work]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - start
    path.unlink()
    return spent


def fsync_rate(folder: Path, seconds: float) -> float:
    """Appends of 1 KiB, each with fsync, a second."""
    done, data = 0, os.urandom(SMALL)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        start = time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds:
            os.write(file.fileno(), data)
            os.fsync(file.fileno())
            done += 1
    return done / spent


def commit_rate(folder: Path, seconds: float) -> float:
    """Bare SQLite commits of 1 KiB a second, as durable as ours (WAL, synchronous=FULL)."""
    done, data = 0, os.urandom(SMALL)
    base = sqlite3.connect(folder / "floor.db", isolation_level=None)
    with contextlib.closing(base):
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        base.execute("CREATE TABLE IF NOT EXISTS body(data BLOB)")
        start = time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds:
            base.execute("INSERT INTO body VALUES(?)", (data,))
            done += 1
    return done / spent


class Loopback:
    """A process that sends a file over a bare socket whenever it is asked: no HTTP, no signature."""

    def __init__(self, folder: Path, body: bytes) -> None:
        path = folder / "loopback"
        path.write_bytes(body)
        self._length, self._buffer = len(body), bytearray(1 << 20)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if os.fork() == 0:
                self._serve(listener, path)
            self._socket = socket.create_connection(listener.getsockname())

    def _serve(self, listener: socket.socket, path: Path) -> None:
        talk, _ = listener.accept()
        file = os.open(path, os.O_RDONLY)
        while talk.recv(1):
            for at in range(0, self._length, 1 << 20):
                talk.sendall(os.pread(file, 1 << 20, at))
        os._exit(0)

    def fetch(self) -> None:
        """All of the file has been received."""
        self._socket.send(b"x")
        left = self._length
        while left:
            left -= self._socket.recv_into(self._buffer)


# ---- measures


def rate(connection: Connection, requests: Iterator[bytes], seconds: float) -> float:
    """Requests a second of one client, for `seconds`."""
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        connection.exchange(next(requests))
        done += 1
    return done / spent


def rate_of_many(port: int, requests: Iterator[bytes], clients: int, seconds: float) -> float:
    """Requests a second of `clients` connections that each wait for their answer."""
    chooser, done = selectors.DefaultSelector(), 0
    made = [Connection(port) for _ in range(clients)]
    start = time.perf_counter()
    for connection in made:
        connection.send(next(requests))
        chooser.register(connection.socket, selectors.EVENT_READ, connection)
    while (spent := time.perf_counter() - start) < seconds:
        for key, _ in chooser.select():
            key.data.answer()
            done += 1
            chooser.unregister(key.fileobj)
            key.data.send(next(requests))
            chooser.register(key.data.socket, selectors.EVENT_READ, key.data)
    for connection in made:
        connection.answer()
        connection.socket.close()
    return done / spent


def per_second(amount: float, call: Callable[[], Any]) -> float:
    """`amount` a second when the call takes care of it once."""
    start = time.perf_counter()
    call()
    return amount / (time.perf_counter() - start)


class Contender:
    """A server, with prepared requests and boto3 for it."""

    def __init__(self, server: Server, large: bytes) -> None:
        self._server, self._s3 = server, server.client()
        self._s3.create_bucket(Bucket=BUCKET)
        self._large, self._small = large, os.urandom(SMALL)
        self._connection = Connection(server.port)
        self._put, self._get = server.request("PUT", "large", large), server.request("GET", "large")
        self._gets = itertools.repeat(server.request("GET", "small/0"))
        prepared = [server.request("PUT", f"small/{n}", self._small) for n in range(4000)]
        self._puts = itertools.cycle(prepared)
        self._connection.exchange(prepared[0])

    def measure(self, what: str, seconds: float) -> float:
        """MiB or requests a second."""
        exchange, s3, size = self._connection.exchange, self._s3, LARGE / 1024**2
        port, small = self._server.port, self._small
        calls: dict[str, Callable[[], float]] = {
            "PUT 64 MiB": lambda: per_second(size, lambda: exchange(self._put)),
            "GET 64 MiB": lambda: per_second(size, lambda: exchange(self._get)),
            "PUT 1 KiB": lambda: rate(self._connection, self._puts, seconds),
            "GET 1 KiB": lambda: rate(self._connection, self._gets, seconds),
            "PUT 1 KiB x 16": lambda: rate_of_many(port, self._puts, 16, seconds),
            "GET 1 KiB x 16": lambda: rate_of_many(port, self._gets, 16, seconds),
            "boto3 PUT 64 MiB": lambda: per_second(
                size, lambda: s3.put_object(Bucket=BUCKET, Key="large", Body=self._large)
            ),
            "boto3 GET 64 MiB": lambda: per_second(
                size, lambda: s3.get_object(Bucket=BUCKET, Key="large")["Body"].read()
            ),
            "boto3 PUT 1 KiB": lambda: per_second(
                20, lambda: [s3.put_object(Bucket=BUCKET, Key="b", Body=small) for _ in range(20)]
            ),
            "boto3 GET 1 KiB": lambda: per_second(
                20, lambda: [s3.get_object(Bucket=BUCKET, Key="small/0")["Body"].read()
                             for _ in range(20)]
            ),
        }  # fmt: skip
        return calls[what]()


RIVALS = {
    "PUT 64 MiB": ("hash+disk", ">= 0.80"),
    "GET 64 MiB": ("moto", ">= 4"),
    "PUT 1 KiB": ("fsync", ">= 0.60"),
    "PUT 1 KiB x 16": ("moto", ">= 5"),
    "GET 1 KiB": ("moto", ">= 5"),
}
"""What -> whom its goal is about, and the goal as a ratio."""
ALL = [
    "PUT 64 MiB", "GET 64 MiB", "PUT 1 KiB", "PUT 1 KiB x 16", "GET 1 KiB", "GET 1 KiB x 16",
    "boto3 PUT 64 MiB", "boto3 GET 64 MiB", "boto3 PUT 1 KiB", "boto3 GET 1 KiB",
]  # fmt: skip


def compare(what: str, turns: dict[str, Callable[[], float]]) -> None:
    """One line: everybody's median rate, measured in turn so that all meet the same machine."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(ROUNDS):
        for name, turn in turns.items():
            found[name].append(turn())
    ours = found.pop("sagebrush")
    text = f"{what:18} {statistics.median(ours):8,.0f} {'MiB/s' if 'MiB' in what else '/s':6}"
    for name, values in found.items():
        ratio = statistics.median(a / b for a, b in zip(ours, values, strict=True))
        rival, goal = RIVALS.get(what, ("", ""))
        said = f" goal {goal}" if rival == name else ""
        text += f" {ratio:7.2f} x {name} ({statistics.median(values):,.0f}){said}"
    print(text, flush=True)


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--moto", help="the moto_server program to compare with")
    options.add_argument("--dir", type=Path, help="a folder on the disk that counts")
    options.add_argument("--seconds", type=float, default=0.5, help="of one turn")
    given = options.parse_args()
    large = os.urandom(LARGE)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.dir)))
        servers = [stack.enter_context(sagebrush(folder / "home"))]
        if given.moto:
            servers.append(stack.enter_context(moto(given.moto)))
        loopback = Loopback(folder, large)
        contenders = {server.name: Contender(server, large) for server in servers}
        for what in ALL:
            turns: dict[str, Callable[[], float]] = {
                name: partial(contender.measure, what, given.seconds)
                for name, contender in contenders.items()
            }
            if what == "PUT 64 MiB":
                turns["hash+disk"] = lambda: LARGE / 1024**2 / hash_and_disk(folder, large)
            if what.startswith("PUT 1 KiB"):
                turns["fsync"] = lambda: fsync_rate(folder, given.seconds)
                turns["SQLite commit"] = lambda: commit_rate(folder, given.seconds)
            if what == "GET 64 MiB":
                turns["bare socket"] = lambda: per_second(LARGE / 1024**2, loopback.fetch)
            compare(what, turns)


if __name__ == "__main__":
    main()
