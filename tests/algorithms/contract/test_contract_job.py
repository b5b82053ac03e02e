"""The frame around an algorithm's training, its log lines, and MXNet's files of arrays."""

from __future__ import annotations

import errno
import io
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import job, log, ndarrays
from contract.errors import AlgorithmError, ClientError
from contract.job import Job


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text('{"k": "5"}')
    (config / "inputdataconfig.json").write_text(
        json.dumps(
            {"train": {"ContentType": "Text/CSV; label_size=0", "TrainingInputMode": "Pipe"}}
        )
    )
    (config / "resourceconfig.json").write_text(
        json.dumps({"current_host": "algo-2", "hosts": ["algo-2", "algo-1"]})
    )
    monkeypatch.setenv("SAGEBRUSH_ML", str(tmp_path))
    monkeypatch.setattr(job.signal, "signal", lambda *_: None)
    return tmp_path


def test_a_job_is_read(root: Path) -> None:
    found = job.read(root)
    assert (found.host, found.hosts) == ("algo-2", ("algo-1", "algo-2"))
    assert dict(found.hyperparameters) == {"k": "5"}
    train = found.channel("train")
    assert (train.content_type, train.parameters, train.streamed) == (
        "text/csv",
        {"label_size": "0"},
        True,
    )
    with pytest.raises(ClientError, match="'test' is a required property"):
        found.channel("test")
    assert found.model.is_dir()
    assert found.output == root / "output" / "data"
    cpus, memory = found.resources()
    assert cpus >= 1
    assert memory > 1 << 20


def test_a_job_without_configuration_is_read(tmp_path: Path) -> None:
    assert job.read(tmp_path).hosts == ("algo-1",)


def test_the_platforms_memory_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEBRUSH_MEMORY", "12345")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert job.read(root).resources() == (3, 12345)


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (ClientError("no"), 2, "ClientError: no"),
        (AlgorithmError("bad"), 1, "AlgorithmError: bad"),
        (KeyError("x"), 1, "AlgorithmError: KeyError: 'x'"),
        (MemoryError(), 2, "ClientError: Out of memory: the instance has"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            2,
            "ClientError: Out of memory",
        ),
        (ClientError("long" * 1000), 2, "ClientError: long"),
        (ClientError("a file's name \udcff"), 2, "ClientError: a file's name ?"),
        (OSError(errno.ENOSPC, "No space"), 2, "ClientError: No space left on device (["),
    ],
)
def test_failures(root: Path, raised: Exception, status: int, words: str) -> None:
    def train(_job: Job) -> None:
        raise raised

    assert job.run(train) == status
    written = (root / "output" / "failure").read_text()
    assert written.startswith(words)
    assert len(written) <= 1024


def test_a_reason_that_cannot_be_written_does_not_change_the_status(root: Path) -> None:
    def train(_job: Job) -> None:
        raise ClientError("no")

    (root / "output").write_text("no folder")
    assert job.run(train) == 2


def test_configuration_that_is_no_json_is_told(root: Path) -> None:
    (root / "input" / "config" / "hyperparameters.json").write_text("{")
    assert job.run(lambda _job: None) == 2


def test_success(root: Path) -> None:
    def train(one: Job) -> None:
        (one.model / "x").write_text("y")

    assert job.run(train) == 0
    assert not (root / "output" / "failure").exists()


def test_the_lines_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    log.quality("train total_loss", 7.35, "algo-1", epoch=0)
    log.quality("validation accuracy", 0.5, "algo-1", kind="score")
    log.progress("algo-1", 2.0)
    log.throughput("algo-1", 581.5)
    log.metrics(
        {"update.time": 3}, started=1.0, host="algo-1", algorithm="AWS/NTM", dimensions={"epoch": 1}
    )
    one, two, three, four, five, _ = capsys.readouterr().out.splitlines()
    form = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] "
    expected = [
        "#quality_metric: host=algo-1, epoch=0, train total_loss <loss>=7.35",
        "#quality_metric: host=algo-1, validation accuracy <score>=0.5",
        "#progress_metric: host=algo-1, completed 2.0 % of epochs",
        "#throughput_metric: host=algo-1, train throughput=581.5 records/second",
    ]
    for line, text in zip([one, two, three, four], expected, strict=True):
        assert re.fullmatch(form + re.escape(text), line)
    document = json.loads(five.removeprefix("#metrics "))
    assert document["Metrics"] == {"update.time": {"sum": 3.0, "count": 1, "min": 3, "max": 3}}
    assert document["Dimensions"] == {
        "Algorithm": "AWS/NTM", "Host": "algo-1", "Operation": "training", "epoch": 1,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "u1", "i4", "i1", "i8"])
def test_arrays_are_written_and_read(tmp_path: Path, kind: str) -> None:
    one = np.arange(6).reshape(2, 3).astype(kind)
    ndarrays.save(tmp_path / "model", {"beta": one, "alpha": one[0]})
    found = ndarrays.load(tmp_path / "model")
    assert isinstance(found, dict)
    assert list(found) == ["beta", "alpha"]
    assert found["beta"].dtype == one.dtype
    np.testing.assert_array_equal(found["beta"], one)
    out = io.BytesIO()
    ndarrays.save(out, [one])
    again: Any = ndarrays.load(io.BytesIO(out.getvalue()))
    np.testing.assert_array_equal(again[0], one)


def test_the_bytes_are_mxnets() -> None:
    out = io.BytesIO()
    ndarrays.save(out, {"w": np.array([[1.0, 2.0]], np.float32)})
    assert out.getvalue() == b"".join(
        [
            struct.pack("<QQQ", 0x112, 0, 1),
            struct.pack("<Ii", 0xF993FAC9, 0), struct.pack("<Iqq", 2, 1, 2),
            struct.pack("<iii", 1, 0, 0), struct.pack("<ff", 1, 2),
            struct.pack("<QQ", 1, 1), b"w",
        ]
    )  # fmt: skip


def test_arrays_of_older_versions() -> None:
    data, end = struct.pack("<iiiff", 1, 0, 0, 1, 2), struct.pack("<Q", 0)
    head = struct.pack("<QQQ", 0x112, 0, 1)
    for shape in (struct.pack("<IIq", 0xF993FAC8, 1, 2), struct.pack("<II", 1, 2)):
        found: Any = ndarrays.load(io.BytesIO(head + shape + data + end))
        assert found[0].tolist() == [1, 2]


@pytest.mark.parametrize("data", [b"", b"x" * 40, struct.pack("<QQQI", 0x112, 0, 1, 77)])
def test_files_that_hold_no_arrays(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"array|early"):
        ndarrays.load(io.BytesIO(data))


def test_arrays_that_mxnet_cannot_hold() -> None:
    for bad in (np.zeros(0), np.array(1.0), np.array([1j])):
        with pytest.raises(ValueError, match="MXNet"):
            ndarrays.save(io.BytesIO(), [bad])
