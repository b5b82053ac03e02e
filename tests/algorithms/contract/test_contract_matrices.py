"""Channels and requests as matrices, and predictions as answers."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import answers, bodies, channels, matrices, record_protobuf, recordio, rows
from contract.channels import Channel
from contract.errors import BadRequest, ClientError
from contract.record_protobuf import Record, Tensor

CSV = "text/csv;label_size=0"
PROTOBUF = "application/x-recordio-protobuf"


def records(*values: list[float]) -> bytes:
    out = io.BytesIO()
    for each in values:
        tensor = Tensor(np.array(each, np.float32))
        recordio.write(out, record_protobuf.encode(Record({"values": tensor}, {})))
    return out.getvalue()


def channel(folder: Path, kind: str, *contents: bytes, **more: str) -> Channel:
    (folder / "train").mkdir()
    for number, content in enumerate(contents):
        (folder / "train" / f"{number}.data").write_bytes(content)
    return channels.read({"train": {"ContentType": kind, **more}}, folder)["train"]


def refused(folder: Path, kind: str, *contents: bytes, width: int | None = None) -> str:
    with pytest.raises(ClientError) as error:
        matrices.read_rows(channel(folder, kind, *contents), width)
    return str(error.value)


def test_csv_of_several_files(tmp_path: Path) -> None:
    found = matrices.read(channel(tmp_path, CSV, b"\xef\xbb\xbf1,2\r\n\r\n3,4", b'"5", 6e0\n', b""))
    assert found.labels is None
    np.testing.assert_array_equal(found.features, [[1, 2], [3, 4], [5, 6]])


def test_csv_with_labels(tmp_path: Path) -> None:
    found = matrices.read(channel(tmp_path, "text/csv; label_size=1", b"1,2,3\n0,4,5\n"))
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_array_equal(found.features, [[2, 3], [4, 5]])


def test_csv_that_does_not_say_label_size_may_have_a_label_as_awss(tmp_path: Path) -> None:
    found, labels = matrices.read_rows(channel(tmp_path, "text/csv", b"9,1,2\n8,3,4\n"), 2)
    assert not isinstance(found, rows.Rows)
    assert labels is not None
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(labels, [9, 8])
    said = channels.read({"train": {"ContentType": CSV}}, tmp_path)["train"]
    with pytest.raises(ClientError, match="3 features where feature_dim is 2"):
        matrices.read_rows(said, 2)


def test_wide_and_almost_empty_csv_is_sparse(tmp_path: Path) -> None:
    lines = b"".join(b",".join([b"0"] * n + [b"2"] + [b"0"] * (299 - n)) + b"\n" for n in range(40))
    found, _ = matrices.read_rows(channel(tmp_path, CSV, lines))
    assert isinstance(found, rows.Rows)
    assert found.columns.tolist() == list(range(40))
    assert set(found.data.tolist()) == {2.0}


def test_records_without_a_content_type(tmp_path: Path) -> None:
    found = matrices.read(channel(tmp_path, "", records([1, 2]), records([3, 4])), 2)
    np.testing.assert_array_equal(found.features, [[1, 2], [3, 4]])
    assert len(found) == 2


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (CSV, b"a,b\n1,2\n", "0.data, line 1, column 1: 'a' is not a number: a file has no header"),
        (CSV, b"1,2\n3\n", "line 2: 1 values where 2 are expected"),
        (CSV, b"1,2\n3,\n", "line 2, column 2: the value is missing"),
        (CSV, b"1,2\n\xff,1\n", "line 2: not UTF-8"),
        (CSV, b"1,2\n1_0,1\n", "cannot be read as numbers"),
        (CSV, b"1,2\n3,nan\n", "Found missing (NaN) values. Please remove any missing (NaN) values"),
        (CSV, b"1,2\n\n3,nan\n", "0.data, line 3"),
        (CSV, b"1,2\n3,inf\n", "Found infinite floating point values"),
        (CSV, b"\n\n", "holds no sample"),
        (CSV, b"", "only empty files"),
        ("text/csv;label_size=2", b"1,2\n", "2 values where 2 are labels"),
        ("text/csv;label_size=x", b"1,2\n", "label_size=x"),
        ("text/csv;label_size=\xb2", b"1,2\n", "label_size=\xb2"),
        (PROTOBUF, b"1,2\n3,4\n", "Requested content-type is 'application/x-recordio-protobuf'. Please"
         " verify the data matches the requested content-type. (caused by ValueError)"),
        (PROTOBUF, records([1, 2], [float("nan"), 1]), "0.data, record 1"),
        (PROTOBUF, records([1, 2])[:-4], "0.data, record 0: the RecordIO stream ends early"),
        ("image/png", b"1", "No iterator has been registered for ContentType ('image/png', '1.0')"),
    ],
)  # fmt: skip
def test_bad_data_is_told(tmp_path: Path, kind: str, content: bytes, words: str) -> None:
    assert words in refused(tmp_path, kind, content)


def test_widths_that_do_not_fit_are_told(tmp_path: Path) -> None:
    assert "2 features where feature_dim is 3" in refused(tmp_path, CSV, b"1,2\n", width=3)
    (tmp_path / "more").mkdir()
    assert "2 and 1 features" in refused(tmp_path / "more", CSV, b"1,2\n", b"1\n")


@pytest.mark.parametrize("wrapped", [False, True])
def test_pipe_mode(tmp_path: Path, wrapped: bool) -> None:
    body = b"1,2\n3,4\n"
    if wrapped:
        out = io.BytesIO()
        for each in (b"1,2\n", b"3,4"):
            recordio.write(out, each)
        body = out.getvalue()
    config = {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO" if wrapped else "None"}
    one = channel(tmp_path, CSV, **config)

    def feed() -> None:
        (tmp_path / "train_0").write_bytes(body)
        os.mkfifo(tmp_path / "train_1")
        (tmp_path / "train_1").write_bytes(body)

    os.mkfifo(tmp_path / "train_0")
    writer = threading.Thread(target=feed)
    writer.start()
    for epoch in (0, 1):
        found = matrices.read(one, epoch=epoch)
        np.testing.assert_array_equal(found.features, [[1, 2], [3, 4]])
    writer.join(10)


def test_channels_are_checked() -> None:
    some = channels.read({"train": {}, "validation": {}}, Path("/nowhere"))
    channels.check(some, optional=("validation",))
    for given, words in (
        ({}, "'train' is a required property"),
        (some, "Additional properties are not allowed ('validation' was unexpected)"),
    ):
        with pytest.raises(ClientError) as error:
            channels.check(given, optional=("test",))
        assert "Failed to validate input data configuration. (caused by ValidationError)" in str(
            error.value
        )
        assert words in str(error.value)
    with pytest.raises(ClientError, match="does not exist"):
        list(some["train"].files())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("1,2\n3,4", "text/csv"),
        ('{"instances": [{"features": [1, 2]}, {"features": [3, 4.0]}]}', "application/json"),
        ('{"instances": [{"data": {"features": {"values": [1, 2]}}}, {"data": {"features": {"values":'
         ' [4, 3], "keys": [1, 0], "shape": [2]}}}]}', "application/json; charset=utf-8"),
        ('{"features": [1, 2]}\n\n{"data": {"features": {"values": [3, 4]}}}\n', "application/jsonlines"),
        (records([1, 2], [3, 4]), PROTOBUF),
    ],
)  # fmt: skip
def test_requests(body: Any, kind: str) -> None:
    found: Any = rows.sparse(bodies.parse(body, kind, 2))
    made = np.zeros((2, 2))
    made[np.repeat([0, 1], np.diff(found.ends)), found.columns] = found.data
    np.testing.assert_array_equal(made, [[1, 2], [3, 4]])


def test_a_sparse_request_of_zeros() -> None:
    found = bodies.parse(
        '{"instances": [{"data": {"features": {"values": [], "keys": [], "shape": [3]}}}]}',
        "application/json",
        3,
    )
    assert isinstance(found, rows.Rows)
    assert (len(found), found.width, len(found.data)) == (1, 3, 0)


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        ("", "text/csv", 400, "no sample"),
        ("a,b", "text/csv", 400, "not CSV of numbers: line 1"),
        ("1,2,3", "text/csv", 400, "3 features where feature_dim is 2"),
        ("1,nan", "text/csv", 400, "Sample 0 holds nan"),
        ('{"features": [1, 1e39]}', "application/jsonlines", 400, "Sample 0 holds inf"),
        ("{", "application/json", 400, "not JSON"),
        ("[1, 2]", "application/json", 400, "must be"),
        ('{"instances": []}', "application/json", 400, "no sample"),
        ('{"instances": [{"x": 1, "y": 2}]}', "application/json", 400, "instances[0] must be"),
        ('{"instances": [{"features": ["a", 1]}]}', "application/json", 400, "list of numbers"),
        ('{"instances": [{"features": [true]}]}', "application/json", 400, "list of numbers"),
        ('{"instances": [{"features": [[1], 2]}]}', "application/json", 400, "list of numbers"),
        ('{"features": {"values": [1], "keys": [7]}}', "application/jsonlines", 400, "feature 7"),
        (
            '{"features": {"values": [1], "keys": [-1]}}',
            "application/jsonlines",
            400,
            "whole numbers",
        ),
        (
            '{"features": {"values": [1, 2], "keys": [1]}}',
            "application/jsonlines",
            400,
            "1 keys for 2",
        ),
        (b"\xff", "application/json", 400, "not JSON"),
        (b"x", PROTOBUF, 400, "not recordIO-protobuf"),
        ("1", "text/plain", 415, "text/plain is not supported"),
    ],
)
def test_bad_requests(body: Any, kind: str, status: int, words: str) -> None:
    with pytest.raises(BadRequest) as error:
        bodies.parse(body, kind, 2)
    assert error.value.status_code == status
    assert words in str(error.value)


def test_answers() -> None:
    some = [{"mix": np.array([0.25, 0.5], np.float32), "n": 1}, {"mix": [1.0, 2.0], "n": 2}]
    body, kind = answers.render(some, "text/html, application/json;verbose=true")
    assert kind == "application/json"
    assert json.loads(body) == {
        "predictions": [{"mix": [0.25, 0.5], "n": 1}, {"mix": [1, 2], "n": 2}]
    }
    assert answers.render(some, "*/*")[1] == "application/json"
    body, kind = answers.render(some, "application/jsonlines")
    assert isinstance(body, str)
    assert [json.loads(line) for line in body.splitlines()] == json.loads(answers.render(some)[0])[
        "predictions"
    ]
    assert answers.render(some, "text/csv", ["mix"]) == ("0.25,0.5\n1.0,2.0\n", "text/csv")
    body, _ = answers.render(some, PROTOBUF, ["mix"])
    assert isinstance(body, bytes)
    [one, _] = [record_protobuf.decode(each) for each in recordio.records(io.BytesIO(body))]
    tensor = one.label["mix"]
    assert isinstance(tensor, Tensor)
    assert (tensor.values.tolist(), list(one.label)) == ([0.25, 0.5], ["mix"])
    with pytest.raises(BadRequest, match="Accept type text/html") as error:
        answers.render(some, "text/html")
    assert error.value.status_code == 406
