"""The model server of a serving job: port 8080, GET /ping, POST /invocations, worker processes.

AWS's container contract ("Use your own inference code with hosting services" in the SageMaker
guide). This is the program; `master.py` serves, `worker.py` answers.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

if __package__ in (None, ""):  # run as a script: /opt/sagebrush/toolkit/serving/serve.py
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from sagebrush.toolkit.serving import backlog, frameworks, handler, upkeep, worker
from sagebrush.toolkit.serving.master import Master
from sagebrush.toolkit.serving.workers import Limits

OVERLAY = "SAGEBRUSH_OVERLAY"
"""Set in the process that runs with the user's requirements installed."""
LONGEST = 3600.0
"""Seconds for one request: what asynchronous inference and batch transform allow at most. Callers
of real time leave after 60 s, or 8 minutes of a stream, and that ends their worker too."""
DESCRIPTORS = 8192
"""Connections and files that the master may have open, where the host allows it."""


def cpus(environ: Mapping[str, str]) -> int:
    """CPUs of the instance: what the platform says, else what this process may use."""
    for name in ("SM_NUM_CPUS", "OMP_NUM_THREADS"):
        text = environ.get(name, "")
        if text.isdigit() and int(text) > 0:
            return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(environ: Mapping[str, str]) -> int:
    """SAGEMAKER_MODEL_SERVER_WORKERS, else one for each CPU, or one for a large framework."""
    return chosen_workers(environ) or frameworks.workers(frameworks.name(environ), cpus(environ))


def chosen_workers(environ: Mapping[str, str]) -> int | None:
    """SAGEMAKER_MODEL_SERVER_WORKERS, None where it names no number."""
    text = environ.get("SAGEMAKER_MODEL_SERVER_WORKERS", "")
    return int(text) if text.isdigit() and int(text) > 0 else None


def limits(environ: Mapping[str, str]) -> Limits:
    """What the master holds to. Raises ValueError for what the user set and is no number."""
    seconds = environ.get("SAGEMAKER_MODEL_SERVER_TIMEOUT", "")
    return Limits(
        workers=worker_count(environ),
        seconds=float(seconds) if seconds.isdigit() and int(seconds) > 0 else LONGEST,
        queue=backlog.asked(environ),
        memory=upkeep.memory(environ),
        chosen=chosen_workers(environ) is not None,
    )


def serve_many(listener: socket.socket, kept: Limits, framework: str) -> int:
    """Serves models as they are asked for (a multi-model endpoint); the exit status."""
    from sagebrush.toolkit.serving.multimodel import memory, preload, server

    algorithm = os.environ.get("SAGEBRUSH_ALGORITHM")
    folder = Path(__file__).resolve().parents[2] / "algorithms"
    preload.load(algorithm or framework, folder / algorithm if algorithm else None)

    def become(url: str, control: socket.socket, progress: mmap.mmap) -> int:
        parts = url.removeprefix("/opt/ml/")  # in process mode /opt/ml is another directory
        directory = worker.root() / parts if parts != url else Path(url)
        return become_worker(control, progress, directory)

    return server.Server(listener, kept, memory.most(os.environ), become).run()


def become_worker(
    control: socket.socket, progress: mmap.mmap, directory: Path | None = None
) -> int:
    """In a worker's process: its exit status, once the master is gone; `directory`: of its model,
    where that is one of many."""
    root = str(Path(__file__).resolve().parents[3])
    # Other packages in Sagebrush's folder must not be importable by the model.
    sys.path[:] = [p for p in sys.path if p != root]
    return worker.run(control, progress, directory)


def install_requirements() -> None:
    """The packages of the `requirements.txt` next to the inference code can be imported.

    The environment is read-only and shared, so this process goes on in an overlay of its own.
    Raises SystemExit when pip fails; pip's output is in the log.
    """
    if {OVERLAY, "SAGEBRUSH_ALGORITHM", "SAGEBRUSH_LAYER"} & set(os.environ):
        return
    try:
        script = worker.code()
    except handler.NoHandler:  # the worker says so
        return
    folder = script.parent if script else worker.root() / "model" / "code"
    wanted = folder / "requirements.txt"
    if not wanted.is_file():
        return
    from sagebrush.toolkit.packages import overlay

    python = overlay.create()
    print(f"installing {wanted}", file=sys.stderr, flush=True)
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "-r", wanted.name]
    if subprocess.call(command, cwd=wanted.parent, stdout=sys.stderr):
        raise SystemExit(f"{wanted} could not be installed")
    os.execve(python, [python, __file__], {**os.environ, OVERLAY: python})


def main() -> int:
    """Serves the model of this job; the process's exit status."""
    try:
        framework = frameworks.name(os.environ)
        kept = limits(os.environ)
    except (handler.NoHandler, ValueError) as error:
        print(f"model cannot be served: {error}", file=sys.stderr)
        return 1
    install_requirements()
    given = frameworks.threads(framework, cpus(os.environ), kept.workers, os.environ)
    os.environ.update(given)
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, most))
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
    host = os.environ.get("SAGEBRUSH_BIND_HOST", "0.0.0.0")
    with socket.create_server((host, port), backlog=1024) as listener:
        if os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true":
            return serve_many(listener, kept, framework)
        return Master(listener, kept, become_worker).run()


if __name__ == "__main__":
    sys.exit(main())
