"""Reading a job's log from any offset: every line once, none twice, none cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.compute.shim import log as joblog


def write(directory: Path, data: bytes) -> None:
    writer = joblog.Writer(str(directory), 1 << 30)
    writer.write(data, 1000)


def read(directory: Path, offset: int, limit: int = 1000) -> list[bytes]:
    return [line for _, _, _, line in joblog.read(str(directory), offset, limit, True)]


def test_only_lines_that_start_at_or_after_the_offset(tmp_path: Path) -> None:
    write(tmp_path, b"one\ntwo\n\nlast")
    starts = {0: b"one", 4: b"two", 8: b"", 9: b"last"}
    for offset in range(14):
        expected = [text for start, text in starts.items() if start >= offset]
        assert read(tmp_path, offset) == expected, offset


@pytest.mark.parametrize("step", ["end", "next byte"])
def test_paging_gives_each_line_once(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblog, "BLOCK", 8)
    write(tmp_path, b"a\n" + b"0123456789abcdefXYZ\n" + b"\n" + b"bb\n" + b"01234567\n" + b"tail")
    whole = read(tmp_path, 0)
    assert b"".join(whole) == b"a0123456789abcdefXYZbb01234567tail"
    got, offset = [], 0
    while page := joblog.read(str(tmp_path), offset, 1, True):
        ((start, end, _, text),) = page
        got.append(text)
        offset = end if step == "end" else start + 1
    assert got == whole
