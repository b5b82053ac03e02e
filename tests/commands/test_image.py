"""`sagebrush image` as a user runs it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sagebrush.compute import record
from sagebrush.compute.base import Bind, Spec
from sagebrush.environments import builds, locks, resolution
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
    for name, how in resolution.SHIPPED.items():
        assert f"{name} " in done.stdout, how
    assert done.stdout.count("at first need") == len(locks.BUILT_IN) + len(resolution.SHIPPED)
    assert not (tmp_path / "none").exists(), "looking changes nothing"


def test_the_list_tells_versions_and_sizes(base: Environment, tmp_path: Path) -> None:
    """Of the built one's record, and of files that two environments share: all that are built here
    may be gigabytes, which takes a while to add up."""
    record = builds.record_name("base", locks.text(base.path.parent, "base"))
    (tmp_path / record).write_bytes((base.path.parent / record).read_bytes())
    for name in (base.path.name, f"nlp-{'0' * 16}"):
        (tmp_path / name / "bin").mkdir(parents=True)
    (tmp_path / base.path.name / "bin" / "python").touch()
    (tmp_path / base.path.name / "shared").write_bytes(b"x" * (3 << 20))
    os.link(tmp_path / base.path.name / "shared", tmp_path / f"nlp-{'0' * 16}" / "shared")
    done = image("list", root=tmp_path)
    assert done.returncode == 0, done.stderr
    line = next(each for each in done.stdout.splitlines() if each.startswith("base "))
    assert line.split() == ["base", "3", "MB", "used", "today"]
    assert "scikit-learn" in done.stdout
    assert "3 MB together in " in done.stdout


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


@pytest.mark.full
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


def test_what_nothing_ran_in_for_a_while_is_pruned(tmp_path: Path) -> None:
    for name, days in (("nlp", 40), ("base", 3)):
        python = tmp_path / f"{name}-{'0' * 16}" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
        file = tmp_path / builds.record_name(name, locks.text(tmp_path, name))
        values = {"directory": f"{name}-{'0' * 16}", "prefixes": [], "compiled": True}
        file.write_text(json.dumps(values))
        used = time.time() - days * 86400
        os.utime(file, (used, used))
    home = tmp_path / "home"
    assert image("prune", "--days", "50", root=tmp_path, home=home).stdout.startswith("nothing")
    assert image("prune", "-n", root=tmp_path, home=home).stdout == "would remove nlp\n"
    assert image("prune", root=tmp_path, home=home).stdout.startswith("removed nlp\n")
    assert [path.name for path in tmp_path.glob("*-" + "0" * 16)] == [f"base-{'0' * 16}"]


@pytest.mark.full
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
