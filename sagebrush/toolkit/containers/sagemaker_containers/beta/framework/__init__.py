"""content_types, encoders, worker and env.

`modules`, `server` and `transformer` ran AWS's own model server; scripts name them in one import with
the others, and none of their functions is here.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sagemaker_containers import _content_types as content_types
from sagemaker_containers.beta.framework import encoders, env, worker


class _Absent(ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.__name__}.{name} is AWS's model server's: it is not here")


modules = _Absent("sagemaker_containers.beta.framework.modules")
server = _Absent("sagemaker_containers.beta.framework.server")
transformer = _Absent("sagemaker_containers.beta.framework.transformer")

__all__ = ["content_types", "encoders", "env", "modules", "server", "transformer", "worker"]
