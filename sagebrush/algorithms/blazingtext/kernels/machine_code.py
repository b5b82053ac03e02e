"""A kernel's machine code in files: numba's interface of a cache, read by jobs and written once.

Rests on `numba.core.caching._Cache` and `CompileResult._reduce`, which are private: numba's version
is pinned, and tests/algorithms/test_kernels.py compiles, loads and runs.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba  # pyright: ignore[reportMissingImports]
from numba.core import caching, compiler, sigutils  # pyright: ignore[reportMissingImports]

from . import compiled


class Ready(caching._Cache):
    """The machine code of one kernel in `place`, for `signatures`."""

    def __init__(
        self, function: Callable[..., Any], signatures: tuple[str, ...], place: Path
    ) -> None:
        self.signatures = signatures
        self.module = function.__module__
        self.name = f"{self.module}.{function.__qualname__}"
        self._function = function
        self._place = place

    @property
    def cache_path(self) -> str:
        return str(self._place)

    def file(self, sig: Any, target: Any) -> Path:
        """Where the machine code for the signature and LLVM's target is."""
        arguments, _ = sigutils.normalize_signature(sig)
        known = (self.name, str(arguments), target.codegen().magic_tuple(), numba.__version__)
        digest = hashlib.sha256(repr((known, sys.version)).encode()).hexdigest()[:16]
        return self._place / f"{self.name}-{digest}"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel, None where it must be compiled now."""
        target_context.refresh()
        content = compiled.loaded(self.file(sig, target_context))
        if content is not None:
            return compiler.CompileResult._rebuild(target_context, *content)
        print(f"Compiling {self.name}: {self._place} has no machine code of it", flush=True)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Nothing is kept: what jobs compile is theirs."""

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It always is enabled."""

    def flush(self) -> None:
        """There is nothing to flush."""


class Writing(Ready):
    """The same, into whose folder what is compiled is written."""

    def __init__(self, of: Ready, place: Path) -> None:
        super().__init__(of._function, of.signatures, place)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """None: it is compiled anew."""
        target_context.refresh()

    def save_overload(self, sig: Any, data: Any) -> None:
        """The machine code is in its file; raises ValueError for what holds addresses of this process."""
        if data.library.has_dynamic_globals or any(not each.can_cache for each in data.lifted):
            raise ValueError(f"{self.name} cannot be kept: it refers to this process")
        compiled.dumped(self.file(sig, data.target_context), data._reduce())
