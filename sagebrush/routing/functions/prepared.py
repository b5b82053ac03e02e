"""What an environment is made of, in two parts: what many have in common, and what a version adds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sagebrush.compute.base import Bind, Spec
from sagebrush.errors import Doc
from sagebrush.routing.functions.parents import Plan
from sagebrush.routing.functions.values import FunctionVersion


@dataclass(frozen=True)
class Ground:
    """What environments have in common before it is known which version they are of."""

    forked_from: Plan
    """The warm process."""
    binds: tuple[Bind, ...] = ()
    version: str = ""
    """Of the language."""
    told: str = ""
    """What stands in for what, for the log's first line; "" where nothing does."""
    python: Path = Path()
    """The interpreter, as the function sees it."""


@dataclass(frozen=True)
class Prepared:
    """What an environment is told that begins as one of a version."""

    told: Doc
    """As `compute.local.launcher.Launcher.told` has it."""
    expires: float
    """When its role's credentials end, in seconds since the epoch."""


class Places(Protocol):
    """Makes both; every method may raise Unrunnable, and all but `prepared` block."""

    def ground(self, version: FunctionVersion) -> Ground:
        """What environments of that version have in common with others."""
        ...

    def clean(self) -> None:
        """What blank environments left that never were of any function is gone."""
        ...

    def used(self, root: Path) -> int:
        """Bytes that the environment in `root` has in its /tmp."""
        ...

    def laid(self, ground: Ground, key: str, awaited: bool) -> Spec:
        """What a blank environment is begun with; its directory is there. `awaited`: it is not for the
        stock."""
        ...

    def prepared(
        self, version: FunctionVersion, ground: Ground, blank: Spec, stream: str
    ) -> Prepared:
        """What the blank environment is told to be one of `version`, with that log stream; several
        layers have been `merged`."""
        ...

    def merged(self, layers: tuple[Path, ...]) -> Path | None:
        """One directory with all layers, later ones over earlier ones; None for none."""
        ...
