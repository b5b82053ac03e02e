"""Captured requests on their way to S3: by size, by minute, over a kill and a bucket that is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.errors import Doc
from sagebrush.routing.capture import captures
from sagebrush.routing.capture.captures import Captures
from sagebrush.routing.capture.record import Exchange, Rule
from sagebrush.routing.endpoints import Name

NAME: Name = ("123456789012", "us-east-1", "e")
RULE = Rule("s3://b/p", 1.0, frozenset({"Input"}), frozenset({"text/csv"}), frozenset(), "r")


class Store:
    """What was uploaded: key -> inputs. `broken`: no upload succeeds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.broken = folder, 1_700_000_000.0, False
        self.objects: dict[str, list[str]] = {}
        self.captures = self.open()

    def open(self) -> Captures:
        """As a server that starts finds it."""
        return Captures(self.folder, lambda: self.now, self.upload)

    def upload(self, of: Doc, destination: str, key: str, content: bytes) -> None:
        assert (of["account"], of["region"], of["role"]) == (*NAME[:2], "r")
        if self.broken:
            raise OSError("no such bucket")
        lines = [json.loads(line) for line in content.splitlines()]
        self.objects[f"{destination}/{key}"] = [
            line["captureData"]["endpointInput"]["data"] for line in lines
        ]

    def note(self, *texts: str, at: float | None = None) -> None:
        for text in texts:
            exchange = Exchange(text.encode(), "text/csv", b"", "", self.now if at is None else at)
            self.captures.note(NAME, "v", RULE, exchange)

    def pass_on(self) -> None:
        """What the thread does when it looks."""
        self.captures._drain()
        self.captures.flush_due()

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "captures")
    yield made
    made.captures.drop()


def test_a_minute_of_requests_is_one_object(store: Store) -> None:
    store.note("a", "b")
    store.pass_on()
    store.now += 59
    store.note("c")
    store.pass_on()
    assert store.objects == {}
    store.now += 2
    store.pass_on()
    ((key, texts),) = store.objects.items()
    assert texts == ["a", "b", "c"]
    assert key.startswith("s3://b/p/e/v/2023/11/14/22/13-20-000-")
    assert store.files() == []


def test_a_clock_that_is_set_back_holds_no_file_back(store: Store) -> None:
    store.note("a")
    store.pass_on()
    store.now -= 3600
    store.broken = True
    store.pass_on()
    assert store.files() != []
    store.broken, store.now = False, store.now - 3600
    store.pass_on()
    assert list(store.objects.values()) == [["a"]]


def test_a_full_file_goes_at_once(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(captures, "SIZE", 400)
    store.note("a" * 300, "b")
    store.pass_on()
    assert list(store.objects.values()) == [["a" * 300]]


def test_an_hour_has_its_own_file(store: Store) -> None:
    store.note("a", at=store.now)
    store.note("b", at=store.now + 3600)
    store.captures.flush()
    assert sorted(store.objects.values()) == [["a"], ["b"]]
    assert {key.split("/")[9] for key in store.objects} == {"22", "23"}


def test_what_a_killed_server_left_is_uploaded_by_the_next(store: Store) -> None:
    store.note("a", "b")
    store.pass_on()
    (file,) = store.files()
    with file.open("ab") as torn:
        torn.write(b'{"captureData": {"endpo')
    (store.folder / "empty.jsonl").write_bytes(b"")
    store.open()._adopt()
    assert list(store.objects.values()) == [["a", "b"]]
    assert store.files() == []


def test_an_upload_that_fails_is_tried_again_and_given_up_at_last(
    store: Store, monkeypatch: Any
) -> None:
    monkeypatch.setattr(captures, "TRIES", 3)
    store.broken = True
    store.note("a")
    store.captures.flush()
    assert len(store.files()) == 1
    store.broken = False
    store.now += 61
    store.pass_on()
    assert list(store.objects.values()) == [["a"]]
    store.broken = True
    store.note("b")
    store.captures.flush()
    for _ in range(2):
        store.now += 61
        store.pass_on()
    assert store.files() == []


def test_more_than_may_wait_is_dropped_and_told(
    store: Store, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(captures, "WAITING", 10)
    store.note("a" * 8, "b" * 8)
    store.captures.flush()
    assert list(store.objects.values()) == [["a" * 8]]
    assert "1 requests were not captured" in caplog.text
    store.note("c" * 8)
    store.captures.flush()
    assert ["c" * 8] in store.objects.values()


def test_what_a_reset_drops_waits_no_more(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(captures, "WAITING", 10)
    store.note("a" * 8)
    store.captures.drop()
    store.note("b" * 8)
    store.captures.flush()
    assert list(store.objects.values()) == [["b" * 8]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is full")
def test_a_full_disk_costs_the_copies_alone(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.note("a")
    store.pass_on()
    (file,) = store.captures._files.values()
    disk = os.dup(file.fd)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file.fd)
    store.note("b", "c")
    store.pass_on()
    assert "2 requests of e were not captured: No space left on device" in caplog.text
    os.dup2(disk, file.fd)
    os.close(full)
    os.close(disk)
    store.note("d")
    store.captures.flush()
    assert list(store.objects.values()) == [["a", "d"]]


def test_what_is_appended_together_is_apart_by_hour_and_by_size(
    store: Store, monkeypatch: Any
) -> None:
    monkeypatch.setattr(captures, "SIZE", 600)
    store.note("a", at=store.now)
    store.note("b", at=store.now + 3600)
    store.note("c", at=store.now)
    store.note("d" * 300, "e" * 600, "f", at=store.now + 3600)
    store.pass_on()
    assert list(store.objects.values()) == [["a", "c"], ["b", "d" * 300], ["e" * 600]]
    store.captures.flush()
    assert list(store.objects.values())[3:] == [["f"]]


def test_how_many_lines_a_file_takes() -> None:
    lines = [b"12", b"34", b"56"]
    assert [captures.fitting(lines, room) for room in (-1, 0, 1, 2, 3, 4, 5, 6, 7)] == [
        *(1, 1, 1, 1, 2, 2, 3, 3, 3)
    ]


def test_the_thread_appends_and_stops(store: Store) -> None:
    store.captures.start()
    store.note("a")
    store.captures.stop()
    assert list(store.objects.values()) == [["a"]]


def test_a_full_disk_costs_no_descriptor_and_leaves_no_half_line(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [0]

    def short(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = write(fd, data[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(captures.os, "write", short)
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        store.note("a")
        store.pass_on()
    assert len(os.listdir("/dev/fd")) == before
    assert store.files() == []
    room[0] = 1000
    store.note("b")
    store.pass_on()
    room[0] = 10
    store.note("c")
    store.pass_on()
    room[0] = 10_000
    store.note("d")
    store.pass_on()
    store.captures.flush()
    assert list(store.objects.values()) == [["b", "d"]]


def test_what_is_kept_for_a_bucket_that_is_gone_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captures, "KEPT", 2000)
    store.broken = True
    for _ in range(20):
        store.note("x" * 300)
        store.captures.flush()
    assert 1000 < sum(path.stat().st_size for path in store.files()) < 6000
    store.broken = False
    store.captures.flush()
    assert store.files() == []
    assert store.objects
