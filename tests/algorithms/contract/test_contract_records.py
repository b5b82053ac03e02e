"""recordIO-protobuf: what the SDK writes is read, what we write is read, and nothing else is."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import record_protobuf, record_rows, recordio, rows
from contract.errors import ClientError
from contract.record_protobuf import Record, Tensor

from sagebrush.companion import recordio as companion

SDK: dict[str, Any] = json.loads(Path(__file__).with_name("sdk_records.json").read_text())


def framed(*payloads: bytes) -> bytes:
    out = io.BytesIO()
    for payload in payloads:
        recordio.write(out, payload)
    return out.getvalue()


def of(values: Any, keys: Any = None, shape: tuple[int, ...] = (), kind: str = "float32") -> Record:
    places = None if keys is None else np.array(keys, np.uint64)
    return Record({"values": Tensor(np.array(values, kind), places, shape)}, {})


def matrix(*records: Record) -> Any:
    data = framed(*map(record_protobuf.encode, records))
    return rows.joined([features for features, _ in record_rows.parts(io.BytesIO(data))], None)


def whole(found: Any) -> Any:
    if not isinstance(found, rows.Rows):
        return found
    made = np.zeros((len(found), found.width), np.float32)
    row = np.repeat(np.arange(len(found)), np.diff(found.ends))
    made[row, found.columns] = found.data
    return made


@pytest.mark.parametrize("name", SDK)
def test_the_sdks_records_are_read(name: str) -> None:
    case = SDK[name]
    data = base64.b64decode(case["bytes"])
    [(features, labels)] = record_rows.parts(io.BytesIO(data))
    expected = np.zeros((len(features), case["width"]), np.float32)
    for row, column, value in case["entries"]:
        expected[row, column] = value
    assert isinstance(features, rows.Rows) == name.startswith("sparse")
    np.testing.assert_array_equal(whole(features), expected)
    if case["labels"] is None:
        assert labels is None
    else:
        np.testing.assert_array_equal(labels, np.array(case["labels"], np.float32))
    decoded = [record_protobuf.decode(p) for p in recordio.records(io.BytesIO(data))]
    tensor = decoded[0].features["values"]
    assert isinstance(tensor, Tensor)
    assert tensor.values.dtype == {"int64": "int32"}.get(case["type"], case["type"])


@pytest.mark.parametrize("name", SDK)
def test_written_as_the_sdk_writes(name: str) -> None:
    data = base64.b64decode(SDK[name]["bytes"])
    payloads = list(recordio.records(io.BytesIO(data)))
    again = [record_protobuf.encode(record_protobuf.decode(payload)) for payload in payloads]
    # An array's shape is written packed here, and read in both forms.
    decoded = [str(record_protobuf.decode(each)) for each in again]
    assert decoded == [str(record_protobuf.decode(each)) for each in payloads]
    if name == "float32":
        assert framed(*again) == data


def test_all_parts_of_a_record() -> None:
    record = Record(
        {"a": Tensor(np.array([1, -5], np.int32), None, ()), "b": b"\0\xff"},
        {"é": Tensor(np.arange(6, dtype=np.float64), None, (2, 3))},
        "uid", "metadata", "configuration",
    )  # fmt: skip
    found = record_protobuf.decode(record_protobuf.encode(record))
    assert str(found) == str(record)


def test_numbers_one_by_one_and_unknown_fields() -> None:
    # Float32Tensor{values: [1.0], keys: [300], shape: [400]}, unpacked, and a field 15 that we lack.
    inner = b"\x0d\x00\x00\x80\x3f" + b"\x10\xac\x02" + b"\x18\x90\x03" + b"\x78\x01"
    value = b"\x12" + bytes([len(inner)]) + inner
    entry = b"\x0a\x06values" + b"\x12" + bytes([len(value)]) + value
    payload = b"\x0a" + bytes([len(entry)]) + entry + b"\x7a\x01x" + b"\x71" + bytes(8)
    tensor = record_protobuf.decode(payload).features["values"]
    assert isinstance(tensor, Tensor)
    assert tensor.keys is not None
    assert (tensor.values.tolist(), tensor.keys.tolist(), tensor.shape) == ([1.0], [300], (400,))


def test_varints() -> None:
    numbers = [0, 1, 127, 128, 300, 2**21, 2**32, 2**63, 2**64 - 1] * 3
    packed = b"".join(map(record_protobuf._as_varint, numbers))
    assert record_protobuf.varints(packed).tolist() == numbers
    for bad in (packed[:-1], b"\x80", b"\xff" * 11 + b"\0"):
        with pytest.raises(ClientError):
            record_protobuf.varints(bad)


def test_records_of_zeros_dense_ones_and_sparse_ones_in_one_file() -> None:
    found = matrix(of([], [], (4,)), of([1, 2], [3, 0], (4,)), of([1, 2, 3, 4]))
    assert isinstance(found, rows.Rows)
    np.testing.assert_array_equal(whole(found), [[0, 0, 0, 0], [2, 0, 0, 1], [1, 2, 3, 4]])


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([of([1, 2]), of([1])], "record 1: 1 values where 2"),
        ([of([1, 2], None, (3,))], "record 0: 2 values where 3"),
        ([of([1], [5], (5,))], "record 0: key 5 where the shape is [5]"),
        ([of([1], [2**64 - 1])], "record 0: key 18446744073709551615 where the shape"),
        ([of([1], [1], (2**63,))], "record 0: the shape is [9223372036854775808]"),
        ([of([1, 2], [5], (9,))], "record 0: 1 keys for 2 values"),
        ([Record({"values": b"x"}, {})], "no tensor of numbers"),
        ([Record({}, {})], "no feature 'values'"),
    ],
)
def test_records_that_do_not_fit_are_told(records: list[Record], words: str) -> None:
    with pytest.raises(ClientError) as error:
        matrix(*records)
    assert words in str(error.value)


def test_every_damage_is_the_users_error() -> None:
    chance = random.Random(0)
    good = [
        p for c in SDK.values() for p in recordio.records(io.BytesIO(base64.b64decode(c["bytes"])))
    ]
    refused = 0
    for payload in good:
        for _ in range(60):
            bad = bytearray(payload[: chance.randrange(len(payload) + 1)])
            for _ in range(chance.randrange(3)):
                if bad:
                    bad[chance.randrange(len(bad))] = chance.randrange(256)
            try:
                record_protobuf.decode(bytes(bad))
                list(record_rows.parts(io.BytesIO(framed(bytes(bad)))))
            except ClientError:
                refused += 1
    assert refused > 300


def test_recordio_is_the_companions() -> None:
    magic = recordio.MAGIC
    payloads = [b"", b"a", b"abcd" + magic + b"e" + magic, magic, b"x" + magic * 2]
    theirs = b"".join(b"".join(companion.record(payload)) for payload in payloads)
    assert framed(*payloads) == theirs
    assert list(recordio.records(io.BytesIO(theirs))) == payloads


@pytest.mark.parametrize(
    "data", [b"1,2,3\n4,5,6\n", framed(b"abcdefgh")[:-4], recordio.MAGIC, framed(b"a") + b"\0"]
)
def test_streams_that_are_no_recordio_are_told(data: bytes) -> None:
    with pytest.raises(ClientError, match="record"):
        list(recordio.records(io.BytesIO(data)))


def test_numpy_without_types_of_arrays_reads_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was before 1.20, in the environments of old images."""
    folder = Path(record_rows.__file__).parent
    spec = importlib.util.spec_from_file_location(
        "contract_of_old", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec
    monkeypatch.setitem(sys.modules, "contract_of_old", importlib.util.module_from_spec(spec))
    monkeypatch.setitem(sys.modules, "numpy.typing", None)
    for name in ("matrices", "record_rows", "ndarrays"):
        importlib.import_module(f"contract_of_old.{name}")
    again = sys.modules["contract_of_old.record_rows"]
    [(features, _)] = again.parts(io.BytesIO(base64.b64decode(next(iter(SDK.values()))["bytes"])))
    assert len(features)
