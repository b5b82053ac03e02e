"""In a function with an environment's packages NLTK and spaCy say how their data comes to a function.

Standard library only.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder

from sagebrush.toolkit.client.language_data import CHANGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


class _Loader:
    """Runs a module's own loader, then changes the module."""

    def __init__(self, inner: Any, change: Callable[[Any], None]) -> None:
        self._inner, self._change = inner, change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        self._change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Finder:
    """Finds NLTK's and spaCy's modules as `PathFinder` does, and wraps their loaders."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        change = CHANGES.get(name)
        spec = PathFinder.find_spec(name, path, target) if change else None
        if change and spec is not None and spec.loader is not None:
            setattr(spec, "loader", _Loader(spec.loader, change))  # noqa: B010
        return spec


def install() -> None:
    """What this process imports from now on says it, where an environment is what it runs in."""
    if sys.prefix != sys.base_prefix:
        sys.meta_path.insert(0, Finder)  # pyright: ignore[reportArgumentType]
