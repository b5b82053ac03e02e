"""MPI: algo-1 runs mpirun; the other instances start what it requests and end when it ends.

Source: AWS's training toolkit ("mpi" in the SageMaker SDK's distribution argument). Open MPI is the
host's own. Its daemons are started by the agents of `mpi_agent` in place of ssh. The order that
AWS's toolkit gives to mpirun is kept, with the options that a container on Amazon's network needs
replaced by those that a sandbox needs.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job
from sagebrush.toolkit.training import mpi_agent
from sagebrush.toolkit.training.torchrun import PROCESSES

OPTIONS = "sagemaker_mpi_custom_mpi_options"
MISSING = (
    "distribution mpi: Open MPI (mpirun) is not installed on this machine; Debian: apt-get install"
    " openmpi-bin"
)
DEBUG = "--NCCL_DEBUG"
Tell = Callable[[int, str], None]


def check() -> None:
    """Raises ClientError where there is no mpirun."""
    if not shutil.which("mpirun"):
        raise job.ClientError(MISSING)


def agent() -> str:
    """The command that mpirun runs in place of ssh."""
    return shlex.join([sys.executable, str(Path(__file__).with_name("mpi_agent.py"))])


def command(this: Job, names: Iterable[str]) -> list[str]:
    """mpirun and its options, before the program; `names` are the variables that ranks get."""
    hosts = job.distribution_hosts(this)
    each = int(this.framework.get(PROCESSES) or job.gpus() or 1)
    total = int(this.framework.get("sagemaker_mpi_num_processes") or each * len(hosts))
    if len(hosts) == 1:  # in process mode its name cannot be looked up
        hosts = ["localhost"]
    interface = str(this.resources.get("network_interface_name", "eth0"))
    own = shlex.split(str(this.framework.get(OPTIONS) or ""))
    level = next((o.partition("=")[2] for o in own if o.startswith(f"{DEBUG}=")), "INFO")
    # The platform has given the instance its processors: ranks are not bound to some of them.
    settings = {
        "btl_tcp_if_include": interface,
        "oob_tcp_if_include": interface,
        "plm_rsh_agent": agent(),
        "plm_rsh_no_tree_spawn": "1",
        "plm_rsh_num_concurrent": str(len(hosts)),
        "orte_leave_session_attached": "1",
        "pml": "ob1",
        "btl": "^openib",
        "btl_vader_single_copy_mechanism": "none",
        "orte_abort_on_non_zero_status": "1",
    }
    return [
        *("mpirun", "--host", ",".join(f"{host}:{each}" for host in hosts), "-np", str(total)),
        *("--allow-run-as-root", "--tag-output", "-bind-to", "none", "-map-by", "slot"),
        *(part for name, value in settings.items() for part in ("-mca", name, value)),
        *("-x", f"NCCL_SOCKET_IFNAME={interface}", "-x", f"NCCL_DEBUG={level}"),
        # Python then writes whole lines: mpirun gives a rank a terminal, and tags every piece.
        *("-x", "PYTHONUNBUFFERED=", "-x", "PATH"),
        *(("-x", "LD_LIBRARY_PATH") if "LD_LIBRARY_PATH" in os.environ else ()),
        *(option for option in own if not option.startswith(DEBUG)),
        *(part for name in names if name not in _GIVEN for part in ("-x", name)),
    ]


_GIVEN = ("NCCL_SOCKET_IFNAME", "NCCL_DEBUG", "PATH", "LD_LIBRARY_PATH")


def interpreter(python: str) -> list[str]:
    """Python for a rank: by mpi4py, where it is there, an uncaught exception ends all ranks."""
    test = "import importlib.util as u, sys; sys.exit(u.find_spec('mpi4py') is None)"
    found = subprocess.run([python, "-c", test], check=False).returncode == 0
    return [python, "-m", "mpi4py"] if found else [python]


@contextlib.contextmanager
def workers(this: Job) -> Iterator[Tell]:
    """The other instances are ready for mpirun; the yielded function reports its end to them."""
    connections: list[socket.socket] = []

    def tell(status: int, reason: str) -> None:
        for connection in connections:
            mpi_agent.tell(connection, status, reason)
            # The worker ends when it is closed: after this process has reported its own reason.
            connection.detach()

    for host in job.distribution_hosts(this):
        if host != job.current_host(this):
            connections.append(mpi_agent.watch(host))
    yield tell


def follow(this: Job, folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """(status, reason) of the run in which this instance ran some of the ranks."""
    # The ranks here are ended by mpirun; this instance must not be gone before them.
    previous = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        return mpi_agent.Agent(job.current_host(this), environ, str(folder)).serve()
    finally:
        signal.signal(signal.SIGTERM, previous)
