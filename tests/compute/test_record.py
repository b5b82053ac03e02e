"""A job's directory as files."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from sagebrush.compute import record
from sagebrush.compute.base import Bind, Limits, Spec
from sagebrush.compute.shim import files


def test_a_spec_comes_back_as_it_was(tmp_path: Path) -> None:
    spec = Spec(
        key="job",
        argv=("python", "train.py"),
        env={"A": "ä", "B": ""},
        root=tmp_path / "job",
        role="arn:aws:iam::123456789012:role/r",
        binds=(
            Bind(Path("/env"), "/env"),
            Bind(Path("/x"), "/y", read_only=False),
            Bind(Path("/z"), "/opt/ml/model", read_only=False, apart=True),
        ),
        limits=Limits(cpu=1.5, memory=7, gpus=(0, 2), name="ml.m5.large", share=True),
        listeners=("aws", "egress"),
        port=8080,
        time_limit=1.5,
        banner="scaled",
    )
    tmp_path.joinpath("job").mkdir()
    record.write(spec.root, "spec.json", {"spec": record.to_json(spec)})
    found = record.read(spec.root, "spec.json")
    assert found is not None
    back = record.from_json(found["spec"])
    assert (tuple(back.argv), dict(back.env)) == (spec.argv, spec.env)
    assert {**vars(back), "argv": 0, "env": 0} == {**vars(spec), "argv": 0, "env": 0}


def test_what_is_not_there(tmp_path: Path) -> None:
    assert record.read(tmp_path, "spec.json") is None
    assert record.read(tmp_path / "none", "spec.json") is None
    assert record.ended(tmp_path) is None
    assert not record.held(tmp_path)


def test_a_lock_tells_a_living_shim(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "shim.lock", os.O_RDWR | os.O_CREAT)
    assert not record.held(tmp_path)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert record.held(tmp_path)
    os.close(lock)
    assert not record.held(tmp_path)


def test_a_lost_job_is_never_a_success(tmp_path: Path) -> None:
    record.write(tmp_path, "state.json", {"started": 5.0})
    (tmp_path / "shim.err").write_text("Traceback\nMemoryError: too little\n")
    lost = record.lose(tmp_path, 9.0)
    assert (lost.code, lost.reason, lost.started, lost.ended) == (-9, "lost", 5.0, 9.0)
    assert lost.message.endswith("MemoryError: too little")
    assert record.ended(tmp_path) == lost


@pytest.mark.parametrize("letter", ["x", "é", "😀", '"', "\n"])
def test_an_end_with_long_words_is_recorded_with_their_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    monkeypatch.chdir(tmp_path)
    files.reserve()
    words = "open /data: " + letter * 2000
    ends = {"code": 127, "reason": f"sandbox: {words}", "message": words}
    times = {"started": 1.0, "ended": 2.0, "peak_memory": 3}
    files.settle({**ends, **times})
    found = record.ended(tmp_path)
    assert found is not None
    assert (found.code, found.peak_memory) == (127, 3)
    assert found.message.startswith("open /data: " + letter * 50)
    assert found.reason.startswith("sandbox: open")


def test_a_line_is_cut_between_characters() -> None:
    assert files.line("E two\nlines") == b"E two lines\n"
    cut = files.line("F " + "€" * 1000)
    assert len(cut) <= 2001
    assert set(cut.decode()[2:-1]) == {"€"}
