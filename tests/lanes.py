"""What a test of each lane may cost: `pure` ones start nothing, `live` ones are done in seconds.

pure     no process, no server, milliseconds: run on every save
live     a server in this process, jobs in sandboxes
clients  unmodified clients: SDKs, the command line, browsers, notebooks
models   the frameworks' environments, which are gigabytes

A test that has to be dearer says why: `@pytest.mark.costs("compiles a kernel")`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.crowding import crowding

LANES = ("pure", "live", "clients", "models")
TESTS = Path(__file__).parent

PURE_CPU = 1.0
"""Seconds of processor that a pure test may use; aim at a tenth."""

LIVE_WALL = 60.0
"""Seconds that a live test may take; aim at 5. This is where it is refused: others run beside it.

Both are more where the machine has more to do than it has cores, which costs either.
"""

PROCESSES = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system"}
ADDRESSES = {"socket.bind", "socket.connect"}


@cache
def _listed() -> dict[str, str]:
    """Module -> lane, of modules that do not lie in the folder of their lane."""
    try:
        return json.loads((TESTS / "lanes.json").read_text())
    except FileNotFoundError:
        return {}


def lane_of(path: Path) -> str:
    """The lane of a test module: the folder beneath `tests/`."""
    first = path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""
    return first if first in LANES else _listed().get(path.name, "live")


class Guard:
    """Ends what a pure test may not do. What it does in threads of its own is not seen.

    Its teardown is not watched: it may end what tests before it shared, a server among it.
    """

    def __init__(self) -> None:
        self.pure = False
        self._ended = 0.0
        self._thread = threading.get_ident()
        sys.addaudithook(self._watch)

    def _watch(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.pure or threading.get_ident() != self._thread:
            return
        if event in PROCESSES:
            raise AssertionError(f"a pure test starts no process: {args[0] if args else event!r}")
        if event in ADDRESSES and not _local(args[1]):
            raise AssertionError(f"a pure test reaches no other host: {args[1]!r}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """The test has run; one that took too long failed for that."""
        why = item.get_closest_marker("costs")
        lane = lane_of(item.path)
        if why is not None or lane not in ("pure", "live"):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = self._run(item, nextitem, lane)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        """What the test itself did is over."""
        self.pure, self._ended = False, time.process_time()

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None, lane: str) -> list[Any]:
        used, reports = self._measured(item, nextitem, lane)
        if lane == "pure" and used > PURE_CPU * crowding() and all(r.passed for r in reports):
            # What is loaded once is charged to who needs it first: a second time it is there.
            item._initrequest()  # type: ignore[attr-defined]
            used, reports = self._measured(item, nextitem, lane)
        limit = (PURE_CPU if lane == "pure" else LIVE_WALL) * crowding()
        called = next((r for r in reports if r.when == "call"), None)
        if called is not None and called.passed and used > limit:
            called.outcome = "failed"
            called.longrepr = (
                f"{item.nodeid} took {used:.2f} s, and a {lane} test has {limit:g}. Make it cheaper, "
                'or say what is worth that: @pytest.mark.costs("why").'
            )
        return reports

    def _measured(self, item: pytest.Item, nextitem: Any, lane: str) -> tuple[float, list[Any]]:
        """(seconds: of processor for pure tests, of the call by the clock else; the reports)."""
        self.pure, started = lane == "pure", time.process_time()
        try:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        finally:
            self.pure = False
        if lane == "pure":
            return self._ended - started, reports
        return next((r.duration for r in reports if r.when == "call"), 0.0), reports


def _local(address: Any) -> bool:
    """Whether the address of a socket is of this host alone: a path, or a loopback address."""
    if not isinstance(address, tuple):
        return True
    return str(address[0]) in ("localhost", "::1") or str(address[0]).startswith("127.")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Guard(), "lanes")
