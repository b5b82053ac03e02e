"""Makes SDK v3's MPI driver, which comes with the job, work without sshd, ssh and paramiko.

The driver starts sshd on every instance, asks by ssh whether the others are there, and calls mpirun,
which starts its daemons by ssh. Here these functions use the agents of `mpi_agent`; everything
else in it, such as mpirun's options, is the SDK's. Loaded by `client/sitecustomize.py`, before and
after the driver's module `distributed_drivers.mpi_utils`. Standard library only.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

MODULE = "distributed_drivers.mpi_utils"
AGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mpi_agent.py")
PAUSE = 0.2
"""Seconds that the driver sleeps at most between two looks; it asks for 5 and 30."""


def before() -> None:
    """The driver's module can be imported: an environment need not have paramiko."""
    if importlib.util.find_spec("paramiko") is None:
        stand_in = ModuleType("paramiko")
        client = SimpleNamespace(MissingHostKeyPolicy=object)
        stand_in.__dict__.update(client=client, SSHClient=object, SSHException=OSError)
        sys.modules["paramiko"] = stand_in


def after(module: Any) -> None:
    """The functions of the driver's `module` that need ssh use the agents."""
    os.environ |= {
        "OMPI_MCA_plm_rsh_agent": shlex.join([sys.executable, AGENT]),
        "OMPI_MCA_orte_leave_session_attached": "1",
        "PYTHONUNBUFFERED": "",  # whole lines: mpirun gives a rank a terminal, and tags each piece
    }
    module.start_sshd_daemon = _start
    module.write_env_vars_to_file = _nothing  # what the agent starts has its variables
    module._can_connect = _can_connect
    module._write_file_to_host = _write
    module.time = SimpleNamespace(time=time.time, sleep=lambda s: time.sleep(min(s, PAUSE)))
    module.get_mpirun_command = _without_mpi4py(module.get_mpirun_command)


def _start() -> None:
    if len(json.loads(os.environ["SM_HOSTS"])) > 1:
        subprocess.Popen([sys.executable, AGENT, "serve", os.environ["SM_CURRENT_HOST"]])


def _nothing() -> None:
    return


def _can_connect(host: str, port: int = 0) -> bool:
    agent = _agent()
    try:
        agent.connect(host, patience=0.0).close()
    except OSError:
        return False
    return True


def _write(host: str, status_file: str) -> bool:
    try:
        return _agent().run(host, f"touch {shlex.quote(status_file)}", patience=0.0) == 0
    except OSError:
        return False


def _without_mpi4py(command: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Where mpi4py is not installed the script runs without it: mpirun ends all ranks with one."""

    def made(*given: Any, **named: Any) -> list[str]:
        found = command(*given, **named)
        if importlib.util.find_spec("mpi4py") is None and "mpi4py" in found:
            at = found.index("mpi4py")
            del found[at - 1 : at + 1]
        return found

    return made


def _agent() -> Any:
    spec = importlib.util.spec_from_file_location("_sagebrush_mpi_agent", AGENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
