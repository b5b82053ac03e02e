"""Which tests a run takes, in what order, and which of them one worker runs one after another.

A worker takes a module at a time, so what its tests share is made once; the slowest modules come
first, so that no worker is left with a long one at the end. `tests/durations.json` says how long a
module takes; `./run test --full --write-durations` writes it anew.
"""

from __future__ import annotations

import gc
import json
import os
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.lanes import LANES, lane_of

DURATIONS = Path(__file__).parent / "durations.json"
UNKNOWN = 2.0
"""Seconds of a module that nobody has measured."""

LONG = ("nightly", "full")
"""Marks of tests that a run leaves out unless it is told otherwise, the rarer first."""

EACH = 0
SPLIT = {
    "test_blazingtext_quality.py": EACH,
    "test_distributed.py": EACH,
    "test_examples.py": EACH,
    "test_frameworks.py": EACH,
    "test_launchers.py": EACH,
    "test_processing_sdks.py": EACH,
    "test_sdk_containers.py": EACH,
    "test_sdk_input_modes.py": EACH,
    "test_sdks.py": EACH,
    "test_serverless_sdks.py": EACH,
    "test_sigv4.py": 2,
    "test_transformers.py": EACH,
    "test_tuners.py": EACH,
}
"""Modules whose tests share nothing that is dear: into how many parts, or each test by itself."""

TOGETHER = dict.fromkeys(
    ("test_containers_live.py", "test_network.py", "test_containers_backend.py"),
    "interfaces of the host",
)
"""Modules that use one thing of the host which cannot be shared, and what it is."""

left_out = pytest.StashKey[Counter[str]]()
"""How many tests this run does not take, by why."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sagebrush")
    group.addoption("--full", action="store_true", help="also slow tests: SDKs, frameworks, kills")
    group.addoption("--nightly", action="store_true", help="also tests of many minutes")
    group.addoption("--lane", action="append", choices=LANES, help="only tests of this lane")
    group.addoption("--shard", metavar="I/N", help="the I-th of N parts that take equally long")
    group.addoption("--write-durations", action="store_true", help=f"write {DURATIONS.name} anew")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[left_out] = Counter()
    few = 1000 if config.getoption("--nightly") else 60
    hypothesis.settings.register_profile("run", max_examples=few, deadline=None, database=None)
    hypothesis.settings.load_profile("run")
    if config.getoption("--shard"):
        shard(config)
    if config.getoption("--write-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Measured(), "measured durations")


def shard(config: pytest.Config) -> tuple[int, int]:
    """(I, N) of `--shard I/N`; a UsageError where they are not such numbers."""
    first, _, second = str(config.getoption("--shard")).partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise pytest.UsageError("--shard takes I/N, as in 1/2: I from 1 to N")
    return int(first), int(second)


def wanted(config: pytest.Config) -> set[str]:
    """The marks among `LONG` that this run takes; the rarer includes the other."""
    if config.getoption("--nightly"):
        return set(LONG)
    return {"full"} if config.getoption("--full") else set()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Tests are gathered without collecting garbage, and are never looked through for some: a million
    objects, which all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What the options leave out is gone; where workers share the rest, slow modules come first."""
    marks, lanes = wanted(config), config.getoption("--lane")
    known, theirs = seconds(marks), None
    if config.getoption("--shard"):
        number, count = shard(config)
        theirs = shares({item.path.name for item in items}, known, count)[number - 1]
    kept, gone = [], defaultdict(list)
    for item in items:
        mark = next((m for m in LONG if item.get_closest_marker(m)), None)
        if mark is not None and mark not in marks:
            gone[f"long (--{mark} takes them)"].append(item)
        elif lanes and lane_of(item.path) not in lanes:
            gone["of other lanes"].append(item)
        elif theirs is not None and item.path.name not in theirs:
            gone["of other shards"].append(item)
        else:
            kept.append(item)
    for why, found in gone.items():
        config.stash[left_out][why] += len(found)
        config.hook.pytest_deselected(items=found)
    if hasattr(config, "workerinput"):
        kept.sort(key=lambda item: weight(item.path.name, known), reverse=True)
        config.workeroutput["left_out"] = dict(config.stash[left_out])  # type: ignore[attr-defined]
    items[:] = kept


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What one worker left out, all did."""
    found = getattr(node, "workeroutput", {}).get("left_out")
    if found:
        node.config.stash[left_out] = Counter(found)


# ---- durations


def seconds(marks: Iterable[str] = ()) -> dict[str, float]:
    """Module -> how long its tests take together, of those marks and of none."""
    try:
        known = json.loads(DURATIONS.read_text())
    except FileNotFoundError:
        return {}
    return {name: sum(by[m] for m in ("", *marks) if m in by) for name, by in known.items()}


def weight(module: str, known: dict[str, float]) -> float:
    """How long a worker is busy, about, with what it takes at once of that module."""
    return known.get(module, UNKNOWN) / (SPLIT.get(module, 1) or 3)


def shares(modules: Iterable[str], known: dict[str, float], count: int) -> list[set[str]]:
    """The modules in `count` parts: each goes, the slowest first, where there is least to do."""
    loads, parts = [0.0] * count, [set[str]() for _ in range(count)]
    for name in sorted(modules, key=lambda n: (-known.get(n, UNKNOWN), n)):
        least = loads.index(min(loads))
        loads[least] += known.get(name, UNKNOWN)
        parts[least].add(name)
    return parts


class Measured:
    """Adds up what each module took, and writes it at the end."""

    def __init__(self) -> None:
        self.took: dict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        mark = next((m for m in LONG if m in report.keywords), "")
        self.took[module_of(report.nodeid)][mark] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        known = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
        there = {path.name for path in DURATIONS.parent.rglob("test_*.py")}
        for name, by in self.took.items():
            known[name] = {m: round(s, 1) for m, s in sorted({**known.get(name, {}), **by}.items())}
        lines = [f"{json.dumps(n)}: {json.dumps(known[n])}" for n in sorted(known) if n in there]
        DURATIONS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


# ---- workers


def module_of(nodeid: str) -> str:
    """The name of the module; each has one of its own."""
    return nodeid.partition("::")[0].rpartition("/")[2]


def part_of(nodeid: str) -> str:
    """What one worker takes with that test: its module, a part of it, or it alone."""
    module = module_of(nodeid)
    if module in TOGETHER:
        return TOGETHER[module]
    parts = SPLIT.get(module, 1)
    if parts == EACH:
        return nodeid
    return f"{module}#{zlib.crc32(nodeid.encode()) % parts}"


class ByModule(LoadScopeScheduling):
    """Gives each worker one part at a time, in our order."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return part_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`-n N` alone spreads the tests by module; a `--dist` of the user's own stays."""
    return ByModule(config, log) if config.getoption("dist") == "load" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Two workers more than there are cores, since most tests wait, those of SDKs two thirds of their
    time; one more for those of some lanes; none for a module alone."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    places = {argument.partition("::")[0] for argument in config.args}
    if len(places) == 1 and places.pop().endswith(".py"):
        return 0
    return cores() + (1 if config.getoption("lane") else 2)


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
