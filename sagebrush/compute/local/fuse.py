"""Whether this host lets a sandbox have a file system that its companion serves (FUSE)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from sagebrush.compute.shim import namespaces

_TRIAL = """import os, sys; sys.path.append(sys.argv[1]); from sagebrush.compute.shim import namespaces
namespaces.isolate(user=os.geteuid() != 0); namespaces.try_served(sys.argv[2])"""


def lacking() -> str:
    """Why no job on this host can have such a file system, by trying; "" where one can."""
    if not namespaces.LINUX:
        return "it is not Linux"
    with tempfile.TemporaryDirectory(prefix="sagebrush-fuse-") as place:
        parent = Path(__file__).resolve().parents[3]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _TRIAL, str(parent), place],
            capture_output=True,
            text=True,
            timeout=30,
        )
    words = (done.stderr.strip().splitlines() or ["the trial failed"])[-1]
    return "" if done.returncode == 0 else words.rpartition("StepFailed: ")[2]
