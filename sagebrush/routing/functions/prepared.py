"""What an environment that is to be started is made of, and who makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sagebrush.compute.base import Spec
from sagebrush.routing.functions.parents import Plan
from sagebrush.routing.functions.values import FunctionVersion


@dataclass(frozen=True)
class Prepared:
    """An environment that is to be started: its process, and from what it is forked."""

    spec: Spec
    plan: Plan
    variables: Mapping[str, str]
    expires: float
    """When its role's credentials end, in seconds since the epoch."""


Prepare = Callable[[FunctionVersion, str, str], Prepared]
"""(version, the environment's key, its log stream) -> what is to be started; its directory is there.
With an empty key nothing is made, and only what it is forked from is asked for. Blocks. Raises
Unrunnable."""
