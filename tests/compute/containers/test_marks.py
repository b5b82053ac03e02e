"""Marks in a container's output."""

from __future__ import annotations

import pytest

from sagebrush.compute.containers.marks import Marks

MARKS = Marks("token")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_marks_come_out_where_they_were_put(size: int) -> None:
    whole = (
        b"one\0\n" + MARKS.made(1) + b"\0token:x\0two" + MARKS.made(22) + MARKS.made(3) + b"\0tok"
    )
    reader, found, text = MARKS.reader(), [], b""
    for at in range(0, len(whole), size):
        for each in reader.take(whole[at : at + size]):
            if isinstance(each, int):
                found.append((text, each))
            else:
                text += each
    assert found == [(b"one\0\n", 1), (b"one\0\n\0token:x\0two", 22), (b"one\0\n\0token:x\0two", 3)]
    assert text + reader.rest() == b"one\0\n\0token:x\0two\0tok"


def test_what_cannot_be_a_mark_does_not_wait() -> None:
    reader = MARKS.reader()
    assert reader.take(b"line\n") == [b"line\n"]
    assert reader.take(b"\0" + b"1" * 50) == [b"\0" + b"1" * 50]
    assert reader.take(b"x\0") == [b"x"]
    assert reader.take(b"y") == [b"\0y"]
    assert reader.rest() == b""
