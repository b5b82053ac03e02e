"""Applies a plan of limits.py: makes groups, counts, kills, removes. Standard library only."""

from __future__ import annotations

import contextlib
import os
import signal
import time

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Plan = dict[str, Any]
    """limits.Plan as JSON."""


def make(plan: Plan) -> None:
    """The job's groups exist with their limits; raises OSError where a needed limit is refused."""
    for directory in plan["directories"]:
        os.makedirs(directory, exist_ok=True)
    for path, value, needed in plan["writes"]:
        try:
            _write(path, value)
        except OSError:
            if needed:
                raise
    if plan["kind"] == "systemd":
        group = own()
        plan["oom"], plan["peak"] = f"{group}/memory.events", f"{group}/memory.peak"


def own() -> str:
    """The directory of this process's v2 group."""
    with open("/proc/self/cgroup") as file:
        paths = [line.rstrip("\n")[3:] for line in file if line.startswith("0::")]
    return "/sys/fs/cgroup" + (paths[0] if paths else "")


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def add(plan: Plan, pid: int) -> None:
    """The process is in the job's groups."""
    for directory in plan["directories"]:
        _write(f"{directory}/cgroup.procs", str(pid))


def freeze(plan: Plan, frozen: bool) -> None:
    """The job's processes stand still, or go on. Raises OSError."""
    file, *words = plan["freeze"]
    _write(file, words[not frozen])


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def killed(plan: Plan) -> int:
    """How many of the job's processes the kernel killed for memory."""
    for line in _read(plan["oom"]).splitlines() if plan["oom"] else ():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return 0


def peak(plan: Plan) -> int:
    """The most memory the job used, in bytes; 0 where nothing counts it."""
    text = _read(plan["peak"]).strip() if plan["peak"] else ""
    return int(text) if text.isdigit() else 0


def members(plan: Plan) -> Iterator[int]:
    """The processes in the job's groups."""
    for directory in plan["directories"][:1]:
        for line in _read(f"{directory}/cgroup.procs").splitlines():
            if line != "0":
                yield int(line)


def end(pids: Iterable[int]) -> None:
    """Each process that can be signalled has had SIGKILL."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def remove(plan: Plan, patience: float = 2.0) -> None:
    """Nothing runs in the job's groups and they are gone, or `patience` seconds have passed."""
    limit = time.monotonic() + patience
    while plan["directories"] and time.monotonic() < limit:
        end(members(plan))
        left = [each for each in plan["directories"] if not _removed(each)]
        if not left:
            return
        time.sleep(0.005)


def sweep(roots: Iterable[str], age: float) -> None:
    """Groups under `roots` that hold nothing since `age` seconds are gone: their shims were killed
    and no server came to see it."""
    for root in set(roots):
        try:
            old = [e.path for e in os.scandir(root) if e.is_dir() and _age(e.path) > age]
        except OSError:
            continue
        for directory in old:
            _removed(directory)  # refused while a process is inside


def _age(directory: str) -> float:
    try:
        return time.time() - os.stat(directory).st_mtime
    except OSError:
        return 0.0


def _removed(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def descendants(pid: int) -> list[int]:
    """The processes under `pid`, nearest first, without it."""
    found: list[int] = []
    queue = [pid]
    while queue:
        parent = queue.pop()
        children = [int(c) for t in _threads(parent) for c in _read(f"{t}/children").split()]
        found += children
        queue += children
    return found


def _threads(pid: int) -> list[str]:
    try:
        return [f"/proc/{pid}/task/{name}" for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def resident(pid: int) -> int:
    """Bytes of memory that the tree of `pid` holds for itself alone (shared pages not counted)."""
    return sum(private(each) for each in (pid, *descendants(pid)))


def largest(pid: int) -> int:
    """The process under `pid` that holds the most memory for itself alone; 0 when there is none."""
    return max(descendants(pid), key=private, default=0)


def private(pid: int) -> int:
    """Bytes of memory that the process shares with no file and no other process."""
    fields = _read(f"/proc/{pid}/statm").split()
    if len(fields) < 3:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
