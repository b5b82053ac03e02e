"""Whether sandboxes of this host can share a directory that each may change for itself (overlayfs)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from sagebrush.compute.local import sandbox
from sagebrush.compute.shim import namespaces

_TRIAL = """import os, sys; sys.path.append(sys.argv[1]); from sagebrush.compute.shim import apart, namespaces
namespaces.isolate(user=os.geteuid() != 0)
apart.attempt(sys.argv[2], int(sys.argv[3]) if os.geteuid() == 0 else os.geteuid())"""


def lacking(jobs: Path) -> str:
    """Why no job whose directory is in `jobs` can have such a directory, by trying there (its file
    system matters); "" where one can."""
    if not namespaces.LINUX:
        return "it is not Linux"
    with tempfile.TemporaryDirectory(prefix=".overlay-", dir=jobs) as place:
        parent = Path(__file__).resolve().parents[3]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _TRIAL, str(parent), place, str(sandbox.UIDS[0])],
            capture_output=True,
            text=True,
            timeout=30,
        )
    words = (done.stderr.strip().splitlines() or ["the trial failed"])[-1]
    return "" if done.returncode == 0 else words.rpartition("StepFailed: ")[2]
