"""What is left in temporary folders, and what a run says of a disk that is nearly full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import temporary

ROOT = Path(__file__).parent.parent

PROJECT = """
import pytest
@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("home")
    (place / "data").write_bytes(b"x")
    return place
def test_one(home, tmp_path):
    (tmp_path / "file").touch()
    assert home.name != FAILS
"""


def test_modules_leave_nothing_but_what_failed(tmp_path: Path) -> None:
    project, place = tmp_path / "project", tmp_path / "base"
    project.mkdir()
    (project / "test_passes.py").write_text(PROJECT.replace("FAILS", "''"))
    (project / "test_fails.py").write_text(PROJECT.replace("FAILS", "home.name"))
    (project / "pytest.ini").write_text("[pytest]\ntmp_path_retention_policy = failed\n")
    options = ["-q", "-p", "tests.temporary", "-p", "no:cacheprovider", f"--basetemp={place}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    left = [path.name for path in place.iterdir() if not path.is_symlink()]
    assert sorted(left) == ["home0", "test_one0"]
    assert (place / "home0" / "data").exists()


def test_what_killed_runs_left_is_found(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name, owner, locked in (
        ("pytest-1", gone.pid, True),
        ("pytest-2", gone.pid, False),  # ended, with failures
        ("pytest-3", os.getpid(), True),  # runs
        ("pytest-4", None, True),  # of another project
    ):
        folder = tmp_path / "pytest-of-me" / name
        folder.mkdir(parents=True)
        if owner is not None:
            (folder / temporary.OWNER).write_text(str(owner))
        if locked:
            (folder / ".lock").touch()
    assert [path.name for path in temporary.abandoned(tmp_path)] == ["pytest-1"]


def test_a_disk_that_is_nearly_full_is_told() -> None:
    assert temporary.scarcity(Path("/tmp"), temporary.SCARCE) == ""
    assert temporary.scarcity(Path("/tmp"), 1.26).startswith("1.3 GB are free on the disk of /tmp")
