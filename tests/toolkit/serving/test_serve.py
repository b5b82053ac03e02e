"""The model server as jobs run it: a process of its own, asked over HTTP."""

from __future__ import annotations

import http.client
import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sagebrush.toolkit

SERVE = Path(sagebrush.toolkit.__file__).parent / "serving" / "serve.py"

MODEL = """
import json, os, time
def model_fn(model_dir):
    return open(os.path.join(model_dir, "weights")).read()
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    if data == "die":
        os._exit(7)
    if data == "wait":
        open("held", "w").close()
        while os.path.exists("held"):
            time.sleep(0.005)
    return {"model": model, "data": data, "pid": os.getpid()}
def output_fn(prediction, accept):
    if prediction["data"] == "stream":
        return iter(["one ", "two ", "three"])
    return json.dumps(prediction), "application/json"
"""


class Server:
    """A running serve.py and how to ask it."""

    def __init__(self, ml: Path, workers: int, **variables: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.ml = ml
        env = {
            "PATH": os.environ["PATH"], "SAGEBRUSH_ML": str(ml), "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(ml.parent),
            "SAGEMAKER_BIND_TO_PORT": str(self.port), "SAGEBRUSH_BIND_HOST": "127.0.0.1",
            "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers), **variables,
        }  # fmt: skip
        self.connections: list[http.client.HTTPConnection] = []
        self.log = ml / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SERVE)], env=env, cwd=ml, stdout=log, stderr=log
            )

    def connect(self) -> http.client.HTTPConnection:
        deadline = time.monotonic() + 20
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            self.connections.append(connection)
            try:
                connection.connect()
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            else:
                return connection

    def get(self, path: str) -> tuple[int, bytes]:
        connection = self.connect()
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status, answer.read()

    def ready(self) -> None:
        while self.get("/ping")[0] != 200:
            pass

    def post(self, data: object) -> tuple[int, dict]:
        """The answer of /invocations, whatever it is."""
        connection = self.connect()
        body = json.dumps(data).encode()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            return answer.status, json.loads(answer.read())

    def ask(self, data: object, connection: http.client.HTTPConnection | None = None) -> dict:
        connection = connection or self.connect()
        body = json.dumps(data).encode()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return json.loads(answer.read())


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[Server] = []

    def run(code: str = MODEL, workers: int = 1, **variables: str) -> Server:
        (tmp_path / "model" / "code").mkdir(parents=True)
        (tmp_path / "model" / "weights").write_text("w1")
        (tmp_path / "model" / "code" / "inference.py").write_text(code)
        servers.append(Server(tmp_path, workers, **variables))
        return servers[-1]

    yield run
    for server in servers:
        (server.ml / "held").unlink(missing_ok=True)
        server.process.kill()
        server.process.wait()
        for connection in server.connections:
            connection.close()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.005)


def test_it_answers_on_one_kept_connection(start: Start) -> None:
    server = start()
    server.ready()
    connection = server.connect()
    for number in range(5):
        found = server.ask(number, connection)
        assert (found["model"], found["data"]) == ("w1", number)


def test_a_ping_waits_for_the_model_and_is_then_200(start: Start) -> None:
    server = start("import time\ntime.sleep(0.3)\n" + MODEL)
    assert server.get("/ping") == (200, b"")


def test_a_ping_of_a_slow_model_is_503(start: Start) -> None:
    server = start("import time\ntime.sleep(60)\n" + MODEL)
    assert server.get("/ping")[0] == 503


def test_a_model_that_cannot_load_ends_the_server_with_its_traceback(start: Start) -> None:
    server = start("def model_fn(model_dir):\n    raise ValueError('no such weights')\n", workers=4)
    assert server.process.wait(20) == 1
    log = server.log.read_text()
    assert log.count("ValueError: no such weights") == 1
    assert "in model_fn" in log


def test_missing_code_names_the_places(start: Start) -> None:
    server = start("")
    assert server.process.wait(20) == 1
    assert "has no model_fn(model_dir)" in server.log.read_text()


def test_a_busy_worker_holds_up_neither_ping_nor_another_worker(start: Start) -> None:
    server = start(workers=2)
    server.ready()
    wait_for(lambda: len({server.ask(0)["pid"] for _ in range(8)}) == 2)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(server.ask, "wait")
        wait_for((server.ml / "held").exists)
        assert server.get("/ping")[0] == 200
        assert [server.ask(n)["data"] for n in range(10)] == list(range(10))
        (server.ml / "held").unlink()
        assert held.result()["data"] == "wait"


def test_requests_beyond_the_workers_wait_their_turn(start: Start) -> None:
    server = start(workers=1)
    server.ready()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(server.ask, range(40)))
    assert [f["data"] for f in found] == list(range(40))


