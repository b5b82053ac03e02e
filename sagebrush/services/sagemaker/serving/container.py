"""A container of a model as it is served: what the model says, resolved once, kept in plans."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from sagebrush.environments.store import Image
from sagebrush.errors import Doc


class Container(TypedDict):
    """One container of a model as it was when it was deployed; later changes of the model do not
    affect it."""

    name: str
    """Its ContainerHostname, else `container_1`, `container_2`, … by its place."""
    image: str
    """The image as the model names it."""
    environment: str
    algorithm: str | None
    """The built-in algorithm, if it is one."""
    container: str
    """The image that runs as a container; "" where an environment stands for the image."""
    framework: str | None
    asked: NotRequired[dict[str, str]]
    """What the image's tag promises: Python and packages -> version."""
    env: dict[str, str]
    data: tuple[str, str, str] | None
    """Where the model's files are: bucket, key, and `archive`, `prefix`, `object` or `models`."""
    multi: NotRequired[bool]
    """Whether it hosts many models, loaded when they are asked for (Mode MultiModel)."""
    uncached: NotRequired[bool]
    """Whether each is unloaded after its request (ModelCacheSetting Disabled)."""


FLAT = ("image", "environment", "algorithm", "container", "framework", "asked", "env", "data")
"""The members that a variant had itself while it had one container."""


def name_of(definition: Doc, place: int) -> str:
    """The container's name: its ContainerHostname, else one by its place from 0."""
    return definition.get("ContainerHostname") or f"container_{place + 1}"


def resolved(
    definition: Doc, name: str, image: Image, data: tuple[str, str, str] | None
) -> Container:
    """The container that AWS's `definition` describes, whose image and data location are these."""
    multi = definition.get("MultiModelConfig", {})
    return {
        "name": name,
        "image": definition["Image"],
        "environment": image.environment,
        "algorithm": image.algorithm,
        "container": image.container,
        "framework": image.framework,
        "asked": dict(image.asked),
        "env": dict(definition.get("Environment", {})),
        "data": data,
        "multi": definition.get("Mode") == "MultiModel",
        "uncached": multi.get("ModelCacheSetting") == "Disabled",
    }


def moved(variant: Doc) -> Doc:
    """A variant of an older version's plan, its one container in `containers` as it is kept now."""
    if "containers" in variant:
        return variant
    own = {name: variant[name] for name in FLAT if name in variant}
    kept = {name: value for name, value in variant.items() if name not in FLAT}
    return {**kept, "containers": [{"name": "container_1", **own}], "mode": "Serial"}
