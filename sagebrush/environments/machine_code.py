"""The machine code of built-in algorithms' kernels: compiled once by the server's user, for jobs to
read.

It lies in the environment, which jobs see read-only, and goes with it. Jobs do not wait for it: one
that starts earlier compiles what it needs in memory. A few kernels are `urgent`: those of what users
begin with; who builds an environment to start a first job waits for these alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sagebrush.algorithms.blazingtext.kernels import compiled

ENVIRONMENT = "algorithms"
"""The environment that has numba."""


def missing(name: str, environment: Path, urgent: bool = False) -> bool:
    """Whether the environment `name` at that path lacks machine code that its jobs would use; with
    `urgent`, of what users begin with."""
    wanted = compiled.FIRST if urgent else compiled.modules()
    return name == ENVIRONMENT and not compiled.ready(environment, wanted)


@dataclass(frozen=True)
class Compiler:
    """What compiles: an environment's Python, with these variables."""

    python: Path
    environ: Mapping[str, str]
    lock: int
    """A descriptor that the process keeps open, as `bytecode.complete` has it."""
    mask: int
    """Its umask."""


def complete(compiler: Compiler, environment: Path, urgent: bool = False) -> str:
    """The environment has the machine code, with `urgent` that of what users begin with; "", else why
    not: its jobs run without."""
    own = {k: v for k, v in compiler.environ.items() if not k.startswith(("PYTHON", "NUMBA"))}
    command = [str(compiler.python), "-m", "blazingtext.compile", str(environment / compiled.PLACE)]
    # Somebody waits for what is urgent.
    command = [*command, *compiled.FIRST] if urgent else ["nice", *command]
    done = subprocess.run(
        command,
        env={**own, "PYTHONPATH": str(compiled.ALGORITHMS), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        pass_fds=(compiler.lock,),
        umask=compiler.mask,
    )
    told = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.returncode == 0 else (told[-1] if told else f"exit {done.returncode}")
