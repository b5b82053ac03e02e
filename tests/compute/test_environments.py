"""Environments: found, built once, swept, and told when they cannot be built."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sagebrush.compute import environments, interpreters
from sagebrush.compute.environments import BuildFailed, Environment, Environments
from tests.base_environment import base

__all__ = ["base"]

FAKE_UV = """#!{python}
import os, pathlib, sys, time
log = pathlib.Path({log!r})
with log.open("a") as out:
    out.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "venv":
    target = pathlib.Path(sys.argv[-1])
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").symlink_to(sys.argv[sys.argv.index("--python") + 1])
    (target / "lib").mkdir()
elif sys.argv[1:3] == ["pip", "sync"]:
    {sync}
else:
    sys.exit(1)
"""


class Builder:
    """Environments whose uv is a script: it writes down what it was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.log, self.uv = folder / "environments", folder / "log", folder / "uv"
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        here = interpreters.probe(Path(sys.executable))
        monkeypatch.setattr(environments.uv, "find_uv_bin", lambda: str(self.uv))
        monkeypatch.setattr(interpreters, "find", lambda _environ: here)
        self.sync("pass")

    def sync(self, code: str) -> None:
        """`uv pip sync` runs `code`."""
        text = FAKE_UV.format(python=sys.executable, log=str(self.log), sync=code)
        self.uv.write_text(text)
        self.uv.chmod(0o755)

    def new(self) -> Environments:
        return Environments(self.root, self.environ)

    @property
    def calls(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [" ".join(line.split()[:2]) for line in lines]


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    return Builder(tmp_path, monkeypatch)


def waited(made: Environments, name: str) -> Environment:
    """The environment once its background build is over."""
    for thread in threading.enumerate():
        if thread.name == f"build-{name}":
            thread.join(60)
    found = made.ready(name)
    assert found is not None
    return found


def test_it_is_built_once_and_found_by_whoever_asks_later(builder: Builder) -> None:
    told: list[tuple[str, float]] = []
    first = builder.new().build("base", lambda doing, share: told.append((doing, share)))
    assert first.python.exists()
    assert first.path.parent == builder.root
    assert set(first.prefixes) == {first.path, Path(sys.base_prefix)}
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[-1] == ("ready", 1.0)
    assert builder.new().build("base") == first
    assert builder.new().ready("base") == first
    assert builder.calls == ["venv --relocatable", "pip sync"]


def test_ready_builds_in_the_background(builder: Builder) -> None:
    made = builder.new()
    assert made.ready("base") is None
    assert waited(made, "base").python.exists()
    assert builder.calls == ["venv --relocatable", "pip sync"]


def test_ready_asked_by_many_builds_once(builder: Builder) -> None:
    both = [builder.new(), builder.new()]
    for _ in range(5):
        for made in both:
            made.ready("base")
    assert waited(both[0], "base") == waited(both[1], "base")
    assert builder.calls == ["venv --relocatable", "pip sync"]


def test_a_failed_build_is_told_once_with_uvs_last_lines_and_tried_again(builder: Builder) -> None:
    builder.sync("print('No solution found: nopkg'); sys.exit(2)")
    made = builder.new()
    assert made.ready("base") is None
    for thread in threading.enumerate():
        if thread.name == "build-base":
            thread.join(60)
    with pytest.raises(
        BuildFailed, match=r"(?s)uv pip sync ended with 2:.*No solution found: nopkg"
    ):
        made.ready("base")
    assert list(builder.root.glob("base-*")) == []
    assert list(builder.root.glob(".building-*")) == []
    builder.sync("pass")
    assert made.ready("base") is None
    assert waited(made, "base").python.exists()


def test_leftovers_of_a_killed_build_are_swept(builder: Builder) -> None:
    left = builder.root / ".building-base-12345678" / "lib"
    left.mkdir(parents=True)
    other = builder.root / ".building-pytorch-12345678"
    other.mkdir()
    builder.new().build("base")
    assert not left.parent.exists()
    assert other.exists()


def test_who_comes_second_waits_for_the_first(builder: Builder) -> None:
    builder.root.mkdir()
    told: list[str] = []
    waiting = threading.Event()

    def progress(doing: str, _share: float) -> None:
        told.append(doing)
        waiting.set()

    with (builder.root / ".base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=builder.new().build, args=("base", progress))
        thread.start()
        assert waiting.wait(20)
        assert told == ["waiting for another build of it"]
        assert builder.calls == []
    thread.join(60)
    assert told[-1] == "ready"


BUILD = """
import sys
from pathlib import Path
from sagebrush.compute import environments, interpreters
here = interpreters.probe(Path(sys.executable))
environments.uv.find_uv_bin = lambda: sys.argv[2]
interpreters.find = lambda _environ: here
environments.Environments(Path(sys.argv[1])).build("base")
"""


def test_a_builder_killed_while_uv_works_leaves_no_half_environment(
    builder: Builder, tmp_path: Path
) -> None:
    gate, reached = tmp_path / "gate", tmp_path / "reached"
    os.mkfifo(gate)
    os.mkfifo(reached)
    builder.sync(f"open({str(reached)!r}, 'w').close(); open({str(gate)!r}).read()")
    command = [sys.executable, "-c", BUILD, str(builder.root), str(builder.uv)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    reached.read_text()  # uv is at work
    process.kill()
    process.wait(20)
    assert builder.new().ready("base") is None, "what is half made is never handed out"
    assert len(list(builder.root.glob(".building-base-*"))) == 1
    builder.sync("pass")
    with (builder.root / ".base.lock").open() as lock, pytest.raises(BlockingIOError):
        # The orphaned uv still writes: whoever builds next waits for it.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    gate.write_text("go on")
    assert waited(builder.new(), "base").python.exists()
    assert list(builder.root.glob(".building-*")) == []


def test_too_little_space_is_told_before_anything_is_done(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage("/"))(10, 9, 1)
    monkeypatch.setattr(environments.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(BuildFailed, match="less than 1500 MB free"):
        builder.new().build("base")
    assert builder.calls == []


def test_an_environment_that_lost_its_interpreter_is_built_again(builder: Builder) -> None:
    first = builder.new().build("base")
    first.python.unlink()
    assert builder.new().build("base").python.exists()
    assert builder.calls == ["venv --relocatable", "pip sync"] * 2


def test_a_root_that_cannot_be_written_is_told(builder: Builder) -> None:
    builder.root.write_text("a file")
    with pytest.raises(BuildFailed, match="SAGEBRUSH_ENVIRONMENTS"):
        builder.new().build("base")


def test_unknown_environments_have_no_lock_file(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match="environment other has no lock file"):
        builder.new().build("other")


def test_no_interpreter_is_told_with_the_cure(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "find", lambda _environ: None)
    with pytest.raises(BuildFailed, match=r"uv python install 3\.12"):
        builder.new().build("base")
    assert builder.calls == ["python install"]


def test_pips_settings_reach_uv_under_its_own_names() -> None:
    found = environments.uv_environ(
        {
            "PIP_FIND_LINKS": "/wheels /more",
            "PIP_INDEX_URL": "https://mirror.example/simple",
            "UV_DEFAULT_INDEX": "https://kept.example/simple",
            "VIRTUAL_ENV": "/venv",
            "PYTHONPATH": "/mine",
            "PATH": "/bin",
        }
    )
    assert found["UV_FIND_LINKS"] == "/wheels,/more"
    assert found["UV_DEFAULT_INDEX"] == "https://kept.example/simple"
    assert "VIRTUAL_ENV" not in found
    assert "PYTHONPATH" not in found


def test_a_home_without_room_for_a_cache_is_done_without(tmp_path: Path) -> None:
    assert "UV_NO_CACHE" not in environments.uv_environ({"HOME": str(tmp_path)})
    (tmp_path / "file").write_text("")
    shut = environments.uv_environ({"HOME": str(tmp_path / "file")})
    assert shut["UV_NO_CACHE"] == "1"


def test_shims_and_broken_interpreters_are_passed_over(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert interpreters.probe(shim) is None
    found = interpreters.find({"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)})
    assert found is None or found.executable != shim


def test_an_interpreter_inside_a_virtual_environment_names_its_base(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")], check=True)
    found = interpreters.probe(tmp_path / "v" / "bin" / "python")
    assert found is not None
    assert found.prefix == Path(sys.base_prefix)
    assert not found.executable.is_relative_to(tmp_path)


def test_the_base_environment_holds_what_its_lock_says_with_bytecode(base: Environment) -> None:
    script = (
        "import json, sys, importlib.metadata as m, numpy, sklearn.linear_model, pandas, fasttext\n"
        "print(json.dumps([sys.version_info[:2], numpy.__cached__,"
        " sorted(d.name for d in m.distributions())]))"
    )
    done = subprocess.run(
        [str(base.python), "-I", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    version, cached, names = json.loads(done.stdout)
    assert tuple(version) in {(3, 11), (3, 12), (3, 13)}
    assert Path(cached).exists()
    locked = environments.lock_text("base")
    assert {"numpy", "scikit-learn", "boto3", "pip"} <= {n.lower() for n in names}
    assert all(n.lower().replace("_", "-") in locked for n in names)


def test_a_folder_on_the_path_that_cannot_be_looked_into_is_passed_over() -> None:
    """An ordinary user may inherit root's PATH; a name that is too long fails the same way."""
    far = f"/{'x' * 300}"
    given = {"PATH": f"{far}:{os.environ['PATH']}", "HOME": "/", "PYENV_ROOT": far}
    found = interpreters.find(given)
    assert found is not None
