"""How the tests are run: shards, parts, what a pure test may not do, what a run tells."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests import lanes, plan, progress

TESTS = Path(__file__).parent
MODULES = {path.name for path in TESTS.rglob("test_*.py")}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_module_is_in_one_shard_and_shards_take_equally_long(count: int) -> None:
    known = plan.seconds(plan.LONG)
    parts = plan.shares(MODULES, known, count)
    assert sorted(name for part in parts for name in part) == sorted(MODULES)
    loads = [sum(known.get(name, plan.UNKNOWN) for name in part) for part in parts]
    assert max(loads) - min(loads) <= max([*known.values(), plan.UNKNOWN])


def test_a_part_of_a_module_is_taken_by_one_worker() -> None:
    assert plan.part_of("tests/a/test_x.py::test_a[1]") == plan.part_of("tests/a/test_x.py::test_b")
    assert plan.part_of("tests/a/test_x.py::test_a") != plan.part_of("tests/a/test_y.py::test_a")
    several, each = (next(n for n, c in plan.SPLIT.items() if bool(c) == b) for b in (True, False))
    tests = [f"tests/{several}::test_a[{n}]" for n in range(50)]
    assert len({plan.part_of(name) for name in tests}) == plan.SPLIT[several]
    assert plan.part_of(f"tests/{each}::test_a") != plan.part_of(f"tests/{each}::test_b")


def test_what_is_kept_of_modules_names_modules_that_exist() -> None:
    named = {*plan.SPLIT, *plan.TOGETHER, *json.loads(plan.DURATIONS.read_text())}
    assert named <= MODULES


def test_this_module_is_in_the_lane_whose_rules_it_tests() -> None:
    assert lanes.lane_of(Path(__file__)) == "pure"


def test_a_pure_test_starts_no_process() -> None:
    with pytest.raises(AssertionError, match="starts no process: 'true'"):
        subprocess.run(["true"])


def test_a_pure_test_reaches_no_other_host() -> None:
    with socket.socket() as outside:
        with pytest.raises(AssertionError, match="reaches no other host"):
            outside.connect(("192.0.2.1", 9))
        outside.bind(("127.0.0.1", 0))


def test_a_run_tells_the_reason_of_a_skip_once() -> None:
    report = pytest.TestReport(
        nodeid="t",
        location=("t", 1, "t"),
        keywords={},
        outcome="skipped",
        longrepr=("file.py", 3, "Skipped: no environment sdk2: ./run setup sdk2"),
        when="setup",
    )
    assert progress.reason(report) == "no environment sdk2: ./run setup sdk2"
    assert [progress.clock(s) for s in (5.4, 65, 3600)] == ["0:05", "1:05", "60:00"]
