"""A serving job's process in a framework's environment, and how to ask it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sagebrush.toolkit
from sagebrush.environments.environment import Environment

SERVE = Path(next(iter(sagebrush.toolkit.__path__))) / "serving" / "serve.py"
PACKAGES = SERVE.parents[3]
"""The folder that `sagebrush` can be imported from."""
PATIENCE = 90.0


class ModelServer:
    """A running serve.py over `ml`, in the environment of a framework."""

    def __init__(self, environment: Environment, ml: Path, **variables: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = ml / "log"
        env = {
            "PATH": f"{environment.path / 'bin'}:{os.environ['PATH']}", "HOME": str(ml), "TMPDIR": str(ml.parent),
            "SAGEBRUSH_ML": str(ml), "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SAGEBRUSH_BIND_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE", **variables,
        }  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(environment.python), str(SERVE)], env=env, cwd=ml, stdout=log, stderr=log
            )

    def ready(self) -> ModelServer:
        """The model is loaded."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                if self.request("GET", "/ping")[0] == 200:
                    return self
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def failed(self) -> str:
        """The log of a server that could not load its model."""
        assert self.process.wait(PATIENCE) == 1
        return self.log.read_text()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """(status, content type, body) of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read()

    def post(
        self, body: bytes | str, kind: str = "application/json", accept: str = "*/*", **more: str
    ) -> tuple[int, str, bytes]:
        """The answer of /invocations."""
        headers = {"Content-Type": kind, "Accept": accept}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        body = body.encode() if isinstance(body, str) else body
        return self.request("POST", "/invocations", body, headers)

    def ask(self, value: Any, **more: str) -> Any:
        """What JSON says to JSON."""
        status, _, body = self.post(json.dumps(value), **more)
        assert status == 200, (body, self.log.read_text())
        return json.loads(body)

    def end(self) -> None:
        """The server is gone."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serving(environment: Environment, ml: Path, **variables: str) -> Iterator[ModelServer]:
    """A server over `ml`, ended at the end."""
    server = ModelServer(environment, ml, **variables)
    try:
        yield server
    finally:
        server.end()


def run(environment: Environment, code: str, *arguments: str) -> str:
    """What `code` printed, run in the environment with `arguments`."""
    done = subprocess.run(
        [str(environment.python), "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "HF_HUB_OFFLINE": "1",
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def script(ml: Path, code: str, name: str = "inference.py") -> None:
    """`code` is the model's inference script."""
    folder = ml / "model" / "code"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(code)
