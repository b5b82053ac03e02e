"""Lambda's runtimes, as its guide lists them. Pure.

Source: AWS Lambda Developer Guide, "Lambda runtimes" (Supported Runtimes, Deprecated runtimes).
"""

from __future__ import annotations

from dataclasses import dataclass

PYTHON, NODE, PROVIDED, OTHER = "python", "nodejs", "provided", "other"


@dataclass(frozen=True)
class Runtime:
    """One runtime: its language, that language's version, and whether functions may still have it."""

    name: str
    language: str
    version: str = ""
    retired: bool = False


_PYTHON = ("3.10", "3.11", "3.12", "3.13", "3.14")
_NODE = ("20", "22", "24")
_OTHER = (
    "java8.al2", "java11", "java17", "java21", "java25", "dotnet8", "dotnet10", "ruby3.2",
    "ruby3.3", "ruby3.4",
)  # fmt: skip
_RETIRED = (
    "python2.7", "python3.6", "python3.7", "python3.8", "python3.9", "nodejs", "nodejs4.3",
    "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
    "nodejs16.x", "nodejs18.x", "java8", "go1.x", "provided", "ruby2.5", "ruby2.7",
    "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "dotnet5.0", "dotnet6",
    "dotnet7",
)  # fmt: skip

TABLE: dict[str, Runtime] = {
    **{f"python{v}": Runtime(f"python{v}", PYTHON, v) for v in _PYTHON},
    **{f"nodejs{v}.x": Runtime(f"nodejs{v}.x", NODE, v) for v in _NODE},
    **{name: Runtime(name, PROVIDED) for name in ("provided.al2", "provided.al2023")},
    **{name: Runtime(name, OTHER) for name in _OTHER},
    **{name: Runtime(name, OTHER, retired=True) for name in _RETIRED},
}
"""By identifier."""
