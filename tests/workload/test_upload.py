"""Files of a job become objects: what changes under way leaks nothing, what is left out is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.store.objects import ObjectStore
from sagebrush.workload import dirfd, upload
from sagebrush.workload.archive import ArchiveError
from sagebrush.world import Ctx

SECRET = "the server's key"


class Stored:
    """A context whose S3 is a dict."""

    def __init__(self, home: Path) -> None:
        self.objects: dict[str, bytes] = {}
        self.notes: list[str] = []
        self.world: Any = SimpleNamespace(objects=ObjectStore(home / "objects"))
        self.home = home

    def call(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        assert (service, operation) == ("s3", "PutObject")
        self.objects[params["Key"]] = params["Body"].read()
        return {}

    def store(self, top: Path, swap: Callable[[dirfd.Found], object] = lambda _: None) -> None:
        """`swap` is called with each thing that is found, before it is stored."""
        with dirfd.opened(top) as fd:
            found = (each for each in dirfd.walk(fd) if (swap(each), True)[1])
            upload.store(cast(Ctx, self), found, ("bucket", "ckpt"), self.notes.append)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    made = Stored(tmp_path)
    yield made
    made.world.objects.close()
    blobs = [p for p in (tmp_path / "objects").rglob("*") if p.is_file()]
    assert all(p.stat().st_size > 0 for p in blobs)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = tmp_path / "checkpoints"
    (made / "d").mkdir(parents=True)
    (made / "a").write_text("a")
    (made / "d" / "key").write_text("mine")
    return made


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    made = tmp_path / "keys"
    made.mkdir()
    (made / "key").write_text(SECRET)
    return made


def test_regular_files_are_stored_and_the_rest_is_told(stored: Stored, top: Path) -> None:
    (top / "link").symlink_to("a")
    os.mkfifo(top / "fifo")
    os.close(os.open(os.fsencode(top) + b"/no-utf8-\xff", os.O_CREAT))
    stored.store(top)
    assert stored.objects == {"ckpt/a": b"a", "ckpt/d/key": b"mine"}
    assert sorted(stored.notes) == [
        "fifo: a FIFO",
        "link: a link",
        "no-utf8-\\xff: its name is not UTF-8, as a key must be",
    ]


@pytest.mark.parametrize("what", ["link", "fifo", "directory", "gone"])
def test_a_file_swapped_before_it_is_opened_leaks_nothing_and_holds_up_nobody(
    stored: Stored, top: Path, secrets: Path, what: str
) -> None:
    def swap(found: dirfd.Found) -> None:
        if found.path != "a":
            return
        (top / "a").unlink()
        if what == "link":
            (top / "a").symlink_to(secrets / "key")
        elif what == "fifo":
            os.mkfifo(top / "a")
        elif what == "directory":
            (top / "a").mkdir()

    stored.store(top, swap)
    assert stored.objects == {"ckpt/d/key": b"mine"}


def test_a_file_swapped_between_the_look_and_the_open_leaks_nothing(
    stored: Stored, top: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The narrowest moment: after the last look at the name, before it is opened."""
    for make in (lambda: (top / "a").symlink_to(secrets / "key"), lambda: os.mkfifo(top / "a")):
        (top / "a").unlink(missing_ok=True)
        (top / "a").write_text("a")
        really, swaps = os.open, []

        def opening(
            path: Any, flags: int, *more: Any, _make: Any = make, _swaps: Any = swaps, **named: Any
        ) -> int:
            if path == "a" and not _swaps:
                _swaps.append(path)
                (top / "a").unlink()
                _make()
            return really(path, flags, *more, **named)  # noqa: B023

        monkeypatch.setattr(os, "open", opening)
        stored.store(top)
        monkeypatch.setattr(os, "open", really)
        assert swaps == ["a"]
        assert stored.objects == {"ckpt/d/key": b"mine"}


def test_a_directory_on_the_way_that_becomes_a_link_is_not_gone_through(
    stored: Stored, top: Path, secrets: Path
) -> None:
    def swap_before(found: dirfd.Found) -> None:
        if found.path == "d":
            (top / "d").rename(top / "was")
            (top / "d").symlink_to(secrets)

    stored.store(top, swap_before)
    assert stored.objects == {"ckpt/a": b"a"}
    (top / "d").unlink()
    (top / "was").rename(top / "d")
    stored.objects.clear()

    def swap_within(found: dirfd.Found) -> None:
        if found.path == "d/key":  # what is stored is in the directory that was looked at
            (top / "d").rename(top / "was")
            (top / "d").symlink_to(secrets)

    stored.store(top, swap_within)
    assert stored.objects["ckpt/d/key"] == b"mine"


def test_a_sparse_file_is_refused_before_it_is_read(
    stored: Stored, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(top / "huge", "wb") as file:
        file.truncate(60 << 30)
    disk = SimpleNamespace(free=(1 << 30) + upload.RESERVE)
    monkeypatch.setattr(upload.shutil, "disk_usage", lambda _: disk)
    words = "No space left on device: huge is 60 GiB, and 1 GiB are free"
    with pytest.raises(OSError, match=words):
        stored.store(top)
    with open(top / "huge", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArchiveError, match="64 GiB of holes"):
        stored.store(top)


def test_remarks_are_few_and_counted() -> None:
    remarks = upload.Remarks()
    for n in range(upload.MOST + 5):
        remarks(f"left out of model.tar.gz: {n}: a FIFO")
        remarks("left out of model.tar.gz: 0: a FIFO")
    lines = remarks.lines()
    assert len(lines) == upload.MOST + 1
    assert lines[0] == "left out of model.tar.gz: 0: a FIFO"
    assert lines[-1] == "5 more were left out"


def test_too_much_is_the_jobs_own_failure(tmp_path: Path) -> None:
    (tmp_path / "ml" / "model").mkdir(parents=True)
    with (
        pytest.raises(upload.UploadError, match="ClientError: Artifact upload failed:too deep"),
        upload.directories([tmp_path], ("model",)),
    ):
        raise dirfd.TooMuch("too deep")
