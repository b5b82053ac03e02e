"""Fixtures: backends on this host, and a job run as whom the tests run, or as an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.local import probe
from sagebrush.compute.local.probe import Check
from tests.compute.live_jobs import Jobs, Outcome, Run, outcome

ORDINARY = 54321
ROOT = Path(__file__).resolve().parents[2]


@cache
def sandbox_works() -> Check:
    """The sandbox on this host, tried once."""
    return probe.sandboxed()


def skip(reason: str) -> None:
    """The test is skipped, or fails where the environment promises that nothing is missing."""
    if os.environ.get("SAGEBRUSH_TEST_REQUIRE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def sandboxed() -> None:
    """This host can isolate."""
    check = sandbox_works()
    if not check.ok:
        skip(f"this host cannot isolate: {check.detail}")


@pytest.fixture(params=["sandbox", "process"])
def isolation(request: pytest.FixtureRequest) -> str:
    """Both isolations in turn."""
    if request.param == "sandbox":
        request.getfixturevalue("sandboxed")
    return request.param


@pytest.fixture
def jobs(tmp_path: Path, isolation: str) -> Iterator[Jobs]:
    """A backend with that isolation."""
    made = Jobs(tmp_path / "home", isolation)
    yield made
    made.backend.close()
    last = Jobs(tmp_path / "home", isolation)
    for directory in last.directory.iterdir():
        last.backend.forget(directory.name)
    last.backend.close()


def ordinary(command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
    """`command` as a user without rights, by an interpreter that such a user can read."""
    return subprocess.run(
        command,
        user=ORDINARY,
        group=ORDINARY,
        extra_groups=[],
        text=True,
        capture_output=True,
        timeout=120,
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        **given,
    )


@cache
def readable_python() -> str | None:
    """An interpreter that an ordinary user can run and import this package with."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            if (
                ordinary([candidate, "-c", "import sagebrush.compute.local.backend"]).returncode
                == 0
            ):
                return candidate
        except OSError:
            continue
    return None


@pytest.fixture(params=["self", "ordinary user"])
def run(request: pytest.FixtureRequest, sandboxed: None) -> Iterator[Run]:
    """Runs `argv` in a sandbox, once as who runs the tests, once (from root) as an ordinary user."""
    if request.param == "self":
        with tempfile.TemporaryDirectory(prefix="sagebrush-test-") as place:
            yield lambda argv, **given: outcome(Path(place) / "home", argv, given)
        return
    if os.geteuid() != 0:
        pytest.skip("the tests run as an ordinary user already")
    python = readable_python()
    if python is None:
        skip("no interpreter here that an ordinary user can read")
    assert python is not None
    with tempfile.TemporaryDirectory(prefix="sagebrush-test-") as place:
        os.chmod(place, 0o777)

        def as_ordinary(argv: list[str], **given: Any) -> Outcome:
            program = str(Path(__file__).parent / "live_jobs.py")
            done = ordinary([python, program, place, json.dumps([argv, given])])
            assert done.returncode == 0, done.stderr
            return Outcome(**json.loads(done.stdout))

        yield as_ordinary
