"""uv as this project runs it: its environment variables, its output as it comes, its failures."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uv

from sagebrush.environments import sources
from sagebrush.toolkit.packages import cures

READABLE = 0o022
"""The umask of builds: jobs run as users of their own and must be able to read what is built."""
LAST = 12
"""Lines of uv's output that are kept to report a failure."""


class UvFailed(Exception):
    """uv ended with a failure; the text holds its last lines, the cause and what cures it."""


def run(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    report: Callable[[str], None] = lambda _line: None,
    lock: int = -1,
) -> str:
    """What `uv <arguments>` printed last; `report` is called with each line at once. Raises UvFailed.

    uv keeps the descriptor `lock` open: if this process is killed, the next builder waits for uv.
    """
    last: deque[str] = deque(maxlen=LAST)
    with subprocess.Popen(
        [uv.find_uv_bin(), *arguments],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=(lock,) if lock >= 0 else (),
        umask=READABLE,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                last.append(line.rstrip())
                report(line.strip())
    if process.returncode:
        words = " ".join(arguments[:2])
        said = cures.masked("\n".join(last), environ)
        cure = cures.cure(said, environ)
        raise UvFailed(
            f"uv {words} ended with {process.returncode}:\n{said}" + (cure and f"\n{cure}")
        )
    return "\n".join(last)


def variables(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """`environ` for uv, which ignores what pip is configured for, and the system's authorities
    unless it is told (`sources`).

    uv's downloads are kept where the environments below `root` can link to them: in its usual cache,
    or in one below `root` where that is on another disk or cannot be written.
    """
    drop = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_CONSTRAINT", "UV_PYTHON")
    result = {k: v for k, v in environ.items() if k not in drop and not k.startswith("PYTHON")}
    result |= sources.variables(environ)
    usual = _there(_cache(result))
    if not os.access(usual, os.W_OK | os.X_OK) or _device(usual) != _device(_there(root)):
        result["UV_CACHE_DIR"] = str(root / ".cache")
    return result


def resolving(environ: Mapping[str, str]) -> dict[str, str]:
    """`variables` for resolving: local wheels would get their local versions into a lock."""
    return {k: v for k, v in environ.items() if k != "UV_FIND_LINKS"}


def _cache(environ: Mapping[str, str]) -> Path:
    """uv's cache, unless a variable names another."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".cache"
    return Path(environ.get("UV_CACHE_DIR") or Path(base) / "uv")


def _there(folder: Path) -> Path:
    """`folder`, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _device(path: Path) -> int:
    return os.stat(path).st_dev
