"""Makes the SageMaker SDKs' hard-coded STS address lead to Sagebrush, in one shell only.

Both SDKs build `https://` plus the STS host name that botocore's endpoint table gives, whatever
AWS_ENDPOINT_URL says. botocore looks for that table in one folder before its own; this file points
that folder (a constant of `botocore.loaders`) at Sagebrush's copy, once botocore is imported, and
only while AWS_ENDPOINT_URL still leads where `sagebrush env` set it. It then runs the
sitecustomize that would have been found without it. Standard library only: every Python start
pays for it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))


class _PointLoader:
    """Runs botocore.loaders' own loader, then changes the constant."""

    def __init__(self, inner: Any, folder: str) -> None:
        self._inner = inner
        self._folder = folder

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._inner.exec_module(module)
        module.Loader.CUSTOMER_DATA_PATH = self._folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _PointFinder:
    """Finds botocore.loaders as the others do, with the loader above around it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "botocore.loaders":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            setattr(spec, "loader", _PointLoader(spec.loader, self._folder))  # noqa: B010
        return spec


def _point() -> None:
    folder = os.environ.get("SAGEBRUSH_CLIENT_DATA")
    if folder and os.environ.get("AWS_ENDPOINT_URL") and os.path.isdir(folder):
        sys.meta_path.insert(0, _PointFinder(folder))


def _chain() -> None:
    """Runs the next sitecustomize on the path, as if this one were not there."""
    rest = [p for p in sys.path if os.path.abspath(p or os.curdir) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


_point()
_chain()
