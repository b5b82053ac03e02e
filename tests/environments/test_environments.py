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

from sagebrush.environments import (
    builds,
    bytecode,
    interpreters,
    kernels,
    locks,
    uvtool,
)
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed
from tests.base_environment import base
from tests.environments.uvscript import Builder, builder, waited

__all__ = ["base", "builder"]


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
    others = [builder.root / f".building-{name}-12345678" for name in ("pytorch", "base-more")]
    for other in others:
        other.mkdir()
    builder.new().build("base")
    assert not left.parent.exists()
    assert all(other.exists() for other in others), "those may be at work"


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
from sagebrush.environments import interpreters, store, uvtool
here = interpreters.probe(Path(sys.executable))
uvtool.uv.find_uv_bin = lambda: sys.argv[2]
interpreters.find = lambda *_: here
store.Environments(Path(sys.argv[1])).build("base")
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
    monkeypatch.setattr(builds.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(BuildFailed, match=r"less than \d{3} MB free"):
        builder.new().build("base")
    assert builder.calls == []


def test_what_other_environments_hold_needs_no_room_again() -> None:
    lock = locks.text(Path("/"), "pytorch")
    alone = locks.room(lock, [])
    assert alone > 1 << 30
    assert locks.room(lock, [locks.pins(locks.text(Path("/"), "huggingface"))]) < alone / 10


def test_bytecode_of_the_same_files_is_linked_not_made_again(tmp_path: Path) -> None:
    """As uv links sources: a module that two environments share is one file in both."""
    first, second = tmp_path / "a-1" / "lib", tmp_path / "b-2" / "lib"
    (first / "deep").mkdir(parents=True)
    (second / "deep").mkdir(parents=True)
    (first / "deep" / "shared.py").write_text("def where():\n    raise ValueError\n")
    os.link(first / "deep" / "shared.py", second / "deep" / "shared.py")
    (second / "own.py").write_text("import deep.shared\n")
    told: list[float] = []
    python = Path(sys.executable)
    environ = {"PATH": os.environ["PATH"]}
    bytecode.complete(python, first, [], environ, told.append, 0, 0o022)
    bytecode.complete(python, second, [first], environ, told.append, 0, 0o022)
    tag = sys.implementation.cache_tag
    both = [f / "deep" / "__pycache__" / f"shared.{tag}.pyc" for f in (first, second)]
    assert both[0].stat().st_ino == both[1].stat().st_ino
    assert (second / "__pycache__" / f"own.{tag}.pyc").exists()
    script = "import deep.shared as s, traceback\ntry: s.where()\nexcept ValueError as e: print(traceback.format_exc())"
    for lib in (first, second):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=lib, check=True
        )
        assert f'"{lib}/deep/shared.py", line 2' in done.stdout, "tracebacks name their own file"


