"""What an engine knows of an image: its digest, and what it runs by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagebrush.compute.containers.engines import PATIENCE, Engine

_TAG = re.compile(r"(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$")


@dataclass(frozen=True)
class Image:
    """An image that is on this machine."""

    id: str
    """The digest of its configuration (`sha256:…`), by which the engine finds it whatever its tags are."""
    resolved: str
    """Its name with the digest of its manifest; where it has none, with `id`."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()
    """The names of those that it sets."""

    @property
    def digest(self) -> str:
        """The digest in `resolved`, hexadecimal."""
        return self.resolved.rpartition(":")[2]


def find(engine: Engine, name: str) -> Image | None:
    """The image of that name, or of that `id`; None where the engine does not have it. Raises OSError."""
    from docker import errors

    with engine.client(PATIENCE) as client:
        try:
            return read(name, client.inspect_image(name))
        except errors.NotFound:
            return None


def read(name: str, told: Mapping[str, Any]) -> Image:
    """The image that was asked for as `name`, from the engine's description. Pure."""
    identity = str(told["Id"])
    identity = identity if identity.startswith("sha256:") else f"sha256:{identity}"
    repository = _TAG.sub("", name)
    known = [str(each) for each in told.get("RepoDigests") or ()]
    own = [each for each in known if each.rpartition("@")[0] == repository]
    config = told.get("Config") or {}
    return Image(
        id=identity,
        resolved=(own or [f"{repository}@{identity}"])[0],
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        variables=frozenset(each.partition("=")[0] for each in config.get("Env") or ()),
    )
