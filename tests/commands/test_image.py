"""`sagebrush image` as a user runs it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.compute import record
from sagebrush.compute.base import Bind, Spec
from sagebrush.environments.environment import Environment
from tests.base_environment import base

__all__ = ["base"]


def image(
    *words: str, root: Path | None = None, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environ = dict(os.environ)
    if root is not None:
        environ["SAGEBRUSH_ENVIRONMENTS"] = str(root)
    if home is not None:
        environ["SAGEBRUSH_HOME"] = str(home)
    command = [sys.executable, "-m", "sagebrush", "image", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False)


def test_the_list_tells_what_could_be_built(tmp_path: Path) -> None:
    done = image("list", root=tmp_path / "none")
    assert done.returncode == 0, done.stderr
    for name in ("base", "pytorch", "tensorflow", "huggingface", "nlp", "jupyter"):
        assert any(line.split()[:1] == [name] for line in done.stdout.splitlines())
    assert done.stdout.count("at first need") == 8
    assert not (tmp_path / "none").exists(), "looking changes nothing"


def test_the_list_tells_versions_and_sizes(base: Environment) -> None:
    done = image("list")
    assert done.returncode == 0, done.stderr
    assert "scikit-learn" in done.stdout
    assert " MB together in " in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rm", "nix"), "there is no environment nix"),
        (("rm", "../nix"), "there is no environment ../nix"),
        (("rm", "nlp"), "environment nlp is not built"),
        (("build", "nix"), "environment nix has no lock file; known ones: base,"),
        (("build", "mine", "-r", "/nowhere.txt"), "/nowhere.txt: there is no such file"),
        (("build", "-r", __file__), "name the environment that FILE describes"),
        (("shell", "nix"), "environment nix has no lock file"),
    ],
)
def test_wrong_names_are_told(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = image(*words, root=tmp_path)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("seen", ["job", "notebook"])
def test_what_something_runs_in_is_removed_by_force_alone(seen: str, tmp_path: Path) -> None:
    root, home = tmp_path / "environments", tmp_path / "home"
    place = root / f"nlp-{'0' * 16}"
    (place / "bin").mkdir(parents=True)
    job = home / "jobs" / "t-1"
    job.mkdir(parents=True)
    binds = (Bind(root, str(root)),) if seen == "notebook" else ()
    spec = Spec(
        "t-1", (str(place / "bin" / "python"),) if seen == "job" else (), {}, job, binds=binds
    )
    record.write(job, "spec.json", {"spec": record.to_json(spec)})
    with (job / "shim.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = image("rm", "nlp", root=root, home=home)
        assert "environment nlp is in use (t-1): stop what runs in it" in done.stderr
        assert done.returncode == 1
        assert place.exists()
        assert image("rm", "nlp", "--force", root=root, home=home).returncode == 0
        assert not place.exists()
    place.mkdir()
    assert image("rm", "nlp", root=root, home=home).returncode == 0, "it has ended"


def test_a_command_runs_over_the_environment_and_leaves_nothing(base: Environment) -> None:
    script = "import sys, sklearn; print(sys.prefix); open(sys.prefix + '/mark', 'w')"
    done = image("shell", "base", "--", "python", "-c", script)
    assert done.returncode == 0, done.stderr
    overlay = Path(done.stdout.strip())
    assert overlay != base.path
    assert not overlay.exists()
    assert not (base.path / "mark").exists()
    assert image("shell", "base", "--", "python", "-c", "raise SystemExit(7)").returncode == 7
    assert "no-such: No such file" in image("shell", "base", "no-such").stderr