def test_a_users_requirements_become_an_environment(builder: Builder, tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("emoji\n")
    made = builder.new()
    builder.compiles("emoji==2.15.0\n")
    assert made.define("mine", wanted) == 1
    asked = builder.log.read_text().split(" -o ")[0].split()[-2:]
    assert asked[0] == str(wanted)
    assert asked[1].endswith(".in"), "pip comes too: jobs install over it"
    assert made.resolve("sagebrush/mine").environment == "mine"
    assert made.build("mine").path.name.startswith("mine-")
    assert [each.name for each in made.known() if each.added] == ["mine"]
    assert made.remove("mine")
    assert list(builder.root.glob("mine*")) == []
    assert not made.remove("mine")
    with pytest.raises(BuildFailed, match="environment of Sagebrush's own"):
        made.define("pytorch", wanted)
    with pytest.raises(BuildFailed, match="cannot name an environment"):
        made.define("../up", wanted)
    with pytest.raises(BuildFailed, match="an image of AWS's has that name"):
        made.define("pytorch-training", wanted)
    assert not made.remove("../up")


def test_requirements_that_exclude_each_other_are_told_in_uvs_words(builder: Builder) -> None:
    builder.compiles("", "because a==1 needs b<2, no solution")
    with pytest.raises(BuildFailed, match="because a==1 needs b<2"):
        builder.new().define("mine", Path(__file__))
    assert not (builder.root / "definitions").exists()


def test_a_definition_that_changes_while_it_is_built_is_built_for_itself(
    builder: Builder, tmp_path: Path
) -> None:
    made = builder.new()
    locks.define(builder.root, "mine", "emoji==1.0\n")
    changed = builder.root / "definitions" / "mine.txt"
    builder.sync(f"pathlib.Path({str(changed)!r}).write_text('emoji==2.0\\n')")
    with pytest.raises(BuildFailed, match="changed while it was built"):
        made.build("mine")
    assert made.built("mine") is None, "what holds 1.0 is not handed out as 2.0"
    builder.sync("pass")
    assert (made.build("mine").path / "requirements.txt").read_text() == "emoji==2.0\n"


def test_a_removal_that_is_cut_off_leaves_no_half_environment(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = builder.new()
    path = made.build("base").path

    def cut_off(_place: Path) -> None:
        raise OSError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", cut_off)
        with pytest.raises(BuildFailed, match="cut off"):
            made.remove("base")
    assert not path.exists()
    assert made.build("base").path == path
    assert builder.calls == ["venv --relocatable", "pip sync"] * 2
    assert list(builder.root.glob(".building-*")) == []


def test_what_a_server_builds_can_be_read_by_jobs_of_other_users(
    builder: Builder, tmp_path: Path
) -> None:
    """The server's umask is 077; jobs run as users of their own."""
    first, second = tmp_path / "a" / "lib", tmp_path / "b" / "lib"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    (first / "shared.py").write_text("x = 1\n")
    os.link(first / "shared.py", second / "shared.py")
    tag = str(sys.implementation.cache_tag)
    (first / "__pycache__").mkdir()
    (first / "__pycache__" / f"shared.{tag}.pyc").touch()
    before = os.umask(0o077)
    try:
        assert bytecode.link(second, first, tag) == 1
        built = {name: builder.new().build(name) for name in ("base", "sagemaker2")}
        assert set(kernels.specs(built["base"], built)) == {"python3"}
    finally:
        os.umask(before)
    places = [second / "__pycache__", *(builder.root / "kernels").rglob("*")]
    assert {p.stat().st_mode & 0o777 for p in places if p.is_dir()} == {0o755}
    assert {p.stat().st_mode & 0o777 for p in places if p.suffix == ".json"} == {0o644}


def test_an_environment_that_is_being_built_is_not_removed(builder: Builder) -> None:
    builder.new().build("base")
    with (builder.root / ".base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BuildFailed, match="is being built just now"):
            builder.new().remove("base")
    assert builder.new().remove("base")


def test_the_local_wheel_of_torch_decides_which_python_all_environments_take(
    tmp_path: Path,
) -> None:
    assert interpreters.versions({}) == list(interpreters.VERSIONS)
    (tmp_path / "torch-2.13.0+cpu-cp313-cp313-linux_x86_64.whl").touch()
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        assert interpreters.versions({name: f"/nowhere {tmp_path}"})[0] == "3.13"


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
    monkeypatch.setattr(interpreters, "find", lambda *_: None)
    with pytest.raises(BuildFailed, match=r"uv python install 3\.12"):
        builder.new().build("base")
    assert builder.calls == ["python install"]


def test_pips_settings_reach_uv_under_its_own_names(tmp_path: Path) -> None:
    found = uvtool.variables(
        {
            "PIP_FIND_LINKS": "/wheels /more",
            "PIP_INDEX_URL": "https://mirror.example/simple",
            "UV_DEFAULT_INDEX": "https://kept.example/simple",
            "VIRTUAL_ENV": "/venv",
            "PYTHONPATH": "/mine",
            "PATH": "/bin",
        },
        tmp_path,
    )
    assert found["UV_FIND_LINKS"] == "/wheels,/more"
    assert found["UV_DEFAULT_INDEX"] == "https://kept.example/simple"
    assert "VIRTUAL_ENV" not in found
    assert "PYTHONPATH" not in found
    assert "UV_FIND_LINKS" not in uvtool.resolving(found)


def test_what_uv_fetches_is_kept_where_it_can_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "environments"
    assert "UV_CACHE_DIR" not in uvtool.variables({"HOME": str(tmp_path)}, root)
    (tmp_path / "file").write_text("")
    shut = uvtool.variables({"HOME": str(tmp_path / "file")}, root)
    assert shut["UV_CACHE_DIR"] == str(root / ".cache")
    root.mkdir()
    monkeypatch.setattr(uvtool, "_device", lambda path: len(str(path)))
    other_disk = uvtool.variables({"HOME": str(tmp_path)}, root)
    assert other_disk["UV_CACHE_DIR"] == str(root / ".cache")


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
    locked = locks.text(Path("/"), "base")
    assert {"numpy", "scikit-learn", "boto3", "pip"} <= {n.lower() for n in names}
    assert all(n.lower().replace("_", "-") in locked for n in names)


def test_a_folder_on_the_path_that_cannot_be_looked_into_is_passed_over() -> None:
    """An ordinary user may inherit root's PATH; a name that is too long fails the same way."""
    far = f"/{'x' * 300}"
    given = {"PATH": f"{far}:{os.environ['PATH']}", "HOME": "/", "PYENV_ROOT": far}
    found = interpreters.find(given)
    assert found is not None
