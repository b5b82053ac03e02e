"""What a live job uses now: by its control group, else by its processes; GPUs by nvidia-smi."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.compute import record
from sagebrush.compute.shim import cgroup

CGROUPS = Path("/sys/fs/cgroup")
QUERY = "index,utilization.gpu,memory.used,memory.total"
"""What nvidia-smi is asked: per cent of time and MiB."""
PATIENCE = 5.0
"""Seconds for which nvidia-smi may think."""


@dataclass(frozen=True)
class Gpu:
    """One GPU now: per cent of the time busy, bytes of memory used and there."""

    busy: float
    used: int
    memory: int


@dataclass(frozen=True)
class Usage:
    """What one job's processes use together."""

    at: float
    """`time.monotonic` of the look."""
    cpu: float
    """Seconds of CPU time since the job began."""
    memory: int
    """Bytes held now, without what the kernel only keeps of files."""
    processes: int
    disk: float
    """Per cent of the file system of /opt/ml that is full, as `df /opt/ml` says in the job."""
    cpus: float
    """The CPUs that it may use; 0: no limit."""
    limit: int
    """The bytes of memory that it may use; 0: no limit."""
    started: float
    """Seconds since the epoch."""
    gpus: tuple[Gpu, ...] = ()
    """Those that are the job's alone."""


def usage(directory: Path, cards: Mapping[int, Gpu] | None = None) -> Usage | None:
    """What the job in `directory` uses; None when it does not run, or that is not known.

    `cards` are the host's GPUs, as `gpus` found them.
    """
    try:
        written, state = record.read(directory, "spec.json"), _state(directory)
        if written is None or state is None:
            return None
        cpu, memory, processes = _counted(written.get("shim"), state)
        disk = os.statvfs(directory / "ml")
    except (OSError, ValueError, KeyError, IndexError):  # it is ending
        return None
    limits = written["spec"]["limits"]
    full = disk.f_blocks - disk.f_bfree
    room = full + disk.f_bavail
    return Usage(
        at=time.monotonic(),
        cpu=cpu,
        memory=memory,
        processes=processes,
        disk=100.0 * full / room if room else 0.0,
        cpus=limits["cpu"],
        limit=limits["memory"],
        started=state["started"],
        gpus=tuple(cards[n] for n in limits["gpus"] if n in cards) if cards else (),
    )


def rate(before: Usage | None, now: Usage) -> float:
    """Per cent of one CPU in use between two looks (100 for each CPU); since the start where there
    was none before."""
    seconds = now.at - before.at if before else time.time() - now.started
    used = now.cpu - (before.cpu if before else 0.0)
    return max(0.0, 100.0 * used / seconds) if seconds > 0 else 0.0


def _state(directory: Path) -> dict[str, Any] | None:
    """What is known of the running job: when it `started` and a process (`pid`, `shim`)."""
    if (directory / "exit.json").exists():
        return None
    found = record.read(directory, "state.json") or record.read(directory, "container.json")
    if not found or not found.get("started") or not found.get("pid"):
        return None
    return found


def _counted(shim: dict[str, Any] | None, state: dict[str, Any]) -> tuple[float, int, int]:
    """CPU seconds, bytes and processes; `shim` is its configuration, None for a container."""
    plan = shim["limits"] if shim else {"kind": "container"}
    if plan["kind"] == "v2":
        return _v2(Path(plan["directories"][0]))
    if plan["kind"] == "v1":
        return _v1(Path(plan["oom"]).parent, [Path(each) for each in plan["directories"]])
    if plan["kind"] == "systemd":
        return _v2(_groups(state["shim"])[""])
    if plan["kind"] == "container":
        groups = _groups(state["pid"])
        if "memory" in groups:
            return _v1(groups["memory"], list(groups.values()))
        return _v2(groups[""])
    return _tree(cgroup.descendants(state["shim"]))


def _v2(group: Path) -> tuple[float, int, int]:
    used = _numbers(group / "cpu.stat")["usage_usec"] / 1e6
    memory = int((group / "memory.current").read_text())
    memory -= _numbers(group / "memory.stat").get("inactive_file", 0)
    return used, max(0, memory), len((group / "cgroup.procs").read_text().split())


def _v1(own: Path, groups: list[Path]) -> tuple[float, int, int]:
    """`own` is the group of the memory controller, `groups` those of all."""
    memory = int((own / "memory.usage_in_bytes").read_text())
    memory -= _numbers(own / "memory.stat").get("total_inactive_file", 0)
    pids = [int(word) for word in (own / "cgroup.procs").read_text().split()]
    for group in groups:
        with contextlib.suppress(OSError):
            used = int((group / "cpuacct.usage").read_text())
            return used / 1e9, max(0, memory), len(pids)
    return _tree(pids)[0], max(0, memory), len(pids)


def _numbers(file: Path) -> dict[str, int]:
    """A file of `name number` lines."""
    pairs = (line.split() for line in file.read_text().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _groups(pid: int) -> dict[str, Path]:
    """The groups of a process, by controller ("" for v2), as most systems mount them."""
    found: dict[str, Path] = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            found[name] = CGROUPS / name / path.lstrip("/")
    return found


def _tree(pids: Iterable[int]) -> tuple[float, int, int]:
    """The same of processes; CPU time that ended children used is their parents'."""
    ticks, memory, count = 0, 0, 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(int(each) for each in fields[11:15])
            memory += cgroup.private(pid)
            count += 1
    return ticks / os.sysconf("SC_CLK_TCK"), memory, count


def gpus(environ: Mapping[str, str]) -> dict[int, Gpu]:
    """The host's GPUs by number, as nvidia-smi sees them now; {} where there is none."""
    tool = shutil.which("nvidia-smi", path=environ.get("PATH", os.defpath))
    if tool is None:
        return {}
    command = [tool, f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=PATIENCE, text=True, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(_cards(done.stdout)) if done.returncode == 0 else {}


def _cards(text: str) -> Iterator[tuple[int, Gpu]]:
    """The GPUs in nvidia-smi's lines; a value that is not available ([N/A]) counts as 0."""
    for line in text.splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) == 4 and words[0].isdigit():
            busy, used, there = (float(w) if _plain(w) else 0.0 for w in words[1:])
            yield int(words[0]), Gpu(busy, int(used) << 20, int(there) << 20)


def _plain(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()
