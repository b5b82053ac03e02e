"""The object store: spooling, hashing, pins, the sweep."""

from __future__ import annotations

import base64
import errno
import gc
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.errors import AwsError
from sagebrush.store import checksums
from sagebrush.store.objects import Blob, ObjectStore
from sagebrush.store.spool import AHEAD, BATCH, INLINE, Segment


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    made = ObjectStore(tmp_path / "objects")
    yield made
    made.close()


def files(store: ObjectStore) -> list[Path]:
    return [p for p in store.root.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    "size", [0, 1, INLINE, INLINE + 1, BATCH - 1, BATCH, BATCH + 1, 7 * BATCH + 13]
)
def test_spooled_bytes_and_hashes_are_those_of_the_body(store: ObjectStore, size: int) -> None:
    body = os.urandom(size)
    writer = store.spool({"CRC32", "SHA256", "CRC64NVME"})
    for at in range(0, size, 60_001):
        if (wait := writer.write(body[at : at + 60_001])) is not None:
            wait.result()
    found = writer.finish()
    assert found.size == size
    assert found.md5 == hashlib.md5(body).hexdigest()
    assert found.checksums["SHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert found.checksums["CRC32"] == checksums.text(zlib.crc32(body).to_bytes(4, "big"))
    assert found.read() == body
    assert (found.path is None) == (size <= INLINE)
    assert store.open([found.segment()]).read() == body


def test_only_large_bodies_have_a_file_and_abort_removes_it(store: ObjectStore) -> None:
    assert store.spool_bytes(b"x" * INLINE).path is None
    assert files(store) == []
    writer = store.spool()
    writer.write(b"y" * (2 * BATCH))
    assert len(files(store)) == 1
    writer.abort()
    writer.abort()
    assert files(store) == []


def test_a_fast_sender_is_held_up(store: ObjectStore) -> None:
    writer = store.spool()
    waits = [writer.write(b"z" * BATCH) for _ in range(AHEAD + 40)]
    assert any(wait is not None for wait in waits)
    assert writer.finish().size == (AHEAD + 40) * BATCH


def test_spool_file_takes_what_is_there(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"abc" * 100_000)
    with open(path, "rb") as file:
        found = store.spool_file(file.fileno(), 1 << 30)
        assert found.read() == path.read_bytes()
        assert store.spool_file(file.fileno(), 5).read() == b"abcab"


def test_a_full_disk_is_told_and_leaves_nothing(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    writer = store.spool()
    writer.write(b"a" * BATCH)
    with pytest.raises(AwsError) as caught:
        writer.finish()
    with pytest.raises(AwsError):
        writer.write(b"a" * BATCH)
    assert (caught.value.code, caught.value.status) == ("StorageFull", 507)
    assert files(store) == []


@pytest.mark.costs("large bodies")
def test_a_blob_stays_until_its_last_reader_ends(store: ObjectStore) -> None:
    spooled = store.spool_bytes(b"q" * (INLINE + 1))
    assert spooled.path is not None
    blob = store.open([spooled.segment()])
    part = blob.slice(5, 10)
    store.drop(spooled)
    del blob
    gc.collect()
    assert part.read() == b"q" * 10
    del part
    gc.collect()
    assert not spooled.path.exists()
    with pytest.raises(FileNotFoundError):
        store.open([spooled.segment()])


def test_slices_of_composed_blobs(store: ObjectStore) -> None:
    first, second = os.urandom(INLINE + 7), os.urandom(INLINE + 9)
    whole = first + b"inline" + second
    blob = store.open(
        [
            store.spool_bytes(first).segment(),
            Segment(6, data=b"inline"),
            store.spool_bytes(second).segment(),
        ]
    )
    assert blob.length == len(whole)
    assert blob.read() == whole
    for start, length in ((0, 1), (INLINE + 5, 10), (INLINE + 8, 2), (3, len(whole) - 3)):
        found = blob.slice(start, length)
        assert found.length == length
        assert found.read() == whole[start : start + length]


def test_a_short_file_is_an_error_not_short_data(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"12345")
    with pytest.raises(OSError, match="3 bytes short"):
        Blob(8, path).read()


def test_the_sweep_removes_only_old_blobs_without_a_row(store: ObjectStore) -> None:
    old, live, young = (store.spool_bytes(b"s" * (INLINE + 1)) for _ in range(3))
    assert old.path
    assert live.path
    assert young.path
    for path in (old.path, live.path):
        os.utime(path, (1, 1))
    again, name = ObjectStore(store.root), live.path.name
    os.utime(young.path)
    assert again.sweep(lambda names: set(names) & {name}) == 1
    assert [p.exists() for p in (old.path, live.path, young.path)] == [False, True, True]
    again.close()


def test_a_blob_that_cannot_be_removed_is_left(store: ObjectStore) -> None:
    odd, other = (store.spool_bytes(b"s" * (INLINE + 1)) for _ in range(2))
    assert odd.path
    assert other.path
    odd.path.unlink()
    odd.path.mkdir()
    store.discard([odd.path.name, other.path.name])
    assert [odd.path.exists(), other.path.exists()] == [True, False]
    os.utime(odd.path, (1, 1))
    again = ObjectStore(store.root)
    assert again.sweep(lambda names: set()) == 0
    again.close()


# Known answers: the CRC catalogue's check values, NIST's and xxHash's own for "123456789" or "abc".
@pytest.mark.parametrize(
    ("algorithm", "body", "value"),
    [
        ("CRC32", b"123456789", "cbf43926"),
        ("CRC32C", b"123456789", "e3069283"),
        ("CRC64NVME", b"123456789", "ae8b14860a799888"),
        ("SHA1", b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("MD5", b"abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("XXHASH64", b"", "ef46db3751d8e999"),
        ("XXHASH3", b"", "2d06800538d394c2"),
        ("XXHASH128", b"", "99aa06d3014798d86001c324468d497f"),
    ],
)
def test_checksums_known_answers(algorithm: str, body: bytes, value: str) -> None:
    assert checksums.of(algorithm, [body]) == base64.b64encode(bytes.fromhex(value)).decode()


@pytest.mark.parametrize("algorithm", checksums.FULL_OBJECT)
def test_crcs_of_parts_combine_to_that_of_the_whole(algorithm: str) -> None:
    parts = [os.urandom(n) for n in (1, 70_000, 0, 5)]
    told = [(checksums.of(algorithm, [p]), len(p)) for p in parts]
    assert checksums.combined(algorithm, told) == checksums.of(algorithm, [b"".join(parts)])


def test_every_algorithm_is_computed_and_validated() -> None:
    for algorithm in checksums.ALGORITHMS:
        value = checksums.of(algorithm, [b"a", b"b"])
        assert checksums.valid(algorithm, value)
        assert not checksums.valid(algorithm, "AAAA" + value)
        assert not checksums.valid(algorithm, "no base64!")


@pytest.mark.parametrize("how", ["gone", "cut", "directory", "pipe", "link"])
def test_a_damaged_blob_is_told_before_anything_is_sent(store: ObjectStore, how: str) -> None:
    spooled = store.spool_bytes(os.urandom(100_000))
    assert spooled.path is not None
    assert store.open([spooled.segment()]).read()
    if how == "cut":
        os.truncate(spooled.path, 99_999)
    else:
        spooled.path.unlink()
    if how == "directory":
        spooled.path.mkdir()
    elif how == "pipe":
        os.mkfifo(spooled.path)
    elif how == "link":
        spooled.path.symlink_to(__file__)
    with pytest.raises(FileNotFoundError):
        store.open([spooled.segment()])
