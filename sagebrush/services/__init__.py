"""The services, found by folder: a service is one folder here and one line of SERVICES, a kind of
resource one folder in its service's.

Every command imports this module, so it imports no service before it is asked to.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import TypeVar

from sagebrush.facts import Running

SERVICES = {
    "s3": "s3",
    "sagemaker": "sagemaker",
    "sagemaker-runtime": "sagemaker_runtime",
    "cloudwatch": "cloudwatch",
    "application-autoscaling": "autoscaling",
    "logs": "logs",
    "sts": "sts",
    "iam": "iam",
    "sqs": "sqs",
    "sns": "sns",
    "events": "events",
    "scheduler": "scheduler",
    "lambda": "lambda_",
    "stepfunctions": "states",
    "comprehend": "comprehend",
}
"""botocore's name of each service -> its folder, or its one module, here."""
FACTS = "facts"
"""The name of modules that hold facts."""
T = TypeVar("T")


def modules(service: str) -> list[ModuleType]:
    """All modules of the service, imported; raises ModuleNotFoundError where it has none."""
    return [importlib.import_module(name) for name in _names(service)]


def _names(service: str) -> Iterator[str]:
    """The dotted names of the service's modules, packages before what they hold; only packages are
    imported, which hold nothing themselves. Raises ModuleNotFoundError where it has none."""
    name = f"{__name__}.{SERVICES[service]}"
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(name, name=name)
    yield name
    for found in pkgutil.walk_packages(spec.submodule_search_locations or (), f"{name}."):
        yield found.name


def running() -> dict[str, Running]:
    """`Row.kind` -> the facts of each kind that runs something; imports no other modules than those.

    Raises LookupError when two kinds have one name.
    """
    names = [name for service in SERVICES for name in _names(service)]
    return facts_of(importlib.import_module(name) for name in names if _of_facts(name))


def facts_of(found: Iterable[ModuleType]) -> dict[str, Running]:
    """`Row.kind` -> the facts that those of the modules hold that are for facts; as `running`."""
    chosen = (module for module in found if _of_facts(module.__name__))
    return by_name(Running, chosen, lambda facts: facts.kind)


def _of_facts(name: str) -> bool:
    return name.rpartition(".")[2] == FACTS


def by_name(wanted: type[T], found: Iterable[ModuleType], name: Callable[[T], str]) -> dict[str, T]:
    """The values of the type among what the modules define or import, alone or in a mapping, by name.

    Raises LookupError when two have one name.
    """
    table: dict[str, T] = {}
    for module in found:
        for held in vars(module).values():
            for value in held.values() if isinstance(held, Mapping) else (held,):
                if isinstance(value, wanted) and table.setdefault(name(value), value) is not value:
                    raise LookupError(f"{module.__name__}: there are two kinds {name(value)}")
    return table
