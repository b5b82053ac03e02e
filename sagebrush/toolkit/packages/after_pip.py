"""What a `pip install` tore apart in a kernel or a job goes together again.

`pip install "datasets[s3]==2.18.0"` brings an older s3fs, aiobotocore and botocore over the kernel's;
pip does not look at what else needs them, and the newer boto3, by which all reach Sagebrush, cannot
be imported any more. Old datasets take any pyarrow, and need one of their time. Runs at the end of a
pip (`client/sitecustomize.py`). Standard library and pip only.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from typing import Any

ALIKE = 33
"""The minor version from which boto3 and botocore have the same number; before, boto3's was three
lower."""
UNDECLARED = (("datasets", "<2.16", "pyarrow", "<21"),)
"""A package in such versions needs another one in such versions, and does not say so."""


def wanted() -> list[str]:
    """Requirements that make whole what does not go together; [] where all does."""
    found = [*_boto()]
    for name, old, other, fits in UNDECLARED:
        if _installed(name, old) and _installed(other) and not _installed(other, fits):
            found.append(other + fits)
    return found


def _boto() -> list[str]:
    from pip._vendor.packaging.requirements import Requirement

    try:
        botocore = importlib.metadata.version("botocore")
        needs = importlib.metadata.requires("boto3") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    if all(
        each.specifier.contains(botocore, prereleases=True)
        for each in map(Requirement, needs)
        if each.name == "botocore"
    ):
        return []
    major, minor, patch = [*botocore.split("."), "0", "0"][:3]
    lower = int(minor) if int(minor) >= ALIKE else max(0, int(minor) - 3)
    return [f"boto3<={major}.{lower}.{patch}", f"botocore=={botocore}"]


def _installed(name: str, versions: str = "") -> bool:
    from pip._vendor.packaging.specifiers import SpecifierSet

    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return SpecifierSet(versions).contains(version, prereleases=True)


def mend(run: Any = subprocess.run) -> None:
    """What pip tore apart goes together, or the user is told what does that."""
    if not (missing := wanted()):
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", *missing]
    environ = {**os.environ, "SAGEBRUSH_MENDS": "1"}  # this pip ends without asking again
    done = run(command, env=environ, capture_output=True, text=True, check=False)
    words = " ".join(f'"{each}"' for each in missing)
    if done.returncode or wanted():
        print(f"What is installed now does not go together; this would: pip install {words}")
    else:
        print(f"Installed what goes with it too: {words}")
    sys.stdout.flush()
