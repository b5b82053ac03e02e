"""The CPUs, memory and GPUs of this host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sagebrush.compute.local import gpus

CGROUPS = Path("/sys/fs/cgroup")
LOCAL = "local"
"""The id of the host that the server itself runs on, whichever machine its data directory is on."""


@dataclass(frozen=True)
class Host:
    """CPUs (a fraction under a quota), bytes of memory, and GPUs by number."""

    cpus: float
    memory: int
    gpus: tuple[int, ...] = ()
    id: str = LOCAL
    """What reservations name it by: never another's, and the same after a restart. No comma in it."""


def measure(cgroups: Path = CGROUPS) -> Host:
    """Measures this host within the limits of its cgroup (v2 or v1)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus: float = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    quota = _words(cgroups / "cpu.max") or [
        *_words(cgroups / "cpu/cpu.cfs_quota_us"),
        *_words(cgroups / "cpu/cpu.cfs_period_us"),
    ]
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]):
        cpus = min(cpus, max(int(quota[0]) / int(quota[1]), 0.1))
    for file in (cgroups / "memory.max", cgroups / "memory/memory.limit_in_bytes"):
        limit = _words(file)
        if limit and limit[0].isdigit():
            memory = min(memory, int(limit[0]))
    return Host(cpus, memory, tuple(each.number for each in gpus.discover(os.environ)))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
