"""RecordIO as the platform writes it, read by a reader of the tests' own."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_reader import records

from sagebrush.companion import recordio

MAGIC = struct.pack("<I", 0xCED7230A)


def test_a_record_is_magic_length_data_and_padding() -> None:
    assert b"".join(recordio.record(b"abcde")) == MAGIC + b"\x05\0\0\0abcde\0\0\0"
    assert b"".join(recordio.record(b"")) == MAGIC + b"\0\0\0\0"


def test_data_is_cut_at_the_magic_number_where_it_is_aligned() -> None:
    made = b"".join(recordio.record(b"aaaa" + MAGIC + b"b"))
    first, last = struct.pack("<I", 1 << 29 | 4), struct.pack("<I", 3 << 29 | 1)
    assert made == MAGIC + first + b"aaaa" + MAGIC + last + b"b\0\0\0"
    unaligned = b"aa" + MAGIC + b"bb"
    assert b"".join(recordio.record(unaligned)) == MAGIC + struct.pack("<I", 8) + unaligned


@given(
    st.lists(st.lists(st.sampled_from([MAGIC, b"a", b"bb", b"\0\0\0"]), max_size=12), max_size=5)
)
def test_records_are_read_as_they_were(parts: list[list[bytes]]) -> None:
    wanted = [b"".join(some) for some in parts]
    assert records(b"".join(b"".join(recordio.record(data)) for data in wanted)) == wanted


def test_large_and_random_data() -> None:
    chance = random.Random(4)
    data = chance.randbytes(1 << 20) + MAGIC * 3 + chance.randbytes(3)
    assert records(b"".join(recordio.record(data))) == [data]


def test_what_has_no_room_in_a_record_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordio, "LARGEST", 7)
    with pytest.raises(recordio.TooLarge):
        recordio.record(b"12345678")
