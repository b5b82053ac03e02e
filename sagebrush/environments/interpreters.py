"""Finds the Python interpreter that environments are built on."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

VERSIONS = ("3.12", "3.11", "3.13")
"""Wanted versions, best first; `requirements/*.txt` have wheels for all of them."""
WHEEL = re.compile(r"torch-.*-cp3(\d+)-")
"""A local wheel of torch: the one package of ours that an index may give in the wrong build."""

# What a job needs of the standard library: distributions leave these out when built without headers.
_PROBE = """
import json, sys, sysconfig, ssl, ctypes, zlib, venv
base = getattr(sys, "_base_executable", "") or sys.executable
print(json.dumps([base, sys.base_prefix, sys.version, sysconfig.get_platform()]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs: never a virtual environment's, never a shim."""

    executable: Path
    prefix: Path
    version: str
    """`sys.version`, with its build."""
    platform: str


def find(environ: Mapping[str, str], wanted: Sequence[str] = ()) -> Interpreter | None:
    """The best interpreter of this host for environments, or the first of the versions `wanted`;
    None where there is none."""
    seen: set[Path] = set()
    for version in wanted or versions(environ):
        for candidate in _candidates(version, environ):
            if candidate in seen:
                continue
            seen.add(candidate)
            found = probe(candidate)
            if found and found.version.startswith(version + "."):
                return found
    return None


def found(environ: Mapping[str, str], wanted: Sequence[str]) -> dict[str, Interpreter]:
    """The interpreters of the versions `wanted` that this host has, by version."""
    each = ((version, find(environ, (version,))) for version in wanted)
    return {version: interpreter for version, interpreter in each if interpreter}


def versions(environ: Mapping[str, str]) -> list[str]:
    """The wanted versions in order: first those for which there is a local wheel of torch.

    All environments use the same one, since notebook kernels layer one over another.
    """
    at_hand = with_torch(environ)
    return sorted(VERSIONS, key=lambda version: version not in at_hand)


def with_torch(environ: Mapping[str, str]) -> set[str]:
    """The versions for which there is a local wheel of torch."""
    folders = f"{environ.get('PIP_FIND_LINKS', '')} {environ.get('UV_FIND_LINKS', '')}"
    at_hand = set()
    for folder in folders.replace(",", " ").split():
        names = map(os.path.basename, glob.glob(os.path.join(folder, "torch-*.whl")))
        at_hand |= {f"3.{match[1]}" for name in names if (match := WHEEL.match(name))}
    return at_hand


def probe(executable: Path) -> Interpreter | None:
    """What the interpreter reports about itself; None when it does not run or lacks a needed module."""
    try:
        done = subprocess.run(
            [str(executable), "-I", "-S", "-c", _PROBE],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=True,
        )
        base, prefix, version, platform = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(Path(base), Path(prefix), version, platform)


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Executables that may be Python `version`: ours, PATH's, pyenv's, uv's."""
    if sys.version.startswith(version + "."):
        yield Path(sys.executable)
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        path = Path(directory) / f"python{version}"
        if directory and os.path.exists(path):  # False too where we may not look
            yield path
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/")) / ".pyenv")
    pattern = str(pyenv / f"versions/{version}.*/bin/python{version}")
    yield from map(Path, sorted(glob.glob(pattern), reverse=True))  # [] where we may not look
    yield from _managed(version, environ)


def _managed(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """The interpreter that uv itself installed, if any."""
    command = [uv.find_uv_bin(), "python", "find", "--offline", "--managed-python", version]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=dict(environ), timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return
    if done.returncode == 0 and done.stdout.strip():
        yield Path(done.stdout.strip())