def test_a_worker_that_dies_is_replaced_and_only_its_request_is_lost(start: Start) -> None:
    server = start()
    server.ready()
    first = server.ask(1)["pid"]
    status, told = server.post("die")
    assert (status, told["type"]) == (502, "WorkerEndedException")
    assert "exit 7" in told["message"]
    assert server.ask(2)["pid"] != first
    assert "exit 7" in server.log.read_text()
    for number in range(5):  # a request that no worker has read yet is not lost with it
        os.kill(server.ask(3)["pid"], signal.SIGKILL)
        assert server.ask(number)["data"] == number


AWS_SCRIPT = """
from sagemaker_containers.beta.framework import encoders, worker
from sagemaker_inference import content_types, decoder, encoder
def model_fn(model_dir):
    return 10
def input_fn(body, content_type):
    return decoder.decode(body, content_type)
def predict_fn(data, model):
    return data * model
def output_fn(prediction, accept):
    if accept == content_types.CSV:
        return worker.Response(encoders.encode(prediction, accept), mimetype=accept)
    return encoder.encode(prediction, content_types.JSON), content_types.JSON
"""


def test_a_script_that_imports_awss_packages_runs(start: Start) -> None:
    server = start(AWS_SCRIPT)
    server.ready()
    connection = server.connect()
    found = []
    for accept in ("text/csv", "application/json"):
        headers = {"Content-Type": "text/csv", "Accept": accept}
        connection.request("POST", "/invocations", b"1,2\n", headers)
        answer = connection.getresponse()
        found.append((answer.status, answer.getheader("Content-Type"), answer.read()))
    assert found == [
        (200, "text/csv", b"10.0\n20.0\n"),
        (200, "application/json", b"[10.0, 20.0]"),
    ]


def test_a_worker_whose_caller_left_is_ended(start: Start) -> None:
    server = start()
    server.ready()
    before = server.ask(1)["pid"]
    leaving = server.connect()
    leaving.request("POST", "/invocations", b'"wait"')
    wait_for((server.ml / "held").exists)
    leaving.close()
    assert server.ask(2)["pid"] != before, "the file is still held: only another worker answers"
    assert "its caller left" in server.log.read_text()


def test_an_answer_may_come_in_pieces(start: Start) -> None:
    server = start()
    server.ready()
    connection = server.connect()
    connection.request("POST", "/invocations", b'"stream"')
    answer = connection.getresponse()
    assert answer.getheader("Transfer-Encoding") == "chunked"
    assert answer.read() == b"one two three"
    assert server.ask(1, connection)["data"] == 1


def test_a_chunked_request_and_expect_continue_are_read(start: Start) -> None:
    server = start()
    server.ready()
    connection = server.connect()
    connection.request("POST", "/invocations", iter([b'"chu', b'nks"']), encode_chunked=True)
    assert json.loads(connection.getresponse().read())["data"] == "chunks"
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(
            b"POST /invocations HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b'"x"')
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "text",
    [b"nonsense\r\n\r\n", b"POST /invocations HTTP/1.1\r\nContent-Length: -4\r\n\r\n"],
)
def test_what_is_not_http_is_400_and_the_server_lives(start: Start, text: bytes) -> None:
    server = start()
    server.ready()
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(text)
        assert raw.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert server.ask(1)["data"] == 1


def test_other_paths_and_methods_are_told(start: Start) -> None:
    server = start(workers=3)
    server.ready()
    assert server.get("/nowhere")[0] == 404
    assert server.get("/invocations")[0] == 405
    parameters = json.loads(server.get("/execution-parameters")[1])
    assert (parameters["MaxConcurrentTransforms"], parameters["BatchSize"]) == (3, 1)


def test_sigterm_lets_a_request_finish(start: Start) -> None:
    server = start()
    server.ready()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(server.ask, "wait")
        wait_for((server.ml / "held").exists)
        server.process.send_signal(signal.SIGTERM)
        threading.Timer(0.05, (server.ml / "held").unlink).start()
        assert held.result()["data"] == "wait"
    assert server.process.wait(20) == 0


def wheel(name: str) -> bytes:
    """A wheel with one module of that name."""
    out, info = io.BytesIO(), f"{name}-1.0.dist-info"
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{name}.py", "told = 'installed'\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return out.getvalue()


@pytest.mark.skipif(not importlib.util.find_spec("pip"), reason="no pip in this environment")
def test_requirements_beside_the_code_are_installed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "tinypack-1.0-py3-none-any.whl").write_bytes(wheel("tinypack"))
    (tmp_path / "code" / "requirements.txt").write_text("./tinypack-1.0-py3-none-any.whl\n")
    (tmp_path / "code" / "inference.py").write_text(
        "import tinypack\n" + MODEL.replace('"model": model', '"model": tinypack.told')
    )
    server = start()
    server.ready()
    assert server.ask(1)["model"] == "installed"


@pytest.mark.skipif(not importlib.util.find_spec("pip"), reason="no pip in this environment")
def test_requirements_that_cannot_be_installed_end_the_server(start: Start, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "requirements.txt").write_text("./nowhere.whl\n")
    (tmp_path / "code" / "inference.py").write_text(MODEL)
    server = start()
    assert server.process.wait(60) == 1
    assert "requirements.txt could not be installed" in server.log.read_text()
