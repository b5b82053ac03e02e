"""The operation table: functions of service modules by the names of AWS's models."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import ModuleType

from sagebrush.world import Operations


def collect(service: str, modules: Iterable[ModuleType], known: dict[str, str]) -> Operations:
    """The operations that `modules` define for `service`.

    An operation is a public function whose parameters begin `(ctx, request)`; its name is the AWS
    name in snake case. A module may add generated ones in a table `OPERATIONS` (AWS name ->
    function). `known` maps snake case to the model's names. Raises LookupError when a function
    names no operation of the model, or when two define the same one.
    """
    table: Operations = {}
    for module in modules:
        found = dict(getattr(module, "OPERATIONS", {}))
        for name, value in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(value):
                continue
            if value.__module__ != module.__name__:
                continue
            if list(inspect.signature(value).parameters)[:2] == ["ctx", "request"]:
                if name not in known:
                    raise LookupError(f"{module.__name__}.{name} names no operation of {service}")
                found[known[name]] = value
        for aws_name, function in found.items():
            if aws_name not in known.values():
                raise LookupError(f"{module.__name__}: {service} has no operation {aws_name}")
            if (service, aws_name) in table:
                raise LookupError(f"{service}.{aws_name} is defined twice")
            table[service, aws_name] = function
    return table
