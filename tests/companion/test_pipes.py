"""FIFOs are opened only where they are FIFOs; what goes through them is inflated and told as asked."""

from __future__ import annotations

import gzip
import os
import random
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.companion import pipes


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_a_fifo_is_opened_once_somebody_reads(folder: int, tmp_path: Path) -> None:
    pipes.made(folder, "train_0")
    pipes.made(folder, "train_0")
    assert stat.S_ISFIFO((tmp_path / "train_0").stat().st_mode)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "train_0").read_bytes()))
    reader.start()
    out = pipes.opened(folder, "train_0")
    pipes.write(out, b"x" * 300_000)
    os.close(out)
    reader.join(10)
    assert found == [b"x" * 300_000]


def test_nothing_but_a_fifo_is_opened(folder: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "elsewhere")
    (tmp_path / "to-fifo").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "folder").mkdir()
    for name in ("file", "link", "to-fifo", "folder", "missing"):
        with pytest.raises(pipes.Moved):
            pipes.opened(folder, name)
    assert (tmp_path / "file").read_bytes() == b"mine"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_all_members_of_a_gzip_file_are_inflated(size: int) -> None:
    body = random.Random(2).randbytes(3000)
    data = gzip.compress(body) + gzip.compress(b"more") + bytes(16)
    assert b"".join(pipes.inflated(pieces(data, size), "it")) == body + b"more"


@pytest.mark.costs("inflates 50 MiB")
def test_a_highly_compressed_file_is_inflated_bit_by_bit() -> None:
    found = list(pipes.inflated([gzip.compress(bytes(50 << 20))], "it"))
    assert sum(map(len, found)) == 50 << 20
    assert max(map(len, found)) <= 1 << 20


def test_what_is_no_gzip_or_ends_early_is_told() -> None:
    with pytest.raises(pipes.Broken, match="it is not gzip"):
        list(pipes.inflated([b"plain"], "it"))
    with pytest.raises(pipes.Broken, match="ends early"):
        list(pipes.inflated([gzip.compress(b"abc" * 100)[:-9]], "it"))
    assert list(pipes.inflated([], "it")) == []


def test_attributes_as_text() -> None:
    told = [pipes.text(value) for value in ("é", 1, 1.5, None, True, {"a": ["é"]})]
    assert told == ["é".encode(), b"1", b"1.5", b"null", b"true", '{"a": ["é"]}'.encode()]


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "https://b/k", 7, None])
def test_references_must_name_objects(uri: object) -> None:
    with pytest.raises(pipes.Broken):
        pipes.split(uri)
    assert pipes.split("s3://b/k/x y") == ("b", "k/x y")
