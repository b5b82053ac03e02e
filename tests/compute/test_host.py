"""What the host has, as control groups of both versions tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.compute.host import Host, measure

GIB = 1 << 30


@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "1073741824\n"}, 1.5, GIB),
        ({"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None),
        (
            {
                "cpu/cpu.cfs_quota_us": "50000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "536870912\n",
            },
            0.5,
            GIB // 2,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None, None),
        ({}, None, None),
    ],
)
def test_the_host_is_what_its_cgroup_leaves(
    tmp_path: Path, files: dict[str, str], cpus: float | None, memory: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    plain, found = measure(Path("/nowhere")), measure(tmp_path)
    assert found == Host(cpus or plain.cpus, memory or plain.memory)
