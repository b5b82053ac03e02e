"""Kernels: functions that numba compiles, whose machine code is made once, ahead of jobs.

A kernel is a function with declared signatures in a file `kernels.py`, or in a folder `kernels/`, of
an algorithm. `python -m blazingtext.compile DIR` makes the machine code of every one; jobs read it
from a folder of their environment, which they cannot write and which is shown to them at another
path than it was written at. numba's own caching fits none of that: it wants a folder that the job
can write, keeps an index by source path, and overlooks changes of kernels that a kernel calls. Here
each module of kernels has a folder, whose name is that of the module and the digest of its source, of
the sources of what it imports and of this processor; a file's name is the digest of the signature,
numba's version and LLVM's target. A folder appears whole, by one rename; a change compiles anew what
rests on the changed file alone. A kernel whose machine code is not there is compiled in memory, which
the log says.

numba is imported where it is first needed: the server asks this module what is missing.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import platform
import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

ALGORITHMS = Path(__file__).resolve().parents[2]
PLACE = Path("share", "sagebrush", "kernels")
"""Where the machine code is in an environment."""
DIGEST = hashlib.sha256().digest_size
"""Bytes of the digest that a file begins with."""
VARIABLE = "SAGEBRUSH_KERNELS"
"""The variable that names another folder instead."""


FIRST = ("blazingtext.kernels.labelled", "blazingtext.kernels.supervised")
"""What is compiled before all else: the training of text classifiers, with which users begin."""
_MARK = b"@compiled.cached("


def modules() -> list[str]:
    """The modules that hold kernels, of all algorithms; those of `FIRST` come first."""
    files = sorted({*ALGORITHMS.glob("*/kernels.py"), *ALGORITHMS.glob("*/kernels/*.py")})
    names = [
        ".".join(file.relative_to(ALGORITHMS).with_suffix("").parts)
        for file in files
        if _MARK in file.read_bytes() and file.name != "compiled.py"
    ]
    return sorted(names, key=lambda name: name not in FIRST)


@functools.cache
def identity(module: str) -> str:
    """The name of the folder of that module's machine code: with the digest of the sources that it is
    made of and of this host's processor, as machine code of another one does not run here."""
    digest = hashlib.sha256(f"{platform.machine()} {sys.platform} {_processor()}".encode())
    for name in sorted({module, *_COMPILERS, *_imported(module)}):
        content = _file(name).read_bytes()
        digest.update(f"\n{name} {len(content)}\n".encode())
        digest.update(content)
    return f"{module}-{digest.hexdigest()[:24]}"


_COMPILERS = ("blazingtext.kernels.compiled", "blazingtext.kernels.machine_code")


def _file(module: str) -> Path:
    return ALGORITHMS.joinpath(*module.split(".")).with_suffix(".py")


def _imported(module: str) -> set[str]:
    """The modules of algorithms that the module imports, and those that they import."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        inside = waiting.pop()
        for dots, package, names in _IMPORT.findall(_file(inside).read_text()):
            above = inside.split(".")[: -len(dots)] if dots else []
            whole = ".".join([*above, *([package] if package else [])])
            named = {whole, *(f"{whole}.{name}" for name in re.findall(r"\w+", names))}
            new = {each for each in named if _file(each).is_file()} - found
            found |= new
            waiting += new
    return found


_IMPORT = re.compile(r"^from (\.*)([\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
"""What a kernel's module has from others of algorithms it imports so."""


def _processor() -> str:
    """What the system says of the model and the instructions of the first processor."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0]
    except OSError:  # no Linux
        return platform.processor()
    told = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")
    lines = (line.partition(":") for line in first.splitlines())
    return " ".join(value.strip() for name, _, value in lines if name.strip() in told)


def ready(environment: Path, names: Collection[str]) -> bool:
    """Whether the environment has the machine code of these modules as they are now."""
    return all((environment / PLACE / identity(name)).is_dir() for name in names)


def folder(module: str) -> Path:
    """Where this process looks for that module's machine code."""
    named = os.environ.get(VARIABLE)
    return (Path(named) if named else Path(sys.prefix) / PLACE) / identity(module)


def cached(*signatures: str) -> Callable[[Callable[..., Any]], Any]:
    """The decorated function is a kernel of these signatures, such as `"void(float32[:,::1], int64)"`.

    It runs without the GIL and with floating-point rules that let loops be vectorised: sums may be
    taken in any order, and no NaN is expected. It must be called with arguments of exactly these
    types; others would be compiled in memory.
    """
    import numba  # pyright: ignore[reportMissingImports]

    from . import machine_code

    def kernel(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(nogil=True, fastmath=True, error_model="numpy")(function)
        dispatcher._cache = machine_code.Ready(function, signatures, folder(function.__module__))
        return dispatcher

    return kernel


def part(function: Callable[..., Any]) -> Any:
    """The decorated function can be called by kernels of its folder, and becomes part of them."""
    import numba  # pyright: ignore[reportMissingImports]

    return numba.njit(nogil=True, fastmath=True, error_model="numpy")(function)


def dumped(file: Path, content: object) -> None:
    """`file` holds the digest of `content`, and `content`, pickled as numba pickles."""
    from numba.core.serialize import dumps  # pyright: ignore[reportMissingImports]

    pickled = dumps(content)
    with file.open("wb") as out:
        out.write(hashlib.sha256(pickled).digest() + pickled)
        out.flush()
        os.fsync(out.fileno())


def loaded(file: Path) -> Any:
    """What `dumped` wrote; None where the file is absent or damaged: one wrong bit of machine code
    would be another program."""
    try:
        content = memoryview(file.read_bytes())
    except OSError:
        return None
    digest, pickled = content[:DIGEST], content[DIGEST:]
    return pickle.loads(pickled) if hashlib.sha256(pickled).digest() == digest else None
