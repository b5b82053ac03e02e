"""A built environment: what is needed to launch something with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.environments import images


@dataclass(frozen=True)
class Environment:
    """A built environment: its directory, its interpreter, what must be visible for it to run."""

    name: str
    path: Path
    python: Path
    prefixes: tuple[Path, ...]
    """Directories to bind read-only at their own path (the environment and its base interpreter)."""
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Python's version and those of its most important packages."""
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Every package -> its version."""

    def image(self, asked: Mapping[str, str]) -> str:
        """Its name as an image's: `sagebrush/huggingface:Python-3.12.4-torch-2.13.0-cpu`; versions that
        run instead of those that were `asked` for come first: `scikit-learn-1.9.1-for-1.9.0`."""
        first = [f"{name}-{self.versions[name]}-for-{version}" for name, version in asked.items()]
        rest = [f"{name}-{version}" for name, version in self.versions.items() if name not in asked]
        words = [*first, *rest][: max(3, len(first))]
        tag = re.sub(r"[^\w.-]", "-", "-".join(words))[:120] or "latest"
        return f"{images.OWN}{self.name}:{tag}"

    def told(self, most: int = 6) -> str:
        """Name and versions in a line: `huggingface (Python 3.12.4, torch 2.13.0, …)`."""
        words = [f"{name} {version}" for name, version in self.versions.items()]
        return f"{self.name} ({', '.join(words[:most])})" if words else self.name
