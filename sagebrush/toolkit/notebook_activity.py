"""Jupyter server extension: GET /sagebrush/activity tells what a notebook instance is doing.

    {"busy_kernels": 0, "kernels": 1, "terminals_running": 0, "last_activity": 1767225600.0}

A terminal runs something while its shell has a child process.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
from pathlib import Path
from typing import Any

IDLE = ("idle", "dead")
"""States of a kernel in which nothing is computed; any other (starting, busy, unknown) is use."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "notebook_activity"}]


def _load_jupyter_server_extension(server: Any) -> None:
    base = server.web_app.settings["base_url"].rstrip("/")
    server.web_app.add_handlers(".*$", [(f"{base}/sagebrush/activity", _handler())])


def _handler() -> Any:
    """The class of the handler; Jupyter's own are only there where it runs."""
    handlers: Any = importlib.import_module("jupyter_server.base.handlers")
    web: Any = importlib.import_module("tornado.web")

    class ActivityHandler(handlers.JupyterHandler):
        """Answers what is going on."""

        @web.authenticated
        def get(self) -> None:
            """The activity as JSON."""
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps(activity(self.kernel_manager.list_kernels(), self.settings)))

    return ActivityHandler


def activity(kernels: list[dict[str, Any]], settings: dict[str, Any]) -> dict[str, float]:
    """What goes on, by the server's list of kernels and its settings."""
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


def _seconds(when: Any) -> float:
    """A time of Jupyter's (a datetime, or its text) in seconds since the epoch; 0 for none."""
    if isinstance(when, str):
        when = dt.datetime.fromisoformat(when.replace("Z", "+00:00"))
    return when.timestamp() if when is not None else 0.0
