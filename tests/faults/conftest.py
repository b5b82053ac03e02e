"""Fixtures of the fault tests: real servers, one that is shared and one for a test alone."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.local import probe
from sagebrush.environments.environment import Environment
from tests.base_environment import base  # noqa: F401
from tests.faults.stand import BUCKET, Stand
from tests.needs import missing

Start = Callable[..., Stand]


@pytest.fixture(scope="session")
def isolated(base: Environment) -> str:  # noqa: F811
    """The isolation that is tested here: the sandbox. (`base` is there, since jobs need it.)"""
    check = probe.sandboxed()
    if not check.ok:
        missing(f"this host cannot isolate: {check.detail}")
    return "sandbox"


@pytest.fixture(scope="session")
def stand(isolated: str) -> Iterator[Stand]:
    """A server that all tests share which do not end it."""
    with tempfile.TemporaryDirectory(prefix="sagebrush-faults-") as place:
        made = Stand(Path(place) / "home", isolation=isolated, stop_grace=2)
        try:
            made.up().s3.create_bucket(Bucket=BUCKET)
            yield made
        finally:
            made.clean()


@contextlib.contextmanager
def starting(folder: Path, isolated: str) -> Iterator[Start]:
    """`start(**settings)` starts a server with its bucket; none is left at the end."""
    made: list[Stand] = []

    def one(home: Path | None = None, **settings: Any) -> Stand:
        place = home or folder / f"home{len(made)}"
        stand = Stand(place, **{"isolation": isolated, "stop_grace": 2, **settings})
        made.append(stand)
        stand.up().s3.create_bucket(Bucket=BUCKET)
        return stand

    try:
        yield one
    finally:
        for each in made:
            each.clean()


@pytest.fixture
def start(tmp_path: Path, isolated: str) -> Iterator[Start]:
    """`start(**settings)`: a server for this test alone, with its bucket."""
    with starting(tmp_path, isolated) as one:
        yield one
