"""Objects cut into records and packed into requests, whatever the pieces that they come in."""

from __future__ import annotations

import gzip
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.companion import recordio
from sagebrush.companion.transform import records
from sagebrush.companion.transform.records import Cut, Payload

MAGIC = recordio.MAGIC


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tfrecord(data: bytes) -> bytes:
    """The data as TensorFlow writes it."""

    def masked(some: bytes) -> bytes:
        crc = crc32c(some)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    head = struct.pack("<Q", len(data))
    return head + masked(head) + data + masked(data)


def framed(data: bytes) -> bytes:
    return b"".join(recordio.record(data))


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[n : n + size] for n in range(0, len(data), size)]


def bodies(found: list[Payload]) -> list[bytes]:
    return [each.body for each in found]


def cut(data: bytes, split: str, strategy: str, limit: int | None, size: int = 3) -> list[Payload]:
    return list(Cut(split, strategy, limit).payloads(pieces(data, size)))


LINES = b"one\ntwo\n\nthree\r\n\r\nfour"


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_lines_one_by_one(size: int) -> None:
    found = cut(LINES, "Line", "SingleRecord", 100, size)
    assert bodies(found) == [b"one", b"two", b"three\r", b"four"]
    assert [each.first for each in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        (7, [(b"one\ntwo", 1, 2), (b"three\r", 3, 1), (b"four", 4, 1)]),
        (100, [(b"one\ntwo\nthree\r\nfour", 1, 4)]),
    ],
)
def test_lines_packed(size: int, limit: int, wanted: list[tuple[bytes, int, int]]) -> None:
    found = cut(LINES, "Line", "MultiRecord", limit, size)
    assert [(each.body, each.first, each.count) for each in found] == wanted


@given(
    st.lists(st.binary(min_size=1, max_size=6).filter(lambda b: b"\n" not in b and b != b"\r")),
    st.integers(6, 30),
    st.integers(1, 9),
    st.booleans(),
)
def test_no_line_is_lost_and_no_payload_too_large(
    some: list[bytes], limit: int, size: int, ended: bool
) -> None:
    data = b"\n".join(some) + (b"\n" if ended and some else b"")
    if data.endswith(b"\r"):  # "x\n\r": the last line is blank by itself
        data += b"x"
        some[-1] += b"x"
    if any(len(line) > limit for line in some):
        return
    for apart in (False, True):
        found = list(Cut("Line", "MultiRecord", limit, apart=apart).payloads(pieces(data, size)))
        assert b"\n".join(bodies(found)).split(b"\n") == (some or [b""])
        assert all(len(each.body) <= limit for each in found)
        assert sum(each.count for each in found) == len(some)
        if apart:
            assert [part for each in found for part in each.parts] == some


@given(st.lists(st.sampled_from([MAGIC, b"a", b"", b"bb" + MAGIC, MAGIC * 2 + b"c"])),
       st.integers(1, 40))  # fmt: skip
def test_recordio_is_cut_as_it_was_written(some: list[bytes], size: int) -> None:
    data = b"".join(framed(each) for each in some)
    assert bodies(cut(data, "RecordIO", "SingleRecord", None, size)) == some
    assert b"".join(bodies(cut(data, "RecordIO", "MultiRecord", 64, size))) == data


@given(st.lists(st.binary(max_size=9)), st.integers(1, 40))
def test_tfrecords_are_cut_as_they_were_written(some: list[bytes], size: int) -> None:
    data = b"".join(tfrecord(each) for each in some)
    assert bodies(cut(data, "TFRecord", "SingleRecord", None, size)) == some
    found = cut(data, "TFRecord", "MultiRecord", 50, size)
    assert b"".join(bodies(found)) == data
    assert all(len(each.body) <= 50 for each in found)


def test_what_wraps_a_record_is_left_away_of_single_ones_alone() -> None:
    data = framed(b"abcde") + framed(b"f")
    assert bodies(cut(data, "RecordIO", "SingleRecord", 100)) == [b"abcde", b"f"]
    assert bodies(cut(data, "RecordIO", "MultiRecord", 100)) == [data]
    assert bodies(cut(data, "RecordIO", "MultiRecord", 16)) == [data[:16], data[16:]]


