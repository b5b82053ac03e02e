"""Trees of any depth and any mode: given to a user, removed, climbed out of."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from sagebrush.compute import trees
from tests.deep_trees import deep_tree


def descriptors(tree: Path) -> int:
    """How many are open within the tree: other threads of this process open and close their own."""
    return sum(within(tree, fd) for fd in os.listdir("/dev/fd"))


def within(tree: Path, fd: str) -> bool:
    try:
        return os.readlink(f"/dev/fd/{fd}").startswith(str(tree))
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG  # deeper than a path reaches


def test_a_deep_tree_goes(tmp_path: Path) -> None:
    with deep_tree(tmp_path / "top"):
        before = descriptors(tmp_path)
        assert trees.remove(str(tmp_path / "top"))
        assert os.listdir(tmp_path) == []
        assert descriptors(tmp_path) == before


def test_everything_goes_and_nothing_that_a_link_names(tmp_path: Path) -> None:
    kept, top = tmp_path / "kept", tmp_path / "top"
    kept.mkdir()
    (kept / "precious").touch()
    for folder in ("a/b", "a/1", "1/2", "1/1/1"):  # names that it takes itself
        (top / folder).mkdir(parents=True)
        (top / folder / "file").touch()
    (top / "a" / "out").symlink_to(kept)
    (top / "a" / "b" / "nowhere").symlink_to("nothing")
    os.mkfifo(top / "a" / "fifo")
    os.mkdir(os.fsencode(top) + b"/\xff\xfe")
    (top / ("n" * 255)).mkdir()
    os.link(kept / "precious", top / "twin")
    assert trees.remove(str(top))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(kept) == ["precious"]


def test_what_is_no_directory_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    assert trees.remove(str(tmp_path / "file"))
    assert trees.remove(str(tmp_path / "link"))
    assert trees.remove(str(tmp_path / "nothing"))
    assert os.listdir(tmp_path) == []


def test_closed_directories_are_opened(tmp_path: Path) -> None:
    """Matters to a server that is not root; root opens them anyway."""
    inner = tmp_path / "top" / "closed" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    for path in (inner, inner.parent, tmp_path / "top"):
        path.chmod(0)
    assert trees.remove(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == []


def test_it_stops_when_time_is_over_and_goes_on_later(tmp_path: Path) -> None:
    for n in range(3 * trees.CLOCKED):
        (tmp_path / f"{n}").touch()
    (tmp_path / "d").mkdir()
    assert not trees.remove(str(tmp_path), until=time.monotonic())
    assert 0 < len(os.listdir(tmp_path)) <= 2 * trees.CLOCKED + 2
    assert trees.remove(str(tmp_path))
    assert not tmp_path.exists()


def test_a_deep_tree_is_given(tmp_path: Path) -> None:
    with deep_tree(tmp_path / "top"):
        check_given(tmp_path)


def check_given(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "other")
    os.link(tmp_path / "other", tmp_path / "top" / "twin")
    uid = 61_234 if os.geteuid() == 0 else os.geteuid()
    fd = os.open(tmp_path / "top", trees.DIRECTORY)
    before = descriptors(tmp_path)
    trees.give(fd, uid)
    assert descriptors(tmp_path) == before
    os.close(fd)
    assert os.lstat(tmp_path / "top" / "link").st_uid == uid
    assert os.stat(tmp_path / "other").st_uid == os.geteuid()  # neither by its link nor by its twin
    here, seen = tmp_path / "top", 0
    while (here / "d").exists() and seen < 1000:  # as deep as a path reaches
        here, seen = here / "d", seen + 1
        assert here.stat().st_uid == uid
    assert seen == 1000


def test_who_climbs_out_of_a_moved_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    known = os.stat(tmp_path / "a")
    fd = os.open(tmp_path / "a" / "b", trees.DIRECTORY)
    os.close(trees.parent(fd, known))
    (tmp_path / "a" / "b").rename(tmp_path / "elsewhere" / "b")
    with pytest.raises(trees.Moved):
        trees.parent(fd, known)
    os.close(fd)
