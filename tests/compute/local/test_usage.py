"""What live jobs use: by control groups made of files, by processes, by nvidia-smi, and for real."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Limits
from sagebrush.compute.local import limits, usage
from sagebrush.compute.local.usage import Gpu, Usage
from tests.compute.live_jobs import Jobs

pytestmark = pytest.mark.ordinary

MIB = 1 << 20
BUSY = (
    "import time; block = bytearray(64 << 20); print('up', flush=True)\n"
    "while True: sum(i * i for i in range(100000))"
)


def directory(tmp_path: Path, plan: dict[str, Any], gpus: tuple[int, ...] = ()) -> Path:
    """A job's directory with that plan of limits."""
    place = tmp_path / "job"
    (place / "ml").mkdir(parents=True)
    spec = {"limits": {"cpu": 2.0, "memory": 512 * MIB, "gpus": list(gpus)}}
    (place / "spec.json").write_text(json.dumps({"spec": spec, "shim": {"limits": plan}}))
    state = {
        "phase": "running",
        "started": time.time() - 10,
        "shim": os.getpid(),
        "pid": os.getpid(),
    }
    (place / "state.json").write_text(json.dumps(state))
    return place


def test_v2(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\n")
    (tmp_path / "memory.current").write_text(f"{100 * MIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon {60 * MIB}\ninactive_file {40 * MIB}\n")
    (tmp_path / "cgroup.procs").write_text("10\n11\n")
    found = usage.usage(directory(tmp_path, {"kind": "v2", "directories": [str(tmp_path)]}))
    assert found
    assert (found.cpu, found.memory, found.processes) == (2.5, 60 * MIB, 2)
    assert (found.cpus, found.limit) == (2.0, 512 * MIB)
    assert 0 < found.disk <= 100
    assert usage.rate(None, found) == pytest.approx(25.0, rel=0.2)  # 2.5 s of CPU time in 10 s


def test_v1(tmp_path: Path) -> None:
    memory, cpu = tmp_path / "memory", tmp_path / "cpuacct"
    for group in (memory, cpu):
        group.mkdir()
    (memory / "memory.usage_in_bytes").write_text(str(100 * MIB))
    (memory / "memory.stat").write_text(f"total_inactive_file {30 * MIB}\n")
    (memory / "cgroup.procs").write_text("10\n")
    (cpu / "cpuacct.usage").write_text("1500000000\n")
    plan = {
        "kind": "v1",
        "directories": [str(cpu), str(memory)],
        "oom": f"{memory}/memory.oom_control",
    }
    found = usage.usage(directory(tmp_path, plan))
    assert found
    assert (found.cpu, found.memory, found.processes) == (1.5, 70 * MIB, 1)


def test_what_ended_or_never_began_uses_nothing(tmp_path: Path) -> None:
    place = directory(tmp_path, {"kind": "watchdog"})
    assert usage.usage(place) is not None
    (place / "exit.json").write_text("{}")
    assert usage.usage(place) is None
    assert usage.usage(tmp_path / "nowhere") is None
    gone = directory(tmp_path / "gone", {"kind": "v2", "directories": [str(tmp_path / "removed")]})
    assert usage.usage(gone) is None


def test_the_rate_is_of_one_cpu() -> None:
    first = Usage(100.0, 10.0, 0, 1, 0.0, 2.0, 0, 0.0)
    assert usage.rate(first, replace(first, at=102.0, cpu=13.0)) == 150.0
    assert usage.rate(first, replace(first, at=102.0, cpu=9.0)) == 0.0


def test_gpus_are_those_of_the_job(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    lines = "0, 35, 1024, 81559\\n1, [N/A], 0, 81559\\nnonsense"
    tool.write_text(f'#!/bin/sh\n[ "$2" = --format=csv,noheader,nounits ] && printf "{lines}"\n')
    tool.chmod(0o755)
    cards = usage.gpus({"PATH": str(tool.parent)})
    assert cards == {0: Gpu(35.0, 1 << 30, 81559 * MIB), 1: Gpu(0.0, 0, 81559 * MIB)}
    found = usage.usage(directory(tmp_path, {"kind": "watchdog"}, gpus=(0,)), cards)
    assert found
    assert found.gpus == (cards[0],)
    assert usage.gpus({"PATH": str(tmp_path)}) == {}


@pytest.mark.sandbox
@pytest.mark.parametrize("watched", [False, True], ids=["this host's limits", "watchdog"])
def test_a_busy_job_is_seen(jobs: Jobs, watched: bool) -> None:
    if watched:
        jobs.backend.launcher.layout = limits.Layout()
    jobs.launch(["/usr/bin/python3", "-c", BUSY], limits=Limits(cpu=1, memory=1 << 29))
    jobs.says("up")
    place = jobs.directory / "job"
    first = usage.usage(place)
    assert first
    until = time.monotonic() + 30
    while (found := usage.usage(place)) and found.cpu - first.cpu < 0.3:  # it computes
        assert time.monotonic() < until
        time.sleep(0.05)
    assert found
    assert found.memory > 64 * MIB
    assert found.processes >= 1
    assert 0 < usage.rate(first, found) < 250
    jobs.backend.stop("job", 0)
    jobs.ended()
    assert usage.usage(place) is None
