"""Tags of functions and event source mappings. Pure. Source: Lambda developer guide, "Using tags on Lambda
functions"."""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.services.lambda_ import faults, limits

Change = Callable[[dict[str, str]], dict[str, str]]


def checked(tags: dict[str, str]) -> dict[str, str]:
    """The tags; raises InvalidParameterValueException for keys that AWS keeps for itself, or too many."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise faults.invalid("Tag keys cannot start with aws: prefix")
    if len(tags) > limits.TAGS:
        raise faults.invalid("Number of tags exceeds resource tag limit.")
    return dict(tags)
