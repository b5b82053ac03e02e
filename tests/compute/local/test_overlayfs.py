"""Whether a host can share directories among sandboxes is found out by trying, and tidily."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagebrush.compute.local import overlayfs
from tests.compute.conftest import sandbox_works, skip


def test_what_is_tried_leaves_nothing_behind(tmp_path: Path) -> None:
    """In a directory that jobs' users cannot reach, as a server's is."""
    if not sandbox_works().ok:
        skip("this host cannot isolate")
    tmp_path.chmod(0o700)
    if why := overlayfs.lacking(tmp_path):
        skip(why)
    assert os.listdir(tmp_path) == []


def test_a_file_system_that_cannot_is_told(tmp_path: Path) -> None:
    if not sandbox_works().ok:
        skip("this host cannot isolate")
    place = tmp_path / "a,b"
    place.mkdir()
    assert overlayfs.lacking(place).startswith("overlay: a path has one of")


def test_not_on_other_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagebrush.compute.shim.namespaces.LINUX", False)
    assert overlayfs.lacking(tmp_path) == "it is not Linux"
