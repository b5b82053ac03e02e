"""Documents in files and lines: endings, sizes, what is not UTF-8, in blocks of any size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sagebrush.algorithms.comprehend import documents, failures
from sagebrush.algorithms.comprehend.documents import Document, Line


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@given(data=some.binary(max_size=60), size=some.integers(1, 9), limit=some.integers(1, 12))
def test_lines_are_those_of_the_whole_file_however_it_comes(
    data: bytes, size: int, limit: int
) -> None:
    found = list(documents.lines(cut(data, size), limit))
    whole = data.splitlines(keepends=True)
    assert [line.ending for line in found] == [_ending(each) for each in whole]
    for line, each in zip(found, whole, strict=True):
        body = each[: len(each) - len(line.ending)]
        assert line.body == (body if len(body) <= limit else None)


def _ending(line: bytes) -> bytes:
    return next((e for e in (b"\r\n", b"\n", b"\r") if line.endswith(e)), b"")


def test_a_line_separator_of_unicode_ends_no_line() -> None:
    text = "a\u2028b\x0bc\x85d"
    assert [d.text for d in documents.of_lines("f", [text.encode()], 100)] == [text]


def test_each_ending_ends_a_line_and_the_last_needs_none() -> None:
    found = list(documents.of_lines("f", [b"one\ntwo\r\n\rfour"], 100))
    assert [(d.line, d.text, d.ending) for d in found] == [
        (0, "one", "\n"),
        (1, "two", "\r\n"),
        (2, "", "\r"),
        (3, "four", ""),
    ]
    assert [d.error for d in found] == [None, None, failures.EMPTY, None]


def test_no_line_is_no_document() -> None:
    assert list(documents.of_lines("f", [], 100)) == []


def test_the_first_line_that_is_not_utf_8_is_the_last() -> None:
    found = list(documents.of_lines("f", [b"ok\nb\xff\xfe\nnever"], 100))
    assert [d.error and d.error.code for d in found] == [None, "UNSUPPORTED_ENCODING"]
    assert found[1].error == failures.DocumentError(
        "UNSUPPORTED_ENCODING",
        "Document is not in UTF-8 format and all subsequent lines are ignored.",
    )


def test_sizes_count_bytes_and_the_limit_itself_is_allowed() -> None:
    found = list(documents.of_lines("f", ["éé\nééé\n".encode()], 4))
    assert [d.error and d.error.message for d in found] == [
        None,
        "Document size exceeds maximum size limit 4 bytes.",
    ]


def test_a_byte_order_mark_is_a_character_of_the_first_document() -> None:
    first, second = documents.of_lines("f", [b"\xef\xbb\xbfa\nb"], 100)
    assert (first.text, second.text) == ("\ufeffa", "b")


@pytest.mark.parametrize(
    ("data", "text", "code"),
    [
        (b"a\r\nb\n", "a\r\nb\n", None),
        (b"12345678", "12345678", None),
        (b"123456789", "", "DOCUMENT_SIZE_EXCEEDED"),
        (b"a\xff", "", "UNSUPPORTED_ENCODING"),
        (b"", "", "EMPTY_DOCUMENT"),
        (b"\x00 ", "\x00 ", None),
    ],
)
def test_a_file_is_one_document(data: bytes, text: str, code: str | None) -> None:
    found = documents.of_file("f", cut(data, 3), 8)
    assert (found.file, found.line, found.text) == ("f", None, text)
    assert (found.error and found.error.code) == code


def test_of_a_file_that_is_too_large_the_rest_is_not_read() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x" * 9
        raise AssertionError

    assert documents.of_file("f", blocks(), 8) == Document("f", None, error=failures.too_large(8))


def test_of_a_long_line_little_is_held() -> None:
    blocks = [b"x" * 1000] * 50 + [b"\r", b"\nshort"]
    assert list(documents.lines(blocks, 10)) == [Line(None, b"\r\n"), Line(b"short", b"")]
