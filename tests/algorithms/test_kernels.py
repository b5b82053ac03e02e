"""Machine code of kernels: made ahead of jobs, found by what it was made of, else made in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sagebrush.algorithms.blazingtext.kernels import compiled
from sagebrush.environments import machine_code
from sagebrush.environments.environment import Environment

ONE = """
from blazingtext.kernels import compiled

@compiled.cached("void(float32[:,::1], float32)")
def scale(rows, by):
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[i, j] *= by

@compiled.cached("int64(int64)")
def next_one(number):
    return number + 1
"""
PART = """
from blazingtext.kernels import compiled

@compiled.part
def double(number):
    return 2 * number
"""
TWO = """
from blazingtext.kernels import compiled
from .shared import double

@compiled.cached("int64(int64)")
def four_times(number):
    return double(double(number))
"""
USED = """
import numpy
from tiny import kernels
rows = numpy.ones((2, 3), numpy.float32)
kernels.scale(rows, numpy.float32(3))
from other.kernels import twice
print(rows.sum(), kernels.next_one(4), twice.four_times(3))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of algorithms with what makes machine code and one small algorithm."""
    own, here = compiled.ALGORITHMS / "blazingtext", tmp_path / "algorithms"
    (here / "blazingtext" / "kernels").mkdir(parents=True)
    for name in (
        "__init__",
        "compile",
        "kernels/__init__",
        "kernels/compiled",
        "kernels/machine_code",
    ):
        shutil.copy(own / f"{name}.py", here / "blazingtext" / f"{name}.py")
    (here / "tiny").mkdir()
    (here / "tiny" / "__init__.py").write_text("")
    (here / "tiny" / "kernels.py").write_text(ONE)
    (here / "other" / "kernels").mkdir(parents=True)
    (here / "other" / "__init__.py").write_text("")
    (here / "other" / "kernels" / "__init__.py").write_text("")
    (here / "other" / "kernels" / "shared.py").write_text(PART)
    (here / "other" / "kernels" / "twice.py").write_text(TWO)
    monkeypatch.setattr(compiled, "ALGORITHMS", here)
    monkeypatch.setattr(compiled, "FIRST", ("tiny.kernels",))
    monkeypatch.setattr(compiled, "identity", compiled.identity.__wrapped__)
    return here


def test_machine_code_is_made_once_and_a_damaged_file_is_none(
    folder: Path, tmp_path: Path, algorithms: Environment
) -> None:
    place = tmp_path / "environment"
    assert machine_code.missing("algorithms", place, urgent=True)
    with (tmp_path / "lock").open("w") as lock:
        compiler = machine_code.Compiler(algorithms.python, os.environ, lock.fileno(), 0o022)
        assert machine_code.complete(compiler, place, urgent=True) == ""
        assert not machine_code.missing("algorithms", place, urgent=True)
        assert machine_code.missing("algorithms", place)
        assert machine_code.complete(compiler, place) == ""
    assert not machine_code.missing("algorithms", place)
    made, first = sorted((place / compiled.PLACE).iterdir())
    assert made.name == compiled.identity("other.kernels.twice")
    assert first.name == compiled.identity("tiny.kernels")
    assert made.stat().st_mode & 0o777 == 0o755
    files = sorted(file.name.rpartition("-")[0] for file in first.iterdir())
    assert files == ["tiny.kernels.next_one", "tiny.kernels.scale"]
    assert [file.name.rpartition("-")[0] for file in made.iterdir()] == [
        "other.kernels.twice.four_times"
    ]
    (damaged,) = first.glob("tiny.kernels.next_one-*")
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    environ = {**os.environ, "PYTHONPATH": str(folder), compiled.VARIABLE: str(made.parent)}
    done = subprocess.run(
        [algorithms.python, "-c", USED], env=environ, capture_output=True, text=True, check=True
    )
    *log, result = done.stdout.splitlines()
    assert result == "18.0 5 12"
    assert len(log) == 1
    assert log[0].startswith("Compiling tiny.kernels.next_one: ")


def test_what_kernels_are_made_of_names_their_folder(folder: Path, tmp_path: Path) -> None:
    assert compiled.modules() == ["tiny.kernels", "other.kernels.twice"]
    tiny, twice = map(compiled.identity, compiled.modules())
    (folder / "tiny" / "unused.py").write_text("no = 'kernel'")
    (folder / "tiny" / "kernels.py").write_text(ONE + "# changed\n")
    assert compiled.identity("tiny.kernels") != tiny
    assert compiled.identity("other.kernels.twice") == twice
    (folder / "other" / "kernels" / "shared.py").write_text(PART + "# changed\n")
    changed = compiled.identity("other.kernels.twice")
    assert changed != twice
    compiler = folder / "blazingtext" / "kernels" / "machine_code.py"
    compiler.write_text(compiler.read_text() + "# changed\n")
    assert compiled.identity("other.kernels.twice") not in (twice, changed)
    assert machine_code.missing("algorithms", tmp_path)
    assert not machine_code.missing("base", tmp_path)


def test_why_kernels_were_not_compiled_is_told(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho Traceback >&2\necho 'OSError: No space left' >&2\nexit 1\n")
    python.chmod(0o755)
    with (tmp_path / "lock").open("w") as lock:
        compiler = machine_code.Compiler(python, os.environ, lock.fileno(), 0o022)
        told = machine_code.complete(compiler, tmp_path)
    assert told == "OSError: No space left"
