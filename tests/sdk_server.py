"""A running server for unmodified clients, and how they are run against it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "sdk"
INDEX = (
    *("UV_", "SSL_", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
"""How the variables begin that say where packages are, and how they are reached."""
AS_USER = 'eval "$("$SAGEBRUSH_PYTHON" -m sagebrush env)"; exec "$@"'


@pytest.fixture(scope="session")
def variables() -> Iterator[dict[str, str]]:
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
        yield given
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
