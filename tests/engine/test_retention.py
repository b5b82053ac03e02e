"""Directories of jobs that no row knows go; those of living jobs and known ones stay."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from sagebrush import services
from sagebrush.companion.transform import journal
from sagebrush.compute.base import Exited, Gone, Running, State
from sagebrush.compute.host import Host
from sagebrush.engine import retention
from sagebrush.settings import Settings
from sagebrush.store.db import Db
from sagebrush.store.rows import Row, Rows
from sagebrush.workload import stage
from sagebrush.world import World

NOW = 100 * 86400.0


class Fixture:
    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, keep_jobs_days=30)
        self.clock = lambda: NOW
        self.db = Db(home / "db")
        self.rows = Rows(self.db, self.clock)
        self.kinds = services.running()
        self.backend: Any = self
        self.states: dict[str, State] = {}
        self.host = Host(2, 8 << 30)
        self.stopped: list[str] = []

    def poll(self, key: str) -> State:
        return self.states.get(key, Gone())

    def forget(self, key: str) -> None:
        assert not isinstance(self.poll(key), Running)

    def stop(self, key: str, grace: float) -> None:
        self.stopped.append(key)

    def directory(self, key: str, days: float, state: State | None = None) -> Path:
        path = self.settings.home / "jobs" / key
        (path / "ml" / "model").mkdir(parents=True)
        (path / "ml" / "model" / "m.bin").write_bytes(b"m")
        (path / "ml" / "out").symlink_to(self.settings.home / "kept")
        os.utime(path, (NOW - days * 86400, NOW - days * 86400))
        if state is not None:
            self.states[key] = state
        return path


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "precious").touch()
    yield made
    made.db.close()


def test_only_old_ended_directories_of_nobody_go(home: Fixture) -> None:
    plan = {"key": "t-known", "past": [["t-past", 2]], "tags": {"from": "t-orphan"}}
    home.rows.insert(Row("1", "r", "training-job", "n", "Done", {}, plan))
    home.rows.insert(Row("1", "r", "warm-pool", "w-known", "Available", {}, {}))
    kept = [
        home.directory("t-known", 50, Exited(0)),
        home.directory("t-past.2", 50, Exited(0)),
        home.directory("w-known", 50, Exited(0)),
        home.directory("t-recent", 5, Exited(0)),
        home.directory("t-alive", 50, Running(0.0)),
    ]
    gone = [home.directory("t-orphan", 50, Exited(0)), home.directory("t-unknown", 50)]
    assert retention.sweep(cast(World, home)) == ["t-orphan", "t-unknown"]
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
    assert (home.settings.home / "kept" / "precious").exists()


def test_a_new_data_directory_has_nothing_to_sweep(home: Fixture) -> None:
    assert retention.sweep(cast(World, home)) == []


def wait_for_removal() -> None:
    for thread in threading.enumerate():
        if thread.name == "remove":
            thread.join(30)


def test_a_removal_that_takes_long_goes_on_by_itself(
    home: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.directory("t-many", 1)
    for n in range(2000):
        (path / "ml" / f"{n}").touch()
    monkeypatch.setattr(stage, "PATIENCE", -1.0)
    stage.remove(path)
    assert not path.exists()
    wait_for_removal()
    assert os.listdir(path.parent) == []
    assert (home.settings.home / "kept" / "precious").exists()


def test_a_removal_that_a_server_did_not_finish_is_gone_on_with_at_the_next_start(
    home: Fixture,
) -> None:
    left = home.directory(f"{stage.GOING}x", 0)
    volume = home.settings.home / "notebooks" / f"{stage.GOING}y"
    (volume / "volume").mkdir(parents=True)
    kept = home.directory("t-recent", 0)
    assert retention.sweep(cast(World, home)) == []
    wait_for_removal()
    assert not left.exists()
    assert not volume.exists()
    assert kept.exists()


def test_what_was_linked_in_place_of_a_directory_stays(home: Fixture) -> None:
    root = home.directory("t-links", 0) / "ml"
    (root / "input").mkdir()
    (root / "input" / "data").symlink_to(home.settings.home / "kept")
    stage.remove_inside(root, ("input", "data"))
    assert os.listdir(root / "input") == []
    (root / "input").rmdir()
    (root / "input").symlink_to(home.settings.home)
    stage.remove_inside(root, ("input", "kept"))
    stage.remove(root / "input")
    assert (home.settings.home / "kept" / "precious").exists()


def test_what_runs_and_is_named_by_no_row_is_ended(home: Fixture) -> None:
    replicas = [{"id": "1", "key": "e-1", "keys": ["e-1", "e-1-1"]}]
    home.rows.insert(Row("1", "r", "endpoint", "e", "InService", {}, {"replicas": replicas}))
    home.rows.insert(Row("1", "r", "transform-job", "b", "InProgress", {}, {"key": "b-1"}))
    running = ["e-1", "e-1-1", "b-1.c2", "l-build", "function-1", "e-2", "t-2.algo-2"]
    assert retention.end_strangers(cast(World, home), running) == ["e-2", "t-2.algo-2"]
    assert home.stopped == ["e-2", "t-2.algo-2"]


def test_what_cannot_be_ended_does_not_keep_the_server_from_its_start(
    home: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(key: str, grace: float) -> None:
        if key == "t-1":
            raise OSError(errno.ENOSPC, "No space left on device")
        home.stopped.append(key)

    monkeypatch.setattr(home, "stop", full)
    retention.end_strangers(cast(World, home), ["t-1", "t-2"])
    assert home.stopped == ["t-2"]


def test_no_key_of_what_the_kinds_run_is_a_stranger(home: Fixture) -> None:
    """Processes of every kind, with the keys that they are launched under (`Running.trees`)."""
    size = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    cases: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
        "training-job": (
            {"ResourceConfig": size},
            {"key": "t-3", "instances": 2, "past": [["t-1", 2], ["t-2", 2]]},
            ["t-1", "t-1.2", "t-2.2", "t-3", "t-3.2"],
        ),
        "processing-job": ({}, {"key": "p-1"}, ["p-1", "p-1.2"]),
        "transform-job": ({}, {"key": "b-1"}, ["b-1", "b-1.2", "b-1.2.c2", f"b-1.2{journal.SUFFIX}"]),
        "notebook-instance": ({}, {"key": "n-1"}, ["n-1"]),
        "endpoint": (
            {},
            {"replicas": [{"id": "i", "key": "e-1"}, {"id": "j", "key": "e-2", "keys": ["e-2", "e-3"]}]},
            ["e-1", "e-2", "e-3"],
        ),
    }  # fmt: skip
    for kind, (doc, plan, _) in cases.items():
        home.rows.insert(Row("1", "r", kind, f"a-{kind}", "InService", doc, plan))
    home.rows.insert(Row("1", "r", "warm-pool", "w-1", "Available", {}, {}))
    keys = ["w-1", *(key for _, _, found in cases.values() for key in found)]
    assert retention.end_strangers(cast(World, home), [*keys, "t-9"]) == ["t-9"]


def test_what_runs_in_the_directory_that_this_one_is_a_copy_of_goes_on(home: Fixture) -> None:
    for key, root in (("t-1", "elsewhere/jobs/t-1"), ("t-2", "jobs/t-2")):
        spec = {"spec": {"root": str(home.settings.home / root), "image": "i"}}
        (home.directory(key, 0) / "spec.json").write_text(json.dumps(spec))
    assert retention.end_strangers(cast(World, home), ["t-1", "t-2"]) == ["t-2"]
