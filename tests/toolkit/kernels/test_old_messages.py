"""Protocol buffers' modules as protoc made them before 3.19, in processes that find the toolkit's client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.toolkit import job

CLIENT = Path(job.__file__).parent / "client"
PACKAGE = {
    "google/_upb/__init__.py": "",
    "google/protobuf/__init__.py": "",
    "old_pb2.py": "from google import protobuf\nif 0:\n    X = _descriptor.FieldDescriptor()",
    "young_pb2.py": "from google import protobuf",
}
"""Stands for protobuf: its own choice, by a variable, is what is looked at."""
VARIABLE = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
ASK = f"import os; print(os.environ.get('{VARIABLE}'))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in PACKAGE.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("script", "chosen"),
    [
        ("import old_pb2", "python"),
        ("import young_pb2, old_pb2", "None"),
        ("import google.protobuf, old_pb2", "None"),
        (f"import os; os.environ['{VARIABLE}'] = 'cpp'; import old_pb2", "cpp"),
        ("pass", "None"),
    ],
)
def test_old_modules_choose_protobufs_python_part(folder: Path, script: str, chosen: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", f"{script}; {ASK}"],
        env={"PYTHONPATH": f"{CLIENT}:{folder}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == (f"{chosen}\n", "")


def test_a_protobuf_that_loads_old_modules_chooses_itself(folder: Path) -> None:
    (folder / "google/_upb/__init__.py").unlink()
    (folder / "google/_upb").rmdir()
    ran = subprocess.run(
        [sys.executable, "-c", f"import old_pb2; {ASK}"],
        env={"PYTHONPATH": f"{CLIENT}:{folder}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("None\n", "")
