"""AWS's Service Authorization Reference, as `service_authorization.txt` beside this holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

MARK = "any"
"""In place of the resource types of an action that has more than ten, all of them optional."""


@dataclass
class Action:
    """The resource types (required or not) and condition keys of an action."""

    resources: dict[str, bool]
    keys: frozenset[str]


@dataclass
class Service:
    """Actions by name; resource types with their ARN and the keys that they give."""

    actions: dict[str, Action] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)
    keys: dict[str, frozenset[str]] = field(default_factory=dict)


def _listed(text: str) -> list[str]:
    return [] if text == "-" else text.split(",")


@cache
def services() -> dict[str, Service]:
    """The services by prefix."""
    found: dict[str, Service] = {}
    service = Service()
    for line in (Path(__file__).parent / "service_authorization.txt").read_text().splitlines():
        if line.startswith("["):
            service = found[line.strip("[]")] = Service()
        elif line.startswith("resource "):
            _, kind, arn, keys = line.split(" ")
            service.arns[kind], service.keys[kind] = arn, frozenset(_listed(keys))
        elif not line.startswith("#"):
            name, kinds, keys = line.split(" ")
            required = {kind.rstrip("!"): kind.endswith("!") for kind in _listed(kinds)}
            service.actions[name] = Action(required, frozenset(_listed(keys)))
    return found


def action(name: str) -> Action | None:
    """The action `service:Name`, or None where AWS has none of that name."""
    prefix, _, short = name.partition(":")
    return services()[prefix].actions.get(short)


def known(name: str) -> Action:
    """The action, which AWS has; raises LookupError where it has none of that name."""
    found = action(name)
    if found is None:
        raise LookupError(f"AWS has no action {name}")
    return found
