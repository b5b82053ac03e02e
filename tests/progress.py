"""What a run shows: one line that tells how far it is, and at the end what was not run and why."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import pytest

from tests.plan import UNKNOWN, left_out, module_of, seconds, wanted

PACE = 20.0
"""Seconds between two lines where the output is no terminal (a file, CI)."""

SLOWEST = 5


class Progress:
    """Follows the reports of all workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.out: Any = config.pluginmanager.getplugin("terminalreporter")
        self.live = self.out.isatty and config.getoption("capture") != "no"
        self.total = self.done = self.failed = 0
        self.started = self.shown = time.monotonic()
        self.waiting: dict[str, float] = {}  # what is still to do: test -> how long we think
        self.ahead = 0.0
        self.took: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.width = 0

    # ---- how many there are

    def expect(self, ids: list[str]) -> None:
        """These tests will be run."""
        known = seconds(wanted(self.config))
        sizes = Counter(module_of(name) for name in ids)
        self.waiting = {
            name: known.get(module_of(name), UNKNOWN) / sizes[module_of(name)] for name in ids
        }
        self.total, self.ahead = len(ids), sum(self.waiting.values()) or 1.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Workers gather the tests, which takes some seconds: that is said instead of xdist's words."""
        workers = self.config.getoption("numprocesses", None)
        distant: Any = self.config.pluginmanager.getplugin("terminaldistreporter")
        if workers and distant and self.out.verbosity <= 0:
            distant.setstatus = distant.ensure_show_status = lambda *_, **__: None
            self.out.write_line(f"gathering the tests; workers: {workers}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not self.config.getoption("numprocesses", None):
            self.expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        if not self.total:
            self.expect(ids)
            self._show()

    # ---- as they are done

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """No letter for each test; categories and words stay as they are."""
        if self.out.verbosity > 0 or not isinstance(report, pytest.TestReport):
            return None
        if hasattr(report, "wasxfail") or (report.when != "call" and report.passed):
            return None
        category = "error" if report.failed and report.when != "call" else report.outcome
        return category, "", category.upper()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.took[report.nodeid] += report.duration  # type: ignore[assignment]
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[reason(report)] += 1
        if report.failed:
            self.failed += 1
            if self.out.verbosity <= 0:
                self._clear()
                what = "FAILED" if report.when == "call" else f"FAILED in {report.when}"
                self.out.write_line(f"{what} {report.nodeid} ({report.duration:.1f} s)", red=True)
                self.out.write_line(f"    {cause(report)}"[:200])
        if report.when == "teardown":
            self.done += 1
            self.waiting.pop(report.nodeid, None)
            self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if self.out.verbosity > 0 or now - self.shown < (0.2 if self.live else PACE):
            return
        self.shown = now
        text = self.line(now - self.started)
        if self.live:
            text = text[: self.out._tw.fullwidth - 1]
            self.out._tw.write("\r" + text.ljust(self.width))
            self.out._tw.flush()
            self.width = len(text)
        else:
            self.out.write_line(text)

    def line(self, passed: float) -> str:
        """`120 of 3,719 tests, none failed, 0:45 (about 4 minutes left)`."""
        share = 1 - sum(self.waiting.values()) / self.ahead if self.ahead else 1.0
        failed = f"{self.failed} failed" if self.failed else "none failed"
        text = f"{self.done:,} of {self.total:,} tests, {failed}, {clock(passed)}"
        if share < 0.05 or self.done == self.total:
            return text
        left = passed * (1 - share) / share
        return f"{text}, {'about ' + clock(left) if left >= 60 else 'less than a minute'} left"

    def _clear(self) -> None:
        if self.live and self.width:
            self.out._tw.write("\r" + " " * self.width + "\r")
            self.width = 0

    # ---- at the end

    def pytest_sessionfinish(self) -> None:
        self._clear()

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self) -> None:
        """The tests that were not run, by reason, and those that took longest."""
        if self.out.no_summary or self.config.option.collectonly:
            return
        rows = [*self.skipped.most_common(), *self.config.stash[left_out].most_common()]
        if rows:
            self.out.write_sep("=", "not run")
            for why, count in rows:
                self.out.write_line(f"{count:5,}  {why}")
        slow = [(name, took) for name, took in self.took.most_common(SLOWEST) if took >= 1]
        if slow:
            self.out.write_sep("=", "slowest")
            for name, took in slow:
                self.out.write_line(f"{took:5.1f}  {name}")


def cause(report: pytest.TestReport) -> str:
    """The first line of what the test failed with; all of it is told at the end."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return (str(getattr(crash, "message", report.longrepr)).splitlines() or [""])[0]


def reason(report: pytest.TestReport) -> str:
    """Why the test was skipped, without what differs from test to test (places, numbers of ports)."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return re.sub(r"^Skipped: ", "", text).strip().splitlines()[0]


def clock(seconds: float) -> str:
    """`0:45`, `12:03`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Only who tells the user: not a worker, and not where pytest is to be silent."""
    if hasattr(config, "workerinput") or not config.pluginmanager.hasplugin("terminalreporter"):
        return
    config.pluginmanager.register(Progress(config), "progress")
