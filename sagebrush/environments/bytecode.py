"""Bytecode of an environment: linked from another that has the same source files, else compiled.

uv links the files of one package version into every environment, so a source file is the same inode
everywhere and so may its bytecode be: Python corrects the file name in it when it is imported
(`importlib._bootstrap_external._compile_bytecode`).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

CACHE = "__pycache__"


def complete(
    python: Path,
    lib: Path,
    others: list[Path],
    environ: Mapping[str, str],
    report: Callable[[float], None],
    lock: int,
    mask: int,
) -> None:
    """Every module below `lib` has its bytecode; `report` is called with the share that is done.

    `others` are the `lib` folders of environments that are complete; `lock` is a descriptor that
    the compiler keeps open, so that waiting for the lock includes waiting for an orphaned compiler.
    """
    tag = _tag(python, environ)
    total = max(1, sum(1 for _ in _sources(lib)))
    done = sum(link(lib, other, tag) for other in others)
    report(done / total)
    # A path within the environment, not of it: so the bytecode is the same for all of them.
    command = [str(python), "-m", "compileall", "-j", "0", "-x", "/tests/", "-s", f"{lib}/"]
    with subprocess.Popen(
        [*command, str(lib)],
        env={k: v for k, v in environ.items() if not k.startswith(("PYTHON", "SOURCE_DATE"))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        pass_fds=(lock,),
        umask=mask,
    ) as process:
        assert process.stdout is not None
        # Some packages carry templates and tests that do not compile: no failure.
        for line in process.stdout:
            if line.startswith("Compiling"):
                done += 1
                if done % 50 == 0:
                    report(min(1.0, done / total))


def link(lib: Path, other: Path, tag: str) -> int:
    """The bytecode that `other` has of `lib`'s sources is linked here; returns how many files."""
    linked = 0
    for path, info in _sources(lib):
        twin = other / path.relative_to(lib)
        try:
            if os.stat(twin).st_ino != info.st_ino:
                continue
            compiled = twin.parent / CACHE / f"{path.stem}.{tag}.pyc"
            here = path.parent / CACHE
            if not here.is_dir():
                here.mkdir()
                here.chmod(
                    0o755
                )  # jobs run as other users and read it, whatever the umask of this process
            os.link(compiled, here / compiled.name)
            linked += 1
        except OSError:  # not there, not compiled, or another file system
            continue
    return linked


def _sources(lib: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for folder, names, files in os.walk(lib):
        if CACHE in names:
            names.remove(CACHE)
        for name in files:
            if name.endswith(".py"):
                path = Path(folder, name)
                yield path, os.lstat(path)


def _tag(python: Path, environ: Mapping[str, str]) -> str:
    """The tag in the names of the interpreter's bytecode files, as `cpython-312`; "" unknown."""
    command = [str(python), "-I", "-S", "-c", "import sys; print(sys.implementation.cache_tag)"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=dict(environ), timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
