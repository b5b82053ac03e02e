"""Protocol buffers' modules as protoc made them before 3.19, in processes that find the toolkit's client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.toolkit import job
from tests.needs import sdk

CLIENT = Path(job.__file__).parent / "client"
GENERATE = """
from google.protobuf import descriptor_pb2 as d
def file(name, *needs):
    f = d.FileDescriptorProto(name=name + ".proto", package=name, syntax="proto2")
    f.dependency.extend(needs)
    return f
def message(f, name, *fields):
    m = f.message_type.add(name=name)
    for number, (field, label, kind, of) in enumerate(fields, 1):
        m.field.add(name=field, number=number, label=label, type=kind, type_name=of or None)
    return m
def write(f, first=""):
    text = repr(f.SerializeToString().decode("latin1"))
    open(f.package + "_pb2.py", "w").write(
        "from google.protobuf import descriptor as _descriptor\\n" + first
        + "_b = lambda x: x.encode('latin1')\\n"
        + f"DESCRIPTOR = _descriptor.FileDescriptor(name={f.name!r}, serialized_pb=_b({text}))\\n"
        + "_OLD = _descriptor.FieldDescriptor(name='x')\\n")
part = file("part")
message(part, "Part", ("sizes", 3, 5, ""))
write(part)
whole = file("whole", "part.proto")
entry = message(whole, "Whole", ("parts", 3, 11, ".whole.Whole.PartsEntry")).nested_type.add(name="PartsEntry")
entry.options.map_entry = True
entry.field.add(name="key", number=1, label=1, type=9)
entry.field.add(name="value", number=2, label=1, type=11, type_name=".part.Part")
write(whole, "import part_pb2 as part__pb2\\n")
"""
"""Writes whole_pb2.py, whose map's values are of part_pb2.py."""
SCRIPT = """
import whole_pb2
first = whole_pb2.Whole()
first.parts["é"].sizes.extend([3, 4])
second = whole_pb2.Whole.FromString(first.SerializeToString())
assert second == first and whole_pb2.Whole.__module__ == "whole_pb2"
print(list(second.parts["é"].sizes), whole_pb2._WHOLE.full_name)
"""


def python(folder: Path, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{CLIENT}{os.pathsep}{folder}"
    return subprocess.run(
        [sdk("sdk2"), "-c", script], cwd=folder,
        env={"PYTHONPATH": path, "PYTHONUTF8": "1", **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("before", ["", "import google.protobuf.descriptor_pb2"])
@pytest.mark.parametrize("part", ["upb", "python"])
def test_old_modules_load(tmp_path: Path, before: str, part: str) -> None:
    made = python(tmp_path, GENERATE)
    assert made.stderr == ""
    chosen = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": part}
    ran = python(tmp_path, f"{before}\n{SCRIPT}", **chosen)
    assert (ran.stdout, ran.stderr) == ("[3, 4] whole.Whole\n", "")


def test_other_modules_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "young_pb2.py").write_text("print(__loader__.__class__.__name__)")
    ran = subprocess.run(
        [sys.executable, "-c", "import young_pb2"],
        env={"PYTHONPATH": f"{CLIENT}{os.pathsep}{tmp_path}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("SourceFileLoader\n", "")


def test_protobuf_before_its_builder_runs_them_itself(tmp_path: Path) -> None:
    folder = tmp_path / "google" / "protobuf"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (tmp_path / "old_pb2.py").write_text("if 0:\n    _descriptor.FieldDescriptor()\nprint('ran')")
    ran = subprocess.run(
        [sys.executable, "-c", "import old_pb2"],
        env={"PYTHONPATH": f"{CLIENT}{os.pathsep}{tmp_path}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("ran\n", "")
