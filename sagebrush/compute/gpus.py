"""The GPUs of this host, as jobs may be given them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"


def devices(environ: Mapping[str, str], dev: Path = Path("/dev")) -> tuple[int, ...]:
    """The numbers of the NVIDIA GPUs that this process may use, in order.

    CUDA_VISIBLE_DEVICES, where it lists numbers, narrows them.
    """
    there = sorted(
        int(match[1])
        for path in dev.glob("nvidia*")
        if (match := re.fullmatch(r"nvidia(\d+)", path.name))
    )
    chosen = environ.get(VISIBLE)
    if chosen is None:
        return tuple(there)
    listed = [int(part) for part in chosen.split(",") if part.strip().isdigit()]
    return tuple(number for number in listed if number in there)


def found(environ: Mapping[str, str]) -> bool:
    """Whether a GPU with a working driver is there (`nvidia-smi -L` names one)."""
    tool = shutil.which("nvidia-smi", path=environ.get("PATH", os.defpath))
    if tool is None or not devices(environ):
        return False
    try:
        done = subprocess.run([tool, "-L"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and b"GPU" in done.stdout
