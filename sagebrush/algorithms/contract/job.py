"""A training job as a built-in algorithm sees it, and the frame around its `train`.

Sources: Amazon SageMaker AI Developer Guide, "How Amazon SageMaker AI Provides Training Information" and
"How Amazon SageMaker AI Signals Algorithm Success and Failure"; exit statuses as AWS's algorithms have
them (github.com/aws/sagemaker-xgboost-container, algorithm_toolkit/exceptions.py).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import channels, errors
from .channels import Channel
from .errors import AlgorithmError, ClientError

ALGORITHM, CLIENT = 1, 2
"""Exit statuses: the algorithm's fault, the user's."""
REASON = 1024
"""Characters of output/failure that count."""


@dataclass(frozen=True)
class Job:
    """What the platform put into /opt/ml, read once."""

    root: Path
    """/opt/ml."""
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    host: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set by SIGTERM: save the model and return. The process is killed 120 seconds later."""

    @property
    def model(self) -> Path:
        """The folder whose files become model.tar.gz; it exists."""
        return self._made(self.root / "model")

    @property
    def checkpoints(self) -> Path:
        """The folder that is kept on S3 while the job runs, and filled again after an interruption.
        It exists only where the request has a CheckpointConfig."""
        return self.root / "checkpoints"

    @property
    def output(self) -> Path:
        """The folder whose files become output.tar.gz; it exists."""
        return self._made(self.root / "output" / "data")

    def channel(self, name: str) -> Channel:
        """The channel; raises ClientError where the job has none of that name."""
        if name not in self.channels:
            raise errors.misconfigured(f"'{name}' is a required property")
        return self.channels[name]

    def resources(self) -> tuple[int, int]:
        """(processors, bytes of memory) that this instance has."""
        return _processors(os.environ), _memory(os.environ)

    @staticmethod
    def _made(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def read(root: Path) -> Job:
    """The job whose /opt/ml is `root`."""
    resources = _config(root, "resourceconfig")
    given = _config(root, "hyperparameters")
    host = str(resources.get("current_host") or "algo-1")
    return Job(
        root=root,
        hyperparameters={name: str(value) for name, value in given.items()},
        channels=channels.read(_config(root, "inputdataconfig"), root / "input" / "data"),
        host=host,
        hosts=tuple(sorted(resources.get("hosts") or [host])),
    )


def run(train: Callable[[Job], None]) -> int:
    """The exit status of `train` on the job in /opt/ml (or SAGEBRUSH_ML): 0, or 2 and 1 with the cause
    in output/failure, where the user and where the algorithm can mend it."""
    root = Path(os.environ.get("SAGEBRUSH_ML", "/opt/ml"))
    try:
        job = read(root)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda _number, _frame: job.stopping.set())
        train(job)
    except ClientError as error:
        return _fail(root, f"ClientError: {error}", CLIENT)
    except AlgorithmError as error:
        traceback.print_exc()
        return _fail(root, f"AlgorithmError: {error}", ALGORITHM)
    except Exception as error:
        if _out_of_memory(error):
            return _fail(root, f"ClientError: {_too_small(error)}", CLIENT)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _fail(root, f"ClientError: {_full(error)}", CLIENT)
        traceback.print_exc()
        return _fail(root, f"AlgorithmError: {type(error).__name__}: {error}", ALGORITHM)
    return 0


def _out_of_memory(error: Exception) -> bool:
    """Whether memory was not to be had: Python's and NumPy's error, and PyTorch's of CPU and GPU."""
    text = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in text or "out of memory" in text)
    )


def _too_small(error: Exception) -> str:
    has = _memory(os.environ) / 2**30
    said = f" ({error})" if str(error) else ""
    return (
        f"Out of memory: the instance has {has:.3g} GiB. Please use an instance type with more memory,"
        f" or reduce the size of the model or of the data.{said}"
    )


def _full(error: OSError) -> str:
    return (
        f"No space left on device ({error}). Please use a larger VolumeSizeInGB, or reduce the size of"
        " the model or of the data."
    )


def _fail(root: Path, reason: str, status: int) -> int:
    """`status`; the reason is in the log and, where the disk takes it, in output/failure."""
    with contextlib.suppress(OSError):  # the log may lie on the disk that is full
        sys.stdout.flush()
        print(reason, file=sys.stderr, flush=True)
    with contextlib.suppress(OSError):
        (root / "output").mkdir(parents=True, exist_ok=True)
        # Names of files may hold bytes that are no UTF-8.
        failure = reason[:REASON].encode("utf-8", "replace")
        (root / "output" / "failure").write_bytes(failure)
    return status


def _config(root: Path, name: str) -> dict[str, Any]:
    """One of input/config's files; {} where it is missing (a job without channels has none)."""
    file = root / "input" / "config" / f"{name}.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ClientError(f"{file} is not JSON: {error}") from None
    return content or {}


def _processors(environ: Mapping[str, str]) -> int:
    """Those of the instance type, which the platform puts into the environment."""
    given = environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS knows no affinity


def _memory(environ: Mapping[str, str]) -> int:
    """The least of what the platform says, the process's cgroup allows, and the host has."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    given = environ.get("SAGEBRUSH_MEMORY", "")
    if given.isdigit() and int(given):
        found.append(int(given))
    groups = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    own = next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")
    for folder in (groups, groups / own):
        try:
            found.append(int((folder / "memory.max").read_text()))
        except (OSError, ValueError):  # no cgroup v2 here, or "max"
            continue
    return min(found)
