"""What a job may use, as writes to control groups: a pure plan from limits and the host's layout."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sagebrush.compute.base import Limits
from sagebrush.compute.shim import cgroup

PERIOD = 100_000
"""Microseconds over which a CPU quota counts (the kernel's default)."""

GROUP = "sagebrush"
"""The control group that holds those of all jobs."""


@dataclass(frozen=True)
class Layout:
    """How this host limits: `kind` is v2, v1, systemd or watchdog; `roots` holds, by controller, the
    directory in which a job's group is made."""

    kind: str = "watchdog"
    roots: dict[str, str] = field(default_factory=dict)
    why: str = ""
    """Why nothing better is in force."""


@dataclass(frozen=True)
class Plan:
    """What the shim does to limit a job; plain values, stored as JSON."""

    kind: str
    directories: tuple[str, ...] = ()
    """Groups to make, and to remove at the end."""
    writes: tuple[tuple[str, str, bool], ...] = ()
    """(file, value, whether the job cannot start without it)."""
    oom: str = ""
    """The file whose `oom_kill` line counts."""
    peak: str = ""
    """The file that holds the most memory used, in bytes."""
    prefix: tuple[str, ...] = ()
    """What the shim is started by (systemd-run)."""
    watch: int = 0
    """Bytes of resident memory at which the shim itself ends the job; 0: the kernel does."""
    processors: int = 0
    """How many processors the job is bound to; 0: all."""
    freeze: tuple[str, ...] = ()
    """The file by which the job stands still, what is written for that, and for its going on; ()
    where there is none."""


def plan(limits: Limits, layout: Layout, name: str, processors: int = 0) -> Plan:
    """The plan for the job `name` under `limits` on a host with that layout and `processors`."""
    if layout.kind == "v2":
        return _v2(limits, layout.roots["memory"], name)
    if layout.kind == "v1":
        return _v1(limits, layout.roots, name)
    if layout.kind == "systemd":
        return _systemd(limits, name)
    bound = 0
    if limits.cpu and not limits.share:
        whole = max(1, -int(-limits.cpu // 1))
        bound = whole if not processors or whole < processors else 0
    return Plan("watchdog", watch=limits.memory, processors=bound)


def _v2(limits: Limits, root: str, name: str) -> Plan:
    group = f"{root}/{name}"
    writes: list[tuple[str, str, bool]] = []
    if limits.memory:
        writes.append((f"{group}/memory.max", str(limits.memory), True))
        writes.append((f"{group}/memory.swap.max", "0", False))
    if limits.cpu and limits.share:
        writes.append((f"{group}/cpu.weight", str(_weight(limits.cpu)), False))
    elif limits.cpu:
        writes.append((f"{group}/cpu.max", f"{_quota(limits.cpu)} {PERIOD}", False))
    if limits.pids:
        writes.append((f"{group}/pids.max", str(limits.pids), False))
    return Plan(
        "v2",
        (group,),
        tuple(writes),
        oom=f"{group}/memory.events",
        peak=f"{group}/memory.peak",
        freeze=(f"{group}/cgroup.freeze", "1", "0") if limits.freezable else (),
    )


def _v1(limits: Limits, roots: dict[str, str], name: str) -> Plan:
    groups = {controller: f"{root}/{name}" for controller, root in roots.items()}
    still = groups.pop("freezer", "")
    if still and limits.freezable:
        groups["freezer"] = still
    writes: list[tuple[str, str, bool]] = []
    memory = groups["memory"]
    if limits.memory:
        writes.append((f"{memory}/memory.limit_in_bytes", str(limits.memory), True))
        writes.append((f"{memory}/memory.memsw.limit_in_bytes", str(limits.memory), False))
    if limits.cpu and "cpu" in groups:
        cpu = groups["cpu"]
        if limits.share:
            writes.append((f"{cpu}/cpu.shares", str(max(2, round(1024 * limits.cpu))), False))
        else:
            writes.append((f"{cpu}/cpu.cfs_period_us", str(PERIOD), False))
            writes.append((f"{cpu}/cpu.cfs_quota_us", str(_quota(limits.cpu)), False))
    if limits.pids and "pids" in groups:
        writes.append((f"{groups['pids']}/pids.max", str(limits.pids), False))
    return Plan(
        "v1",
        tuple(dict.fromkeys(groups.values())),
        tuple(writes),
        oom=f"{memory}/memory.oom_control",
        peak=f"{memory}/memory.max_usage_in_bytes",
        freeze=(f"{still}/freezer.state", "FROZEN", "THAWED") if "freezer" in groups else (),
    )


def _systemd(limits: Limits, name: str) -> Plan:
    properties: list[str] = []
    if limits.memory:
        properties += [f"MemoryMax={limits.memory}", "MemorySwapMax=0"]
    if limits.cpu:
        share = f"CPUWeight={_weight(limits.cpu)}"
        properties.append(share if limits.share else f"CPUQuota={round(limits.cpu * 100)}%")
    if limits.pids:
        properties.append(f"TasksMax={limits.pids + 8}")
    prefix = ["systemd-run", "--user", "--scope", "--quiet", "--collect"]
    prefix.append(f"--unit=sagebrush-{name}")
    for each in properties:
        prefix += ["-p", each]
    return Plan("systemd", prefix=tuple(prefix))


def _quota(cpu: float) -> int:
    return max(1000, round(cpu * PERIOD))


def _weight(cpu: float) -> int:
    return min(10_000, max(1, round(100 * cpu)))


def survey(
    proc: Path = Path("/proc/self"),
    systemd: bool = True,
    works: Callable[[Layout], bool] | None = None,
) -> Layout:
    """The best layout that this process can use now; makes the group that holds those of jobs.

    `works` tries a layout (by default with a real process, whose move can still be refused).
    """
    works = works or _tried
    try:
        mounts = _mounts((proc / "mountinfo").read_text())
        own = _own((proc / "cgroup").read_text())
    except OSError as error:
        return Layout(why=f"no control groups here: {error}")
    unified = _usable_v2(mounts, own)
    if unified:
        layout = Layout("v2", {"memory": unified, "cpu": unified, "pids": unified})
        if works(layout):
            return layout
    roots = _usable_v1(mounts, own)
    if "memory" in roots and works(Layout("v1", roots)):
        return Layout("v1", roots)
    if systemd and _usable_systemd():
        return Layout("systemd")
    why = "no writable control group with a memory controller, and no systemd user session"
    return Layout(why=why)


def _tried(layout: Layout) -> bool:
    """Whether a process can be limited and moved into a group."""
    trial = asdict(plan(Limits(cpu=1, memory=1 << 28), layout, f"trial-{uuid.uuid4().hex[:12]}"))
    try:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    except OSError:
        return True  # a host without cat: the first job will show it
    try:
        cgroup.make(trial)
        cgroup.add(trial, child.pid)
        return True
    except OSError:
        return False
    finally:
        child.communicate()
        cgroup.remove(trial)


def _mounts(text: str) -> dict[str, tuple[str, str]]:
    """By controller ("" for v2): the mount point and the part of the hierarchy mounted there."""
    found: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) < 5 or len(tail) < 3:
            continue
        if tail[0] == "cgroup2":
            found.setdefault("", (fields[4], fields[3]))
        elif tail[0] == "cgroup":
            for option in tail[2].split(","):
                if option in ("memory", "cpu", "cpuacct", "pids", "freezer"):
                    found.setdefault(option, (fields[4], fields[3]))
    return found


def _own(text: str) -> dict[str, str]:
    """By controller ("" for v2): this process's group."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _usable_v2(mounts: dict[str, tuple[str, str]], own: dict[str, str]) -> str | None:
    """A directory whose children can have memory limits, by trying."""
    if "" not in mounts:
        return None
    point, _ = mounts[""]
    for parent in dict.fromkeys((point + own.get("", "/").rstrip("/"), point)):
        try:
            controllers = Path(parent, "cgroup.controllers").read_text().split()
            if "memory" not in controllers:
                continue
            wanted = [each for each in ("memory", "cpu", "pids") if each in controllers]
            _enable(Path(parent), wanted)
            base = Path(parent, GROUP)
            base.mkdir(exist_ok=True)
            _enable(base, wanted)
            return str(base)
        except OSError:
            continue
    return None


def _enable(group: Path, controllers: list[str]) -> None:
    control = os.open(group / "cgroup.subtree_control", os.O_WRONLY)
    try:
        for each in controllers:
            os.write(control, f"+{each}".encode())
    finally:
        os.close(control)


def _usable_v1(mounts: dict[str, tuple[str, str]], own: dict[str, str]) -> dict[str, str]:
    """By controller, a directory in which groups can be made."""
    roots: dict[str, str] = {}
    for controller, (point, part) in mounts.items():
        if not controller:
            continue
        inside = own.get(controller, "/")
        if part != "/" and inside.startswith(part):
            inside = inside[len(part) :]
        for parent in dict.fromkeys((point + inside.rstrip("/"), point)):
            base = Path(parent, GROUP)
            try:
                base.mkdir(exist_ok=True)
            except OSError:
                continue
            if os.access(base, os.W_OK):
                roots[controller] = str(base)
                break
    return roots


def _usable_systemd() -> bool:
    """Whether `systemd-run --user --scope` works."""
    if not shutil.which("systemd-run") or os.getuid() == 0:
        return False
    command = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "true"]
    try:
        return subprocess.run(command, capture_output=True, timeout=5).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
