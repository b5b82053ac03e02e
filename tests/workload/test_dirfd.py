"""Walks over what jobs left: bounded, in order, and never elsewhere, whatever a live job changes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sagebrush.compute import trees
from sagebrush.workload import dirfd
from sagebrush.workload.dirfd import BOUNDS, Bounds, TooMuch

SECRET = "the server's key"


def paths(top: Path, bounds: Bounds = BOUNDS) -> list[str]:
    with dirfd.opened(top) as fd:
        return [found.path for found in dirfd.walk(fd, bounds)]


def test_all_of_it_comes_in_order_and_links_are_not_followed(tmp_path: Path) -> None:
    for folder in ("b/d", "a", "c"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "f").touch()
    (tmp_path / "b" / "link").symlink_to(tmp_path / "a")
    assert paths(tmp_path) == ["a", "a/f", "b", "b/d", "b/d/f", "b/link", "c", "c/f"]


def open_below(top: Path) -> int:
    """How many descriptors of this process are open on `top` or beneath it."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile by another thread
            found += Path(os.readlink(f"/proc/self/fd/{name}")).is_relative_to(top)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of descriptors here")
def test_a_deep_walk_holds_two_descriptors(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(200):
        here = here / "d"
        here.mkdir()
    (here / "last").touch()
    (tmp_path / "e").touch()
    most, last = 0, ""
    with dirfd.opened(tmp_path) as fd:
        for found in dirfd.walk(fd):
            most = max(most, open_below(tmp_path))
            last = found.path
    assert last == "e"
    assert most <= 3
    assert open_below(tmp_path) == 0


def test_depth_length_and_number_are_bounded(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(20):
        here = here / ("d" * 100)
        here.mkdir()
    assert len(paths(tmp_path)) == 20
    with pytest.raises(TooMuch, match="more than 10 directories deep"):
        paths(tmp_path, Bounds(depth=10))
    with pytest.raises(TooMuch, match="longer than 500 bytes"):
        paths(tmp_path, Bounds(path=500))
    with pytest.raises(TooMuch, match="more than 19 files and directories"):
        paths(tmp_path, Bounds(entries=19))
    for n in range(50):
        (tmp_path / f"{n}").touch()
    with pytest.raises(TooMuch, match="more than 30 files"):
        paths(tmp_path, Bounds(entries=30))


def test_any_name_is_shown_in_one_printable_line(tmp_path: Path) -> None:
    for name in (b"no-utf8-\xff", b"two\nlines\x1b[31m", "größe".encode(), b"n" * 255):
        os.close(os.open(os.fsencode(tmp_path) + b"/" + name, os.O_CREAT))
    with dirfd.opened(tmp_path) as fd:
        shown = {found.shown for found in dirfd.walk(fd)}
    assert shown == {"größe", "n" * 119 + "…", "no-utf8-\\xff", "two\\nlines\\x1b[31m"}


# -- a job that changes the tree while it is read


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    made = tmp_path / "outside"
    made.mkdir()
    (made / "inner").write_text(SECRET)
    return made


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = tmp_path / "top"
    (made / "d").mkdir(parents=True)
    (made / "d" / "inner").write_text("mine")
    (made / "e").touch()
    return made


def swapped(top: Path, swap: Callable[[], object]) -> list[str]:
    """What a walk tells when `swap` happens right after it has seen `d`."""
    seen = []
    with dirfd.opened(top) as fd:
        for found in dirfd.walk(fd):
            seen.append(found.path)
            if found.path == "d":
                swap()
    return seen


def test_a_directory_that_becomes_a_link_is_not_entered(top: Path, outside: Path) -> None:
    def swap() -> None:
        (top / "d").rename(top / "was")
        (top / "d").symlink_to(outside)

    assert swapped(top, swap) == ["d", "e"]


def test_a_directory_that_vanishes_or_becomes_a_fifo_is_left_out(top: Path) -> None:
    def swap() -> None:
        (top / "d").rename(top / "was")
        os.mkfifo(top / "d")

    assert swapped(top, swap) == ["d", "e"]
    assert swapped(top, (top / "d").unlink) == ["d", "e", "was", "was/inner"]


def test_a_directory_that_is_moved_out_is_not_climbed_out_of(top: Path, outside: Path) -> None:
    with dirfd.opened(top) as fd:
        walk = dirfd.walk(fd)
        assert [next(walk).path, next(walk).path] == ["d", "d/inner"]
        (top / "d").rename(outside / "d")
        with pytest.raises(trees.Moved):
            next(walk)


# -- small files


@pytest.mark.parametrize(
    ("data", "limit", "text"),
    [
        (b"why", 10, "why"),
        (b"  why\0 so \n", 10, "why so"),
        ("ä€😀".encode() * 10, 4, "ä€😀ä"),
        (b"\xff bad", 10, "\ufffd bad"),
        ("😀".encode() * 100, 8, "😀" * 8),
        (b"\0" * 1000, 8, ""),
        ("x😀".encode() * 100, 7, "x😀x😀x😀x"),
    ],
)
def test_a_text_keeps_its_beginning_and_whole_characters(
    tmp_path: Path, data: bytes, limit: int, text: str
) -> None:
    (tmp_path / "failure").write_bytes(data)
    with dirfd.opened(tmp_path) as fd:
        assert dirfd.read_text(fd, ("failure",), limit) == text
        assert dirfd.read_text(fd, ("none",), limit) == ""
