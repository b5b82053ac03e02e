"""BlazingText served as an endpoint serves it: trained, then asked over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sagebrush.environments.environment import Environment
from tests.algorithms.blazingtext_job import TRAIN, TrainingJob, sentences
from tests.algorithms.test_blazingtext_train import SMALL

SERVE = TRAIN.parents[1] / "serving" / "serve.py"


@contextmanager
def served(ml: Path, python: Path) -> Iterator[http.client.HTTPConnection]:
    """A connection to the model server of the model in `ml`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(python), str(SERVE)],
        env={
            "PATH": os.defpath,
            "SAGEBRUSH_ML": str(ml),
            "SAGEBRUSH_ALGORITHM": "blazingtext",
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        },
    )
    try:
        with contextlib.closing(connected(port, process)) as connection:
            yield connection
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def connected(port: int, process: subprocess.Popen[bytes]) -> http.client.HTTPConnection:
    """A connection once the server listens; fails when it ended instead."""
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.connect()
            return connection
        except ConnectionRefusedError:
            time.sleep(0.005)
    raise AssertionError(f"the server ended with {process.returncode}")


def ask(
    connection: http.client.HTTPConnection, body: str, kind: str
) -> tuple[int, str | None, str]:
    """Status, content type and body of an invocation."""
    headers = {"Content-Type": kind, "Accept": "*/*"}
    connection.request("POST", "/invocations", body.encode(), headers)
    with connection.getresponse() as reply:
        return reply.status, reply.headers["Content-Type"], reply.read().decode()


def test_a_trained_model_answers_over_http(tmp_path: Path, algorithms: Environment) -> None:
    job = TrainingJob(tmp_path / "ml", algorithms.python)
    job.channel("train", sentences(600))
    assert job.run(**SMALL).returncode == 0
    with served(job.root, algorithms.python) as connection:
        request = json.dumps({"instances": ["the guitar and drum", "warm bread and soup"]})
        status, kind, body = ask(connection, request, "application/json")
        assert (status, kind) == (200, "application/json")
        assert [a["label"] for a in json.loads(body)] == [["__label__music"], ["__label__food"]]
        lines = '{"source": "score of the match", "k": 3}\n{"source": "song"}'
        status, kind, body = ask(connection, lines, "application/jsonlines")
        assert (status, kind) == (200, "application/jsonlines")
        first, second = map(json.loads, body.splitlines())
        assert first["label"][0] == "__label__sport"
        assert (len(first["prob"]), len(second["prob"])) == (3, 1)
        status, _, body = ask(connection, '{"instances": 3}', "application/json")
        assert status == 400
        assert '"instances"' in body
        assert ask(connection, "a,b", "text/csv")[0] == 415
