"""up, status, env, jobs, logs and down as a user runs them: by subprocess, on ports of their own."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagebrush.settings import COMPREHEND

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "user"),
        "SAGEBRUSH_HOME": str(tmp_path / "home"),
        "SAGEBRUSH_PORT": "0",
        "SAGEBRUSH_ISOLATION": "process",
    }


@pytest.fixture
def sagebrush(variables: dict[str, str]) -> Iterator[Run]:
    """Runs a command line; the server that it may have started is ended at the end."""

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sagebrush", *words],
            capture_output=True,
            text=True,
            env={**variables, **more},
            timeout=100,
        )

    yield run
    run("down")


def home(variables: dict[str, str]) -> Path:
    return Path(variables["SAGEBRUSH_HOME"])


@pytest.mark.full
def test_a_day_of_a_server(sagebrush: Run, variables: dict[str, str]) -> None:
    assert sagebrush("status").returncode == 1
    up = sagebrush("up", "-d")
    assert up.returncode == 0, up.stderr
    state = json.loads((home(variables) / "server.json").read_text())
    assert f"http://localhost:{state['port']}" in up.stdout
    assert "process" in up.stdout
    assert "not isolated" in up.stdout
    assert (home(variables) / "server.json").stat().st_mode & 0o077 == 0

    said = json.loads(sagebrush("status", "--json").stdout)
    assert said["uptime"] >= 0  # which it tells nobody but its owner
    assert said["running"]
    assert said["pid"] == state["pid"]
    again = sagebrush("up")
    assert again.returncode == 1
    assert f"already running (pid {state['pid']})" in again.stderr

    script = sagebrush("env").stdout
    assert f"export AWS_ENDPOINT_URL=http://localhost:{state['port']};" in script
    assert not (Path(variables["HOME"]) / ".aws").exists()
    jobs = sagebrush("jobs")
    assert (jobs.returncode, jobs.stdout) == (0, "nothing yet\n"), jobs.stderr
    assert "it answers" in sagebrush("logs").stdout
    assert json.loads(sagebrush("logs", "requests").stdout.splitlines()[-1])["operation"]
    for words, said in (
        (("job", "nobody"), "sagebrush: there is no job named nobody, and none at all yet\n"),
        (("nobody",), "sagebrush: there is no job, endpoint or notebook named nobody, and none"),
        (("endpoint",), "sagebrush: which endpoint? sagebrush logs endpoint NAME\n"),
        (("pod", "nobody"), "sagebrush: pod is no kind: endpoint, experiment, "),
    ):
        none = sagebrush("logs", *words)
        assert none.returncode == 1
        assert none.stderr.startswith(said), none.stderr

    assert sagebrush("down").stdout == "stopped\n"
    assert not (home(variables) / "server.json").exists()
    assert sagebrush("down").stdout == "no server is running\n"
    assert sagebrush("env").returncode == 1


def test_env_is_understood_by_an_sdk(sagebrush: Run, variables: dict[str, str]) -> None:
    """`eval "$(sagebrush env)"`, then plain boto3 without arguments, in a shell with stale values."""
    sagebrush("up", "-d")
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    line = 'eval "$("$0" -m sagebrush env)"; exec "$0" -c "$1"'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, code],
        env={**variables, "AWS_PROFILE": "gone", "AWS_SESSION_TOKEN": "stale"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "123456789012\n", done.stderr


def test_ctrl_c_is_down(variables: dict[str, str]) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "sagebrush", "up"], stdout=subprocess.PIPE, text=True, env=variables
    )
    assert server.stdout is not None
    try:
        assert "answers at http://localhost:" in server.stdout.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    assert not (home(variables) / "server.json").exists()


def test_a_killed_server_is_not_taken_for_running(
    sagebrush: Run, variables: dict[str, str]
) -> None:
    sagebrush("up", "-d")
    first = json.loads((home(variables) / "server.json").read_text())
    os.kill(first["pid"], signal.SIGKILL)
    up = sagebrush("up", "-d")
    assert up.returncode == 0, up.stderr
    assert json.loads((home(variables) / "server.json").read_text())["pid"] != first["pid"]


@pytest.fixture
def localstack() -> Iterator[int]:
    """Something that answers as LocalStack does; its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"version": "4.9.2", "services": {}}'
            self.send_response(200 if self.path == "/_localstack/health" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("words", [("up",), ("up", "-d")], ids=["foreground", "background"])
def test_a_busy_port_names_its_occupant_and_the_flag(
    sagebrush: Run, localstack: int, words: tuple[str, ...]
) -> None:
    done = sagebrush(*words, SAGEBRUSH_PORT=str(localstack))
    assert done.returncode == 1
    assert f"port {localstack} is taken by LocalStack 4.9.2" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--host", "0.0.0.0"), "--insecure"),
        (("logs", "nobody"), "no server is running"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    sagebrush: Run, words: tuple[str, ...], said: str
) -> None:
    done = sagebrush(*words)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("up",), ("up", "-d")], ids=["foreground", "background"])
def test_a_data_directory_that_cannot_be_made_is_named(
    sagebrush: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("")
    done = sagebrush(*words, SAGEBRUSH_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert f"the data directory {tmp_path}/file/home cannot be used" in done.stderr
    assert "SAGEBRUSH_HOME" in done.stderr


def test_a_wrong_setting_is_one_line(sagebrush: Run) -> None:
    for account, words in (
        ("12", "account must be 12 digits, not '12'"),
        (COMPREHEND, f"the account {COMPREHEND} is Comprehend's own"),
    ):
        done = sagebrush("status", SAGEBRUSH_ACCOUNT=account)
        assert (done.returncode, done.stderr) == (1, f"sagebrush: {words}\n")


def test_doctor_tells_what_is_in_force(sagebrush: Run) -> None:
    done = sagebrush("doctor")
    assert done.returncode == 0, done.stderr
    assert "isolation in force: process mode, as set" in done.stdout
    assert "sandbox" in done.stdout.splitlines()[0]


def test_a_settings_file_that_is_none_is_named(sagebrush: Run, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("port = = 1")
    done = sagebrush("status", SAGEBRUSH_SETTINGS=str(tmp_path / "settings.toml"))
    assert done.returncode == 1
    assert "settings.toml is no TOML file" in done.stderr
