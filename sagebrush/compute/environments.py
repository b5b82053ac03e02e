"""Image URI -> environment: one pinned virtual environment, built once, shared read-only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """A built environment: its directory, its interpreter, what must be visible for it to run."""

    name: str
    path: Path
    python: Path
    prefixes: tuple[Path, ...]
    """Directories to bind read-only at their own path (the environment and its base interpreter)."""


@dataclass(frozen=True)
class Image:
    """What an image URI means here."""

    environment: str
    """Name of the environment (`base`)."""
    algorithm: str | None = None
    """The built-in algorithm it carries (`blazingtext`), or None for script images."""


class UnknownImage(Exception):
    """No environment stands for that image; the text names the nearest."""


class BuildFailed(Exception):
    """The environment could not be built; the text says why."""


class Environments:
    """The environments under `root`, content-addressed, built on first need."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def resolve(self, image: str) -> Image:
        """What `image` means; raises UnknownImage."""
        raise NotImplementedError

    def ready(self, name: str) -> Environment | None:
        """The environment when it is built; None after starting its build in the background.

        Raises BuildFailed when the last build failed (asking again later starts a new one).
        """
        raise NotImplementedError

    def build(self, name: str) -> Environment:
        """The environment, built now if need be; blocks."""
        raise NotImplementedError
