"""Where a multi-model variant's models are, and what is known of one model at one replica."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Hosted:
    """Where a variant's models are."""

    bucket: str
    prefix: str
    role: str | None
    """The ARN of the role that reads them; None: the execution role."""
    cached: bool = True
    """Whether a model stays loaded after its request (ModelCacheSetting)."""

    def key(self, target: str) -> str:
        """The object's key of a request's TargetModel: a path relative to the prefix."""
        prefix = self.prefix if not self.prefix or self.prefix.endswith("/") else f"{self.prefix}/"
        return prefix + target.removeprefix("/")


@dataclass(eq=False)
class Model:
    """A model at one replica."""

    name: str
    """What the container calls it."""
    users: int = 0
    """Requests that wait for it or are in it: while there are any it is not unloaded."""
    used: float = 0.0
    """When it was last asked (monotonic seconds)."""
    loaded: bool = False
    loading: asyncio.Task[None] | None = None
    leaving: asyncio.Task[None] | None = None


class Files(Protocol):
    """The unpacked models of replicas, on disk. The methods block."""

    def fetch(self, key: str, hosted: Hosted, target: str, name: str) -> None:
        """The model is unpacked for the replica `key`. Raises AwsError, NoSpace, and Unreachable
        where the replica is gone."""
        ...

    def remove(self, key: str, name: str) -> None:
        """The model's files are gone."""
        ...


class NoSpace(Exception):
    """The disk has no room for the model."""


def named(target: str) -> str:
    """The name of a TargetModel to its container: an opaque one that fits into a path."""
    return hashlib.sha256(target.removeprefix("/").encode()).hexdigest()[:32]


def oldest(models: Sequence[Model]) -> Model | None:
    """The model to unload: the least recently used of those that no request needs; None without."""
    idle = [m for m in models if m.loaded and not m.users and m.leaving is None]
    return min(idle, key=lambda m: m.used, default=None)
