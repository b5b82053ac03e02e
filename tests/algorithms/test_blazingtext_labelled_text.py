"""The texts of a classifier's channels as they are read, before they are numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.algorithms.blazingtext import labelled_text
from sagebrush.algorithms.blazingtext.parameters import ClientError


def test_files_are_read_as_one_text_without_their_marks(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf__label__a one")
    (tmp_path / "b").write_bytes(b'{"source": "two", "label": 3}\n')
    text = labelled_text.content([tmp_path / "a", tmp_path / "b"])
    assert [line.split() for line in bytes(text).splitlines()] == [
        [b"__label__a", b"one"],
        [b"__label__3", b"two"],
    ]


@pytest.mark.parametrize("block", [1, 2, 3, 1000])
def test_the_line_of_what_is_not_utf_8_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(labelled_text, "BLOCK", block)
    (tmp_path / "a").write_text("__label__a vié 漢\n" * 3)
    (tmp_path / "b").write_bytes("__label__a é\n__label__b 漢 ".encode() + b"\xe6\xbc x\n")
    with pytest.raises(ClientError, match="b, line 2: not UTF-8"):
        labelled_text.content([tmp_path / "a", tmp_path / "b"])


def test_a_text_cut_off_within_a_character_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"__label__a \xe6\xbc")
    with pytest.raises(ClientError, match="a, line 1: not UTF-8"):
        labelled_text.content([tmp_path / "a"])
