"""The training program: what it stores, in which order, and what it stores of a training that was stopped."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagebrush.algorithms.comprehend import program
from sagebrush.algorithms.comprehend.custom import archive, order, train, uploads
from sagebrush.algorithms.comprehend.custom.order import Order
from sagebrush.algorithms.comprehend.custom.trained import Trained
from sagebrush.algorithms.comprehend.failures import JobFailed
from sagebrush.algorithms.comprehend.program import Stopped
from tests.algorithms.comprehend.fake_s3 import Client, storage

OUTPUT = "out/1-CLR-x/output/output.tar.gz"
ORDER = Order(
    "document-classifier", "en", "MULTI_CLASS", {}, ("b", OUTPUT), "http://s/m?X=1", "http://s/d"
)
TRAINED = Trained(
    {"NumberOfLabels": 2},
    {"custom.json": b"{}", "classifier.npz": b"arrays"},
    {"output/confusion_matrix.json": b"[]"},
)


class Bucket:
    """Takes uploads beside a client, and remembers in which order they came."""

    def __init__(self) -> None:
        self.client = Client({})
        self.uploads: dict[str, bytes] = {}
        self.seen: list[int] = []

    def upload(self, url: str, file: Path) -> None:
        self.seen.append(len(self.client.objects))
        self.uploads[url] = file.read_bytes()


def names(body: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(body)) as opened:
        for member in opened:
            file = opened.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAGEBRUSH_MODELS", str(tmp_path))


def done(bucket: Bucket, trained: Any, folder: Path, asked: Order = ORDER, **more: Any) -> None:
    def trainer(*_: Any) -> Trained:
        if isinstance(trained, Exception):
            raise trained
        return trained

    stopping = more.get("stopping", lambda: False)
    train.done(asked, trainer, storage(bucket.client), folder, stopping, bucket.upload)


def test_the_users_output_the_model_and_last_its_metadata_are_stored(tmp_path: Path) -> None:
    bucket = Bucket()
    done(bucket, TRAINED, tmp_path)
    assert names(bucket.client.objects[OUTPUT]) == TRAINED.outputs
    assert list(bucket.uploads) == [ORDER.model, ORDER.metadata]
    assert bucket.seen == [1, 1]
    assert names(bucket.uploads[ORDER.model]) == TRAINED.model
    assert json.loads(bucket.uploads[ORDER.metadata]) == {"NumberOfLabels": 2}


def test_a_warning_is_in_the_metadata(tmp_path: Path) -> None:
    bucket = Bucket()
    warned = Trained({"NumberOfLabels": 2}, TRAINED.model, {}, "2 documents were skipped.")
    asked = Order("document-classifier", "en", "MULTI_CLASS", {}, None, "m", "d")
    done(bucket, warned, tmp_path, asked)
    assert json.loads(bucket.uploads["d"])["Warning"] == "2 documents were skipped."
    assert bucket.client.objects == {}


@pytest.mark.parametrize("trained", [TRAINED, Stopped()])
def test_a_training_that_was_stopped_stores_nothing(trained: Any, tmp_path: Path) -> None:
    bucket = Bucket()
    with pytest.raises(Stopped):
        done(bucket, trained, tmp_path, stopping=lambda: True)
    assert (bucket.client.objects, bucket.uploads) == ({}, {})


def test_a_missing_model_file_is_told_by_its_name(tmp_path: Path) -> None:
    missing = FileNotFoundError(2, "No such file", "/models/encoder.onnx")
    with pytest.raises(
        JobFailed, match=r"MODEL_NOT_AVAILABLE: The model file encoder\.onnx is not"
    ):
        done(Bucket(), missing, tmp_path)


def test_an_output_that_is_refused_leaves_no_model(tmp_path: Path) -> None:
    bucket = Bucket()
    bucket.client.denied = {"put"}
    with pytest.raises(JobFailed, match="NO_WRITE_ACCESS_TO_OUTPUT"):
        done(bucket, TRAINED, tmp_path)
    assert bucket.uploads == {}


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    one = archive.packed({"a": b"1", "b": b"2"}, tmp_path / "one").read_bytes()
    assert archive.packed({"b": b"2", "a": b"1"}, tmp_path / "two").read_bytes() == one


def test_the_server_is_asked_at_its_address_with_the_host_that_was_signed() -> None:
    url = "https://b.s3.example.com/models/k%20y/model.tar.gz?X-Amz-Signature=a%2Fb"
    assert uploads.addressed(url, "http://127.0.0.1:4000") == (
        "http://127.0.0.1:4000/models/k%20y/model.tar.gz?X-Amz-Signature=a%2Fb",
        "b.s3.example.com",
    )
    assert uploads.addressed(url, "") == (url, "b.s3.example.com")


def test_a_stop_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEBRUSH_ML", str(tmp_path))

    def work(folder: Path, stopping: program.Stopping) -> None:
        assert folder.is_dir()
        assert not stopping()
        raise Stopped

    assert program.framed(work) == 0
    assert not (tmp_path / "output").exists()


def test_the_arguments_tell_the_order() -> None:
    told = {
        "Kind": ORDER.kind,
        "LanguageCode": "en",
        "Mode": "MULTI_CLASS",
        "InputDataConfig": {},
        "Output": {"Bucket": "b", "Key": OUTPUT},
        "Model": ORDER.model,
        "Metadata": ORDER.metadata,
    }
    text = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
    assert order.read([text[:9], text[9:]]) == ORDER
