"""Lambda's Invoke, cold and warm, beside the handler itself and beside a plain subprocess.

    python benchmarks/lambda_functions.py [--isolation sandbox|process] [--cold N] [--warm N]

The function imports json alone. `warm`: one environment, one invocation after the other. `cold`: each
invocation is of a function version that has no environment yet, with a pause in between, so that the
stock of blank environments is full; `cold, at once` leaves no pause. The subprocess is `python -I -c` that
reads the event, calls the same handler and prints the result. The client is lean (prepared signatures on a
kept-alive socket); boto3 is shown beside it. Linux only.
"""

from __future__ import annotations

import argparse
import io
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
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
"""Seconds in which the stock of blank environments is filled again."""


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
        self._socket = socket.create_connection(("127.0.0.1", self.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

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
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/{name}/invocations"
        body = json.dumps(EVENT).encode()
        asked = AWSRequest("POST", url, data=body)
        SigV4Auth(self._credentials, "lambda", self.region).add_auth(asked)
        sent = asked.prepare()
        headers = {**sent.headers, "Host": f"127.0.0.1:{self.port}"}
        headers["Content-Length"] = str(len(body))
        lines = [f"POST {url.partition(str(self.port))[2]} HTTP/1.1"]
        lines += [f"{k}: {v}" for k, v in headers.items()]
        return "\r\n".join((*lines, "", "")).encode() + body

    def ask(self, request: bytes) -> None:
        """The function has answered."""
        self._socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split()[0])
        while len(body) < size:
            body += self._socket.recv(65536)
        if not head.startswith(b"HTTP/1.1 200") or json.loads(body) != EVENT:
            raise RuntimeError(answer.decode())


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that it took."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def show(name: str, found: Sequence[float]) -> None:
    """One line: how many, and the middle, 95th and highest of the times."""
    ordered = sorted(found)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    middle = statistics.median(ordered)
    print(
        f"{name:24} {len(found):5}  p50 {middle:8.2f}  p95 {high:8.2f}  max {ordered[-1]:8.2f} ms"
    )


def measure(server: Server, cold: int, warm: int) -> None:
    """All figures are printed."""
    names = [f"cold-{number}" for number in range(2 * cold)]
    for name in ("warm", *names):
        server.function(name)
    one = server.prepared("warm")
    server.ask(one)
    prepared = [server.prepared(name) for name in names]
    paused = []
    for each in prepared[:cold]:
        time.sleep(PAUSE)
        paused.append(timed(lambda each=each: server.ask(each)))
    show("cold", paused)
    show("cold, at once", [timed(lambda each=each: server.ask(each)) for each in prepared[cold:]])
    for _ in range(warm // 10):
        server.ask(one)
    show("warm", [timed(lambda: server.ask(one)) for _ in range(warm)])
    data = json.dumps(EVENT).encode()
    boto = lambda: server.client.invoke(FunctionName="warm", Payload=data)["Payload"].read()  # noqa: E731
    show("warm, boto3", [timed(boto) for _ in range(max(1, warm // 5))])


def beside(cold: int, warm: int) -> None:
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
    for _ in range(cold):
        time.sleep(PAUSE)  # as before a cold start: an idle host is slower at first
        paused.append(timed(run))
    show("a plain subprocess", paused)
    show("the same, at once", [timed(run) for _ in range(cold)])


def main() -> None:
    """Measures in a data directory of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--isolation", default="sandbox", choices=("sandbox", "process"))
    parser.add_argument("--cold", type=int, default=20)
    parser.add_argument("--warm", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        server = Server(Path(home) / "home", given.isolation)
        try:
            measure(server, given.cold, given.warm)
        finally:
            server.close()
    beside(given.cold, given.warm)


if __name__ == "__main__":
    main()
