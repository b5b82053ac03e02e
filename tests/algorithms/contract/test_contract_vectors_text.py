"""The first line of a file of word vectors."""

from __future__ import annotations

import pytest
from contract import vectors_text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"71290 100\n", (71290, 100)),
        (b"3\t2\r\n", (3, 2)),
        (b"the 0.1\n", None),
        (b"7 0.1\n", None),
        (b"7 8 9\n", None),
        (b"-7 8\n", None),
        ("\u0663 2\n".encode(), None),
        (b"\n", None),
    ],
)
def test_a_header_is_two_whole_numbers(line: bytes, told: tuple[int, int] | None) -> None:
    assert vectors_text.header(line) == told
