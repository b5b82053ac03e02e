"""Temporary folders are gone as soon as tests are done with them, unless one of those failed.

Pytest itself removes a passed test's `tmp_path`, and what is left at the end of a run in which all
passed (pyproject.toml). What a module's fixtures made would stay until then, and what runs made that
were killed for days: gigabytes each.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute import trees

SCARCE = 4.0
"""GB that a run wants free on the disk of temporary folders."""

OWNER = ".sagebrush"
"""A file in the folder of a run of these tests: the id of its process."""


@pytest.fixture(scope="module", autouse=True)
def folders(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """What the tests and fixtures of a module made is gone after them, unless one failed."""
    place, failed = tmp_path_factory.getbasetemp(), request.session.testsfailed
    before = set(os.listdir(place))
    yield
    if request.session.testsfailed == failed:
        for name in set(os.listdir(place)) - before:
            clear(place / name)


def pytest_sessionstart(session: pytest.Session) -> None:
    """The run says that the disk is nearly full, if so; what killed runs left is being removed."""
    config: Any = session.config
    if hasattr(config, "workerinput"):
        return
    place = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT") or tempfile.gettempdir())
    out = config.pluginmanager.getplugin("terminalreporter")
    if out and (words := scarcity(place, shutil.disk_usage(place).free / 1e9)):
        out.write_line(words, yellow=True)
    if config.option.basetemp:
        return
    for left in abandoned(place):
        threading.Thread(target=clear, args=(left,), daemon=True).start()
    (config._tmp_path_factory.getbasetemp() / OWNER).write_text(str(os.getpid()))


def clear(path: Path) -> None:
    """What is there is gone, however deep it is, as far as it can be removed."""
    with contextlib.suppress(OSError):
        trees.remove(str(path))


def scarcity(place: Path, free: float) -> str:
    """What to say of the disk at `place` where `free` GB are few; else nothing."""
    if free >= SCARCE:
        return ""
    return (
        f"{free:.1f} GB are free on the disk of {place}: tests may fail for want of room"
        f" ({SCARCE:.0f} GB are enough)"
    )


def abandoned(place: Path) -> Iterator[Path]:
    """The folders in `place` of runs of these tests that were killed."""
    for file in place.glob(f"pytest-of-*/pytest-*/{OWNER}"):
        if not (file.parent / ".lock").exists():
            continue  # kept, since tests failed: pytest removes it after the next run
        with contextlib.suppress(OSError, ValueError):
            number = int(file.read_text())
            try:
                os.kill(number, 0)
            except ProcessLookupError:
                yield file.parent