@pytest.mark.parametrize(
    ("data", "split", "why"),
    [
        (b"no magic", "RecordIO", "begins at byte 0"),
        (b"\n", "RecordIO", "begins at byte 0"),
        (framed(b"abcd")[:-1], "RecordIO", "cut off"),
        (framed(b"abc")[:-1], "RecordIO", "cut off"),
        (framed(b"abcd" + MAGIC)[:12], "RecordIO", "cut off"),
        (framed(b"abcd" + MAGIC)[12:], "RecordIO", "out of order"),
        (framed(b"a") + b"x", "RecordIO", "begins at byte 12"),
        (b"12345678abcd", "TFRecord", "begins at byte 0"),
        (tfrecord(b"abc")[:-1], "TFRecord", "cut off"),
        (tfrecord(b"abc") + b"z", "TFRecord", "begins at byte 19"),
    ],
)
def test_what_is_not_in_its_format(data: bytes, split: str, why: str) -> None:
    with pytest.raises(records.Broken, match=why):
        cut(data, split, "SingleRecord", 100)


@pytest.mark.parametrize(
    ("data", "split", "strategy", "number"),
    [
        (b"a\nbb\nccccc\n", "Line", "SingleRecord", 3),
        (b"a\nbb\nccccc\n", "Line", "MultiRecord", 3),
        (b"ccccc", "Line", "MultiRecord", 1),
        (b"ccccc", "None", "MultiRecord", 1),
        (framed(b"") + framed(b"ccccc"), "RecordIO", "SingleRecord", 2),
        (framed(b"ccccc"), "RecordIO", "MultiRecord", 1),
        (tfrecord(b"a") + tfrecord(b"ccccc"), "TFRecord", "SingleRecord", 2),
    ],
)
def test_a_record_that_is_larger_than_a_payload(
    data: bytes, split: str, strategy: str, number: int
) -> None:
    with pytest.raises(records.TooLarge) as caught:
        cut(data, split, strategy, 4)
    assert caught.value.number == number
    assert "MaxPayloadInMB" in str(caught.value)


@pytest.mark.parametrize("split", ["None", "Line", "RecordIO", "TFRecord"])
@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_an_empty_object_has_no_request(split: str, strategy: str) -> None:
    assert cut(b"", split, strategy, 10) == []


def test_an_object_that_is_not_cut_is_one_request() -> None:
    assert cut(b"any\n\nthing", "None", "MultiRecord", 10) == [
        Payload(b"any\n\nthing", 1, 1, (b"any\n\nthing",))
    ]


def test_what_is_sent_may_be_a_part_of_each_record() -> None:
    job = Cut("Line", "MultiRecord", 5, lambda record: record[:2], apart=True)
    found = list(job.payloads([b"abcdefgh\nijk\nlmnop\n"]))
    assert [(each.body, each.parts) for each in found] == [
        (b"ab\nij", (b"abcdefgh", b"ijk")),
        (b"lm", (b"lmnop",)),
    ]
    one = Cut("Line", "SingleRecord", 5, lambda record: record[:2], apart=True)
    assert [(each.body, each.parts) for each in one.payloads([b"abcdefgh\nijk"])] == [
        (b"ab", (b"abcdefgh",)),
        (b"ij", (b"ijk",)),
    ]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.integers(1, 50))
def test_gzip_is_unpacked_as_it_streams(members: list[bytes], size: int) -> None:
    packed = b"".join(gzip.compress(each, mtime=0) for each in members)
    assert b"".join(records.gunzipped(pieces(packed, size))) == b"".join(members)


def test_a_small_gzip_file_of_much_stays_in_small_pieces() -> None:
    packed = gzip.compress(bytes(20 << 20), mtime=0)
    found = [len(each) for each in records.gunzipped([packed])]
    assert sum(found) == 20 << 20
    assert max(found) <= 1 << 20


@pytest.mark.parametrize(
    "data", [b"plain text", gzip.compress(b"abc", mtime=0)[:-3], gzip.compress(b"a", mtime=0)[:5]]
)
def test_what_is_not_gzip(data: bytes) -> None:
    with pytest.raises(records.Broken, match="gzip"):
        list(records.gunzipped([data]))


def test_padding_after_gzip_is_no_member() -> None:
    assert b"".join(records.gunzipped([gzip.compress(b"a", mtime=0), bytes(10)])) == b"a"
