"""Jupyter server extension: GET /sagebrush/activity returns what a notebook instance is doing.

    {"busy_kernels": 0, "kernels": 1, "terminals_running": 0, "programs": 0,
     "last_activity": 1767225600.0}

A terminal runs something while its shell has a child process. `programs` are processes that were
left running outside the server, its kernels and terminals (`nohup … &`), and those that a kernel
started and that used CPU since the last request.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
from pathlib import Path
from typing import Any

PROC = Path("/proc")
TICKS = 50
"""Ticks of CPU time (half a second) that a kernel's idle helper may use between two requests."""
IDLE = ("idle", "dead")
"""States of a kernel in which nothing is computed; any other (starting, busy, unknown) is use."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "notebook_activity"}]


def _load_jupyter_server_extension(server: Any) -> None:
    base = server.web_app.settings["base_url"].rstrip("/")
    server.web_app.settings["sagebrush_used"] = {}
    server.web_app.add_handlers(".*$", [(f"{base}/sagebrush/activity", _handler())])


def _handler() -> Any:
    """The class of the handler; Jupyter's own are only there where it runs."""
    handlers: Any = importlib.import_module("jupyter_server.base.handlers")
    web: Any = importlib.import_module("tornado.web")

    class ActivityHandler(handlers.JupyterHandler):
        """Answers with the activity."""

        @web.authenticated
        def get(self) -> None:
            """The activity as JSON."""
            self.set_header("Content-Type", "application/json")
            kernels = self.kernel_manager
            found = activity(kernels.list_kernels(), self.settings)
            pids = {_pid(kernels.get_kernel(each)) for each in kernels.list_kernel_ids()}
            used = self.settings["sagebrush_used"]
            self.finish(json.dumps({**found, "programs": programs(os.getpid(), pids, used)}))

    return ActivityHandler


def activity(kernels: list[dict[str, Any]], settings: dict[str, Any]) -> dict[str, float]:
    """The activity, from the server's list of kernels and its settings."""
    times = [settings["started"], *(kernel.get("last_activity") for kernel in kernels)]
    return {
        "kernels": len(kernels),
        "busy_kernels": sum(kernel.get("execution_state") not in IDLE for kernel in kernels),
        "terminals_running": running(settings.get("terminal_manager")),
        "last_activity": max(_seconds(each) for each in times),
    }


def running(terminals: Any) -> int:
    """How many terminals have a shell with a child process."""
    found = getattr(terminals, "terminals", None) or {}
    return sum(has_children(terminal.ptyproc.pid) for terminal in found.values())


def has_children(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether a process has children; True where that cannot be seen."""
    try:
        tasks = list((proc / str(pid) / "task").iterdir())
        return any((task / "children").read_text().strip() for task in tasks)
    except FileNotFoundError:
        return (proc / str(pid)).exists() or not proc.is_dir()
    except OSError:
        return True


def _pid(kernel: Any) -> int:
    """The process of a kernel; 0 while it has none."""
    return getattr(getattr(kernel, "provisioner", None), "pid", None) or 0


def programs(server: int, kernels: set[int], used: dict[int, int], proc: Path = PROC) -> int:
    """The number of programs that are neither the server's own nor idle.

    What the server started itself (language servers, terminals, which are counted otherwise) is
    its own; what descends from a kernel is idle unless its CPU time grew since `used`, which then
    holds the current times. Everything else was left running by the user.
    """
    parents, times = processes(proc)
    first = parents.get(server, 0)  # adopts what loses its parent
    found, now = 0, {}
    for pid in set(parents) - {server, first, *kernels}:
        line = ancestors(pid, parents)
        if kernels & set(line):
            now[pid] = times[pid]
            found += times[pid] > used.get(pid, 0) + TICKS
        elif server not in line and first in line:
            found += 1
    used.clear()
    used.update(now)
    return found


def ancestors(pid: int, parents: dict[int, int]) -> list[int]:
    """`pid` and the processes above it, nearest first, as far as they are seen."""
    line = [pid]
    while (pid := parents.get(pid, 0)) in parents and pid not in line:
        line.append(pid)
    return line


def processes(proc: Path) -> tuple[dict[int, int], dict[int, int]]:
    """(process -> its parent, process -> ticks of CPU time it used)."""
    parents, times = {}, {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
                times[int(folder.name)] = int(fields[11]) + int(fields[12])
    return parents, times


def _seconds(when: Any) -> float:
    """A time of Jupyter's (a datetime, or its text) in seconds since the epoch; 0 for none."""
    if isinstance(when, str):
        when = dt.datetime.fromisoformat(when.replace("Z", "+00:00"))
    return when.timestamp() if when is not None else 0.0
