"""Segments, their index, and reading them while they grow and go."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.compute.shim import log as joblog
from sagebrush.compute.shim.log import Writer


def read(place: Path, offset: int = 0, limit: int = 1000, ended: bool = False) -> list[bytes]:
    return [line for _, _, _, line in joblog.read(str(place), offset, limit, ended)]


def test_lines_have_the_time_of_the_block_they_start_in(tmp_path: Path) -> None:
    log = Writer(str(tmp_path), 1 << 20)
    log.write(b"one\ntw", 1000)
    log.write(b"o\nthree\n", 2000)
    assert joblog.read(str(tmp_path), 0, 9, False) == [
        (0, 4, 1000, b"one"),
        (4, 8, 1000, b"two"),
        (8, 14, 2000, b"three"),
    ]


def test_time_never_goes_back(tmp_path: Path) -> None:
    log = Writer(str(tmp_path), 1 << 20)
    log.write(b"one\n", 2000)
    log.write(b"two\n", 1000)
    assert [ms for _, _, ms, _ in joblog.read(str(tmp_path), 0, 9, False)] == [2000, 2000]


def test_an_unfinished_line_waits_until_the_end(tmp_path: Path) -> None:
    log = Writer(str(tmp_path), 1 << 20)
    log.write(b"one\ntwo", 1)
    assert read(tmp_path) == [b"one"]
    assert read(tmp_path, ended=True) == [b"one", b"two"]
    log.write(b" more\n", 2)
    assert read(tmp_path, 4) == [b"two more"]


def test_reading_goes_on_from_where_it_ended(tmp_path: Path) -> None:
    log = Writer(str(tmp_path), 1 << 16)
    log.write(b"".join(b"line %05d\n" % number for number in range(4000)), 1)
    lines: list[bytes] = []
    offset = 0
    while found := joblog.read(str(tmp_path), offset, 7, False):
        lines += [line for _, _, _, line in found]
        offset = found[-1][1]
    assert lines == [b"line %05d" % number for number in range(4000)]


def test_a_line_is_not_cut_by_rotation(tmp_path: Path) -> None:
    log = Writer(str(tmp_path), 1 << 16)
    for number in range(20000):
        log.write(b"%07d\n" % number, number)
    lines = read(tmp_path, limit=100000)
    assert all(len(line) == 7 for line in lines)
    assert int(lines[-1]) == 19999
    starts = joblog.segments(str(tmp_path))
    assert starts[0] > 0
    assert all(start % 8 == 0 for start in starts)


def test_old_segments_go_and_their_offsets_are_skipped(tmp_path: Path) -> None:
    log = Writer(str(tmp_path), 1 << 16)
    log.write(b"x" * 99 + b"\n", 1)
    for _ in range(3000):
        log.write(b"y" * 99 + b"\n", 2)
    first = joblog.read(str(tmp_path), 0, 1, False)[0]
    assert first[0] == joblog.segments(str(tmp_path))[0] > 0
    size = sum(path.stat().st_size for path in tmp_path.glob("log.*"))
    assert size <= (1 << 16) + 2 * log.segment
    assert len(list(tmp_path.glob("idx.*"))) == len(list(tmp_path.glob("log.*")))


@pytest.mark.parametrize("size", [joblog.BLOCK - 1, joblog.BLOCK, 3 * joblog.BLOCK + 5])
def test_a_line_without_end_comes_in_pieces(tmp_path: Path, size: int) -> None:
    log = Writer(str(tmp_path), 64 << 20)
    log.write(b"z" * size, 1)
    log.write(b"\nnext\n", 2)
    lines = read(tmp_path)
    assert b"".join(lines[:-1]) == b"z" * size
    assert lines[-1] == b"next"
    assert max(map(len, lines)) <= joblog.BLOCK


def test_bytes_that_are_no_text_and_empty_lines(tmp_path: Path) -> None:
    log = Writer(str(tmp_path), 1 << 20)
    log.write(b"\n\xff\xfe\r\n\n", 1)
    assert read(tmp_path) == [b"", b"\xff\xfe", b""]


def test_nothing_there(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []
    Writer(str(tmp_path), 1 << 20).close()
    assert read(tmp_path, ended=True) == []


def test_a_log_that_has_ended_is_gone_on_with(tmp_path: Path) -> None:
    joblog.append(str(tmp_path), 1 << 20, b"of a job that never ran\n", 1)
    assert read(tmp_path, ended=True) == []
    log = Writer(str(tmp_path), 1 << 20)
    log.write(b"one\ntwo, unfinished", 1000)
    log.close()
    joblog.append(str(tmp_path), 1 << 20, b"told\n", 2000)
    joblog.append(str(tmp_path), 1 << 20, b"", 3000)
    joblog.append(str(tmp_path), 1 << 20, b"told again\n", 3000)
    found = joblog.read(str(tmp_path), 0, 9, True)
    assert [(ms, line) for _, _, ms, line in found] == [
        (1000, b"one"),
        (1000, b"two, unfinished"),
        (2000, b"told"),
        (3000, b"told again"),
    ]


def test_where_a_log_ends(tmp_path: Path) -> None:
    assert joblog.end(str(tmp_path)) == joblog.end(str(tmp_path / "none")) == 0
    writer = joblog.Writer(str(tmp_path), 1 << 16)
    for number in range(3000):  # more than is kept
        writer.write(b"%050d\n" % number, number)
    writer.close()
    assert len(joblog.segments(str(tmp_path))) > 1
    assert joblog.end(str(tmp_path)) == 3000 * 51
