"""The machine code of built-in algorithms' kernels: compiled once by the server's user, for jobs to
read.

It lies in the environment, which jobs see read-only, and goes with it. Jobs do not wait for it: one
that starts earlier compiles what it needs in memory.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from sagebrush.algorithms.blazingtext.kernels import compiled
from sagebrush.environments import locks


def missing(name: str, environment: Path) -> bool:
    """Whether the environment `name` at that path lacks machine code that its jobs would use."""
    return name in locks.ALGORITHMS and not compiled.ready(environment)


def complete(
    python: Path, environment: Path, environ: Mapping[str, str], lock: int, mask: int
) -> str:
    """The environment has the machine code; "", else why not: its jobs run without.

    `lock` is a descriptor that the compiler keeps open, as `bytecode.complete` has it.
    """
    own = {k: v for k, v in environ.items() if not k.startswith(("PYTHON", "NUMBA"))}
    command = ["nice", str(python), "-m", "blazingtext.compile", str(environment / compiled.PLACE)]
    done = subprocess.run(
        command,
        env={**own, "PYTHONPATH": str(compiled.ALGORITHMS), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        pass_fds=(lock,),
        umask=mask,
    )
    told = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.returncode == 0 else (told[-1] if told else f"exit {done.returncode}")
