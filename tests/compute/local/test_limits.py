"""The plan of limits by layout, the survey on made-up trees, and their application to them."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import pytest

from sagebrush.compute.base import Limits
from sagebrush.compute.local import limits
from sagebrush.compute.local.limits import Layout
from sagebrush.compute.shim import cgroup

GIB = 1 << 30
V1 = Layout("v1", {"memory": "/m/sagebrush", "cpu": "/c/sagebrush", "pids": "/p/sagebrush"})
V2 = Layout("v2", {"memory": "/u/sagebrush", "cpu": "/u/sagebrush", "pids": "/u/sagebrush"})


def writes(given: Limits, layout: Layout) -> dict[str, str]:
    return {path: value for path, value, _ in limits.plan(given, layout, "job").writes}


def test_v2() -> None:
    assert writes(Limits(cpu=1.5, memory=GIB, pids=100), V2) == {
        "/u/sagebrush/job/memory.max": str(GIB),
        "/u/sagebrush/job/memory.swap.max": "0",
        "/u/sagebrush/job/cpu.max": "150000 100000",
        "/u/sagebrush/job/pids.max": "100",
    }
    plan = limits.plan(Limits(), V2, "job")
    assert plan.directories == ("/u/sagebrush/job",)
    assert plan.oom == "/u/sagebrush/job/memory.events"


def test_v1() -> None:
    assert writes(Limits(cpu=0.5, memory=GIB, pids=100), V1) == {
        "/m/sagebrush/job/memory.limit_in_bytes": str(GIB),
        "/m/sagebrush/job/memory.memsw.limit_in_bytes": str(GIB),
        "/c/sagebrush/job/cpu.cfs_period_us": "100000",
        "/c/sagebrush/job/cpu.cfs_quota_us": "50000",
        "/p/sagebrush/job/pids.max": "100",
    }
    plan = limits.plan(Limits(), V1, "job")
    assert set(plan.directories) == {"/m/sagebrush/job", "/c/sagebrush/job", "/p/sagebrush/job"}
    assert plan.oom == "/m/sagebrush/job/memory.oom_control"


def test_endpoints_share_instead_of_a_ceiling() -> None:
    shared = Limits(cpu=4, share=True, pids=0)
    assert writes(shared, V2) == {"/u/sagebrush/job/cpu.weight": "400"}
    assert writes(shared, V1) == {"/c/sagebrush/job/cpu.shares": "4096"}
    assert limits.plan(shared, Layout(), "job", 8).processors == 0
    assert "CPUWeight=400" in limits.plan(shared, Layout("systemd"), "job").prefix


def test_no_limit_writes_nothing() -> None:
    assert writes(Limits(pids=0), V2) == writes(Limits(pids=0), V1) == {}


def test_a_memory_limit_is_needed_and_swap_is_not() -> None:
    plan = limits.plan(Limits(memory=GIB), V1, "job")
    needed = {path.rsplit("/", 1)[1]: needed for path, _, needed in plan.writes}
    assert needed["memory.limit_in_bytes"]
    assert not needed["memory.memsw.limit_in_bytes"]


def test_v1_without_cpu_and_pids_controllers() -> None:
    layout = Layout("v1", {"memory": "/m"})
    assert set(writes(Limits(cpu=1, memory=GIB), layout)) == {
        "/m/job/memory.limit_in_bytes",
        "/m/job/memory.memsw.limit_in_bytes",
    }


def test_systemd_scope() -> None:
    plan = limits.plan(Limits(cpu=1.5, memory=GIB, pids=100), Layout("systemd"), "job")
    assert plan.prefix[:3] == ("systemd-run", "--user", "--scope")
    assert {f"MemoryMax={GIB}", "MemorySwapMax=0", "CPUQuota=150%"} <= set(plan.prefix)
    assert "--unit=sagebrush-job" in plan.prefix


@pytest.mark.parametrize(
    ("cpu", "processors", "bound"), [(1.0, 4, 1), (1.5, 4, 2), (4.0, 4, 0), (8.0, 4, 0), (0, 4, 0)]
)
def test_watchdog_binds_to_whole_processors(cpu: float, processors: int, bound: int) -> None:
    plan = limits.plan(Limits(cpu=cpu, memory=GIB), Layout(), "job", processors)
    assert (plan.watch, plan.processors, plan.writes) == (GIB, bound, ())


# -- the survey, on trees made up in files


def proc(tmp_path: Path, mounts: list[str], groups: list[str]) -> Path:
    place = tmp_path / "proc"
    place.mkdir()
    (place / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    (place / "cgroup").write_text("".join(f"{line}\n" for line in groups))
    return place


def test_survey_finds_v1_in_its_own_group(tmp_path: Path) -> None:
    mounts, groups = [], []
    for number, name in enumerate(("memory", "cpu,cpuacct", "pids"), 30):
        (tmp_path / name / "own").mkdir(parents=True)
        mounts.append(f"{number} 1 0:{number} / {tmp_path / name} rw - cgroup cgroup rw,{name}")
        groups.append(f"{number}:{name}:/own")
    layout = limits.survey(proc(tmp_path, mounts, groups), systemd=False, works=lambda _: True)
    assert layout.kind == "v1"
    assert layout.roots == {
        "memory": f"{tmp_path}/memory/own/sagebrush",
        "cpu": f"{tmp_path}/cpu,cpuacct/own/sagebrush",
        "cpuacct": f"{tmp_path}/cpu,cpuacct/own/sagebrush",
        "pids": f"{tmp_path}/pids/own/sagebrush",
    }
    assert all(Path(root).is_dir() for root in layout.roots.values())


def test_survey_sees_a_group_mounted_in_a_container(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    mounts = [f"30 1 0:30 /docker/abc {tmp_path / 'memory'} rw - cgroup cgroup rw,memory"]
    layout = limits.survey(
        proc(tmp_path, mounts, ["4:memory:/docker/abc"]), systemd=False, works=lambda _: True
    )
    assert layout.roots == {"memory": f"{tmp_path}/memory/sagebrush"}


def unified(tmp_path: Path, controllers: str, own: str = "") -> Path:
    base = tmp_path / "unified"
    for group in (base / own.strip("/"), base / own.strip("/") / "sagebrush"):
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.controllers").write_text(controllers)
        (group / "cgroup.subtree_control").touch()
    mounts = [f"40 1 0:40 / {base} rw - cgroup2 cgroup2 rw"]
    return proc(tmp_path, mounts, [f"0::{own or '/'}"])


def test_survey_finds_v2(tmp_path: Path) -> None:
    layout = limits.survey(
        unified(tmp_path, "cpuset cpu io memory pids"), systemd=False, works=lambda _: True
    )
    assert (layout.kind, layout.roots["memory"]) == ("v2", f"{tmp_path}/unified/sagebrush")
    control = tmp_path / "unified/sagebrush/cgroup.subtree_control"
    assert control.read_text() == "+memory+cpu+pids"


def test_survey_finds_a_delegated_v2_group(tmp_path: Path) -> None:
    layout = limits.survey(
        unified(tmp_path, "memory pids", "/user.slice/own"), systemd=False, works=lambda _: True
    )
    assert layout.roots["memory"] == f"{tmp_path}/unified/user.slice/own/sagebrush"


def test_survey_passes_over_v2_without_memory(tmp_path: Path) -> None:
    layout = limits.survey(unified(tmp_path, "hugetlb"), systemd=False, works=lambda _: True)
    assert layout.kind == "watchdog"
    assert "memory" in layout.why


@pytest.mark.costs("starts cat, which is moved into a group")
def test_survey_passes_over_what_does_not_work(tmp_path: Path) -> None:
    place = unified(tmp_path, "memory pids cpu")
    assert limits.survey(place, systemd=False, works=lambda layout: False).kind == "watchdog"
    # These are files, no control groups: the real trial finds out.
    assert limits.survey(place, systemd=False).kind == "watchdog"


# -- applying


def applied(tmp_path: Path) -> tuple[cgroup.Plan, Path]:
    plan = asdict(
        limits.plan(Limits(memory=GIB, pids=9), Layout("v2", {"memory": str(tmp_path)}), "k")
    )
    group = tmp_path / "k"
    group.mkdir()
    for name in ("memory.max", "memory.swap.max", "pids.max", "cgroup.procs"):
        (group / name).touch()
    return plan, group


def test_limits_are_written_before_the_process_is_added(tmp_path: Path) -> None:
    plan, group = applied(tmp_path)
    cgroup.make(plan)
    assert (group / "memory.max").read_text() == str(GIB)
    assert (group / "cgroup.procs").read_text() == ""
    cgroup.add(plan, 77)
    assert (group / "cgroup.procs").read_text() == "77"


def test_a_needed_limit_that_is_refused_is_an_error(tmp_path: Path) -> None:
    plan, group = applied(tmp_path)
    (group / "pids.max").unlink()
    cgroup.make(plan)
    (group / "memory.max").unlink()
    with pytest.raises(FileNotFoundError):
        cgroup.make(plan)


def test_counters_of_both_versions(tmp_path: Path) -> None:
    plan, group = applied(tmp_path)
    assert (cgroup.killed(plan), cgroup.peak(plan)) == (0, 0)
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n")
    (group / "memory.peak").write_text("12345\n")
    assert (cgroup.killed(plan), cgroup.peak(plan)) == (2, 12345)
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    plan["oom"] = str(group / "memory.oom_control")
    assert cgroup.killed(plan) == 1


def test_old_groups_are_swept_and_young_or_used_ones_stay(tmp_path: Path) -> None:
    for name in ("old", "used", "young"):
        (tmp_path / name).mkdir()
    (tmp_path / "used" / "child").mkdir()
    for name in ("old", "used"):
        os.utime(tmp_path / name, (0, 0))
    cgroup.sweep([str(tmp_path), str(tmp_path / "none")], 60.0)
    assert sorted(os.listdir(tmp_path)) == ["used", "young"]
