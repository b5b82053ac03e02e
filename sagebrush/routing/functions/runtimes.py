"""What a runtime's identifier says. Pure.

Source: AWS Lambda Developer Guide, "Lambda runtimes".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PYTHON, NODE, PROVIDED = "python", "nodejs", "provided"


@dataclass(frozen=True)
class Runtime:
    """One runtime: its language, and that language's version (3.12, 22)."""

    name: str
    language: str
    version: str = ""


def runtime(name: str) -> Runtime | None:
    """The runtime of that identifier; None for one of a language that Sagebrush does not run."""
    if name in ("provided.al2", "provided.al2023"):
        return Runtime(name, PROVIDED)
    if found := re.fullmatch(r"python(3\.\d+)", name):
        return Runtime(name, PYTHON, found[1])
    if found := re.fullmatch(r"nodejs(\d+)\.x", name):
        return Runtime(name, NODE, found[1])
    return None
