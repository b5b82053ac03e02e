"""The process that waits for a job: it runs the job as a fresh interpreter would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TOOLKIT = Path(__file__).resolve().parents[3] / "sagebrush" / "toolkit"


class Waiting:
    """A waiting process over a directory of its own, as the platform starts one."""

    def __init__(self, root: Path, port: int, *modules: str) -> None:
        self.root, self.port = root, port
        env = {"PATH": os.defpath, "SAGEBRUSH_ML": str(root), "SAGEMAKER_BIND_TO_PORT": str(port)}
        self.env = env
        self.process = subprocess.Popen(
            [sys.executable, str(TOOLKIT / "training" / "warm.py"), *modules],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def say(self, message: dict[str, Any]) -> bytes:
        deadline = time.monotonic() + 30
        while True:
            try:
                talk = socket.create_connection(("127.0.0.1", self.port), 20)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                assert self.process.poll() is None
                time.sleep(0.02)
        with talk:
            talk.sendall(json.dumps(message).encode() + b"\n")
            return talk.recv(100)

    def script(self, text: str, name: str = "script.py", **hyperparameters: str) -> None:
        code = self.root / "code"
        (self.root / "input" / "config").mkdir(parents=True, exist_ok=True)
        code.mkdir(exist_ok=True)
        (code / name).write_text(text)
        values = {"sagemaker_program": json.dumps(name), **hyperparameters}
        (self.root / "input/config/hyperparameters.json").write_text(json.dumps(values))

    def run(self, *argv: str, **env: str) -> tuple[int, str, str]:
        argv = argv or (sys.executable, str(TOOLKIT / "training" / "train.py"))
        job = {"argv": list(argv), "env": {**self.env, **env}, "banner": "the banner"}
        assert self.say(job) == b"taken\n"
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out.decode(), errors.decode()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = Waiting(tmp_path, port, "decimal", "fractions", "not_to_be_found")
    yield found
    found.process.kill()
    found.process.communicate()


def test_it_runs_the_script_as_python_would(waiting: Waiting) -> None:
    assert waiting.say({"ask": "ready"}) == b"ready\n"
    waiting.script(
        "import sys, os, atexit, pickle, threading\n"
        "class Thing: pass\n"
        "loaded = 'decimal' in sys.modules\n"
        "print('ran', __name__, sys.argv, os.getcwd() == os.path.dirname(os.path.abspath(__file__)),"
        " loaded, os.environ['MINE'], 'MINE' in os.environ)\n"
        "print(type(pickle.loads(pickle.dumps(Thing()))).__module__, 'job' in globals())\n"
        "import beside\n"
        "atexit.register(lambda: print('at exit'))\n"
        "threading.Timer(0.1, lambda: print('thread ended')).start()\n",
        epochs="3",
    )
    (waiting.root / "code" / "beside.py").write_text("print('beside', __name__)")
    status, out, errors = waiting.run(MINE="value")
    assert status == 0, errors
    assert out.startswith("the banner\n")
    assert "ran __main__ ['script.py', '--epochs', '3'] True True value True" in out
    assert "__main__ False" in out
    assert "beside beside" in out
    assert "thread ended\nat exit" in out


def test_a_failing_script_tells_its_own_traceback(waiting: Waiting) -> None:
    waiting.script("def inner():\n    raise ValueError('wrong data')\ninner()\n")
    status, _, errors = waiting.run()
    assert status == 1
    assert "preload.py" not in errors
    assert errors.count("Traceback") == 1
    failure = (waiting.root / "output" / "failure").read_text()
    assert 'ErrorMessage "ValueError: wrong data"' in failure


def test_its_exit_status_and_signals_are_the_scripts(waiting: Waiting) -> None:
    waiting.script("import sys\nsys.exit(7)\n")
    assert waiting.run()[0] == 7


def test_a_module_of_the_scripts_own_is_not_shadowed(waiting: Waiting) -> None:
    waiting.script("import fractions\nprint('own', fractions.MINE)\n")
    (waiting.root / "code" / "fractions.py").write_text("MINE = 5")
    status, out, errors = waiting.run()
    assert (status, "own 5" in out) == (0, True), errors


def test_another_program_takes_its_place(waiting: Waiting) -> None:
    status, out, _ = waiting.run("/bin/sh", "-c", "echo $MINE; exit 4", MINE="value")
    assert (status, out) == (4, "the banner\nvalue\n")


def test_what_is_no_job_is_not_taken_for_one(waiting: Waiting) -> None:
    waiting.say({"ask": "ready"})
    with socket.create_connection(("127.0.0.1", waiting.port), 10) as talk:
        talk.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert talk.recv(10) == b""
    assert waiting.say({"ask": "ready"}) == b"ready\n"
