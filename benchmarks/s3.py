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
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    """One keep-alive connection; made anew where the server closes it after an answer, as moto does."""

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
        if self._closed:
            self.socket.close()
            self.socket, self._closed = self._connect(), False
        self.socket.sendall(request)

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


# ---- measures


def rate(connection: Connection, requests: list[bytes], seconds: float) -> float:
    """Requests a second of one client, for at most `seconds`."""
    done, start = 0, time.perf_counter()
    for request in requests:
        connection.exchange(request)
        done += 1
        if time.perf_counter() - start > seconds:
            break
    return done / (time.perf_counter() - start)


def rate_of_many(port: int, requests: list[bytes], clients: int, seconds: float) -> float:
    """Requests a second of `clients` connections that each wait for their answer."""
    chooser, waiting, done = selectors.DefaultSelector(), iter(requests), 0
    start = time.perf_counter()
    for _ in range(clients):
        connection = Connection(port)
        connection.send(next(waiting))
        chooser.register(connection.socket, selectors.EVENT_READ, connection)
    while (spent := time.perf_counter() - start) < seconds:
        for key, _ in chooser.select():
            key.data.answer()
            done += 1
            request = next(waiting, None)
            if request is None:
                return done / (time.perf_counter() - start)
            chooser.unregister(key.fileobj)
            key.data.send(request)
            chooser.register(key.data.socket, selectors.EVENT_READ, key.data)
    return done / spent


def timed(call: Callable[[], Any]) -> float:
    """Seconds that the call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(server: Server, seconds: float) -> dict[str, float]:
    """Every figure of one server."""
    s3, found = server.client(), {}
    s3.create_bucket(Bucket=BUCKET)
    large, connection = os.urandom(LARGE), Connection(server.port)
    put, get = server.request("PUT", "large", large), server.request("GET", "large")
    found["put large"] = min(timed(lambda: connection.exchange(put)) for _ in range(ROUNDS))
    found["get large"] = min(timed(lambda: connection.exchange(get)) for _ in range(ROUNDS))
    small = os.urandom(SMALL)
    puts = [server.request("PUT", f"small/{n}", small) for n in range(int(6000 * seconds))]
    gets = [server.request("GET", "small/0")] * int(20000 * seconds)
    found["put small"] = rate(connection, puts, seconds)
    found["get small"] = rate(connection, gets, seconds)
    found["put small x16"] = rate_of_many(server.port, puts, 16, seconds)
    found["get small x16"] = rate_of_many(server.port, gets, 16, seconds)
    found["boto3 put large"] = min(
        timed(lambda: s3.put_object(Bucket=BUCKET, Key="large", Body=large)) for _ in range(3)
    )
    found["boto3 get large"] = min(
        timed(lambda: s3.get_object(Bucket=BUCKET, Key="large")["Body"].read()) for _ in range(3)
    )
    for name, call in (
        ("boto3 put small", lambda: s3.put_object(Bucket=BUCKET, Key="b", Body=small)),
        ("boto3 get small", lambda: s3.get_object(Bucket=BUCKET, Key="b")["Body"].read()),
    ):
        found[name] = 1 / statistics.median(timed(call) for _ in range(200))
    return found


def line(what: str, ours: float, unit: str, beside: str, other: float, goal: str) -> None:
    """One line of the report: `other` is a rate in the same unit."""
    shown = f"{what:22} {ours:9,.0f} {unit}   {ours / other:6.2f} x {beside} ({other:,.0f})"
    print(f"{shown:78} goal {goal}" if goal else shown)


def report(ours: dict[str, float], peer: dict[str, float] | None, floors: dict[str, float]) -> None:
    """The figures, each beside its floor and the peer."""
    size = LARGE / 1024**2
    floor = size / floors["hash"]
    line("PUT 64 MiB", size / ours["put large"], "MiB/s", "hash+disk floor", floor, ">= 0.80")
    fsync = floors["fsync"]
    line("PUT 1 KiB, 1 client", ours["put small"], "/s", "fsync rate", fsync, ">= 0.60")
    line("PUT 1 KiB, 16 clients", ours["put small x16"], "/s", "fsync rate", fsync, "")
    if peer is not None:
        for what, name, goal in (
            ("PUT 64 MiB", "put large", ""),
            ("GET 64 MiB", "get large", ">= 4"),
            ("boto3 PUT 64 MiB", "boto3 put large", ""),
            ("boto3 GET 64 MiB", "boto3 get large", ""),
        ):
            line(what, size / ours[name], "MiB/s", "moto", size / peer[name], goal)
        for what, name, goal in (
            ("GET 1 KiB, 1 client", "get small", ">= 5"),
            ("GET 1 KiB, 16 clients", "get small x16", ""),
            ("PUT 1 KiB, 1 client", "put small", ""),
            ("PUT 1 KiB, 16 clients", "put small x16", ">= 5"),
            ("boto3 PUT 1 KiB", "boto3 put small", ""),
            ("boto3 GET 1 KiB", "boto3 get small", ""),
        ):
            line(what, ours[name], "/s", "moto", peer[name], goal)
    else:
        for name, value in ours.items():
            shown = size / value if "large" in name else value
            print(f"{name:22} {shown:9,.0f} {'MiB/s' if 'large' in name else '/s'}")


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--moto", help="the moto_server program to compare with")
    options.add_argument("--dir", type=Path, help="a folder on the disk that counts")
    options.add_argument("--seconds", type=float, default=3.0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        folder = Path(name)
        body = os.urandom(LARGE)
        with sagebrush(folder / "home") as server:
            before = fsync_rate(folder, given.seconds / 2)
            ours = measure(server, given.seconds)
            floors = {
                "hash": min(hash_and_disk(folder, body) for _ in range(ROUNDS)),
                "fsync": (before + fsync_rate(folder, given.seconds / 2)) / 2,
            }
        peer = None
        if given.moto:
            with moto(given.moto) as server:
                peer = measure(server, given.seconds)
    report(ours, peer, floors)


if __name__ == "__main__":
    main()
