"""A running server for unmodified clients, and how they are run against it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs

SCRIPTS = Path(__file__).parent / "sdk"
INDEX = (
    *("UV_", "SSL_", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
"""How the variables begin that say where packages are, and how they are reached."""
LOADED = {
    needs.sdk_place("sdk2"): (
        "sagemaker.huggingface", "sagemaker.multidatamodel", "sagemaker.processing",
        "sagemaker.pytorch", "sagemaker.sklearn", "sagemaker.tensorflow", "sagemaker.tuner",
    ),
    needs.sdk_place("sdk3"): (
        "sagemaker.core.helper.session_helper", "sagemaker.core.processing", "sagemaker.train.tuner",
        "sagemaker.serve.model_builder",
    ),
}  # fmt: skip
"""Interpreter -> the modules that most scripts load first, seconds of processor each time."""
AS_USER = 'eval "$("$SAGEBRUSH_PYTHON" -m sagebrush env)"; exec "$@"'


class User(dict[str, str]):
    """The environment of a user, and the processes that have loaded an SDK for their scripts."""

    def __init__(self, given: dict[str, str]) -> None:
        super().__init__(given)
        self._standing: dict[Path, subprocess.Popen[str]] = {}

    def run(self, python: Path, words: list[str], seconds: float) -> tuple[int, str]:
        """(The exit status of a script, what it said), run by that SDK's interpreter.

        Raises TimeoutError, and has ended the script, where it takes longer.
        """
        standing = self._standing.pop(python, None) or self._begun(python)
        assert standing.stdin is not None
        file = Path(self["HOME"]) / f"said-{python.parts[-3]}"
        file.write_text("")  # what the script before it said is not taken for its own
        status = ""
        try:
            standing.stdin.write(json.dumps([str(file), *words]) + "\n")
            standing.stdin.flush()
            status = self._told(standing, seconds)
        finally:  # a test that is given up leaves nobody who still runs its script
            if status:
                self._standing[python] = standing
            else:
                ended(standing)
        if not status:
            raise TimeoutError(file.read_text(errors="replace")[-6000:])
        return int(status), file.read_text(errors="replace")

    def _begun(self, python: Path) -> subprocess.Popen[str]:
        words = ["sh", "-c", AS_USER, "sh", python, SCRIPTS / "standby.py", *LOADED[python]]
        made = subprocess.Popen(
            [str(word) for word in words],
            env=self,
            cwd=self["HOME"],  # SDK v3 leaves folders where it works
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            said = self._told(made, 120)
            assert said == "ready\n", f"{python} cannot load {LOADED[python]}"
        except BaseException:
            ended(made)
            raise
        return made

    def _told(self, standing: subprocess.Popen[str], seconds: float) -> str:
        """Its next line; "" where there is none in that time."""
        assert standing.stdout is not None
        ready, _, _ = select.select([standing.stdout], [], [], seconds)
        return standing.stdout.readline() if ready else ""

    def end(self) -> None:
        """No such process is left."""
        for standing in self._standing.values():
            ended(standing)


def ended(standing: subprocess.Popen[str]) -> None:
    """The process is gone, with what it runs."""
    with standing:
        os.killpg(standing.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def variables() -> Iterator[User]:
    """The environment of a user whose server runs; HOME is empty, so nothing of AWS is set up.

    What a script leaves is there for the next one: names are made new at each run, as SDKs do.
    """
    with tempfile.TemporaryDirectory(prefix="sagebrush-user-", ignore_cleanup_errors=True) as home:
        given = of_user(Path(home))
        up = subprocess.run(
            [sys.executable, "-m", "sagebrush", "up", "-d"],
            env=given,
            capture_output=True,
            text=True,
        )
        assert up.returncode == 0, up.stderr
        user = User(given)
        yield user
        user.end()
        subprocess.run([sys.executable, "-m", "sagebrush", "down"], env=given, check=True)


def of_user(home: Path) -> dict[str, str]:
    """The environment of a user with that home, for whom the server is to listen on any port."""
    index = {name: value for name, value in os.environ.items() if name.startswith(INDEX)}
    return {
        **index,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(home),
        "SAGEBRUSH_HOME": str(home / "data"),
        "SAGEBRUSH_ENVIRONMENTS": os.environ.get(
            "SAGEBRUSH_ENVIRONMENTS", str(Path("~/.cache/sagebrush/environments").expanduser())
        ),
        "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path("~/.pyenv").expanduser())),
        "UV_CACHE_DIR": uv_cache(),
        "SAGEBRUSH_PORT": "0",
        # AWS has some images for GPU instances only, and this host may have none
        "SAGEBRUSH_GPU_AS_CPU": "1",
        "SAGEBRUSH_PYTHON": sys.executable,
        # a mirror of the usual index may be at a private address
        "SAGEBRUSH_EGRESS_ALLOW": ",".join(index_hosts()),
    }


def uv_cache() -> str:
    """Where uv keeps what it downloads: what the tests' own builds have is there for jobs' builds."""
    usual = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "uv"
    return os.environ.get("UV_CACHE_DIR", str(usual))


def index_hosts() -> tuple[str, ...]:
    """The hosts of the usual package index."""
    from pip._internal.models.index import PyPI

    return (PyPI.netloc, PyPI.file_storage_domain)


def run(variables: dict[str, str], *command: str | Path, seconds: float = 550) -> str:
    """What the command says, run as that user; it has to end well."""
    python, *words = command
    if isinstance(variables, User) and python in LOADED:
        status, said = variables.run(Path(python), list(map(str, words)), seconds)
        assert status == 0, said[-6000:]
        return said
    done = subprocess.run(
        ["sh", "-c", AS_USER, "sh", *map(str, command)],
        env=variables,
        cwd=variables["HOME"],  # SDK v3 leaves folders where it works
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",  # of two streams in one pipe, one may cut a character of the other
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout
