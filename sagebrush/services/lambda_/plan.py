"""What the plans of functions, their versions and layers hold.

A function's document is the configuration of $LATEST as AWS shows it; a version's is its own. Everything
that belongs to a function and not to its configuration is in the function's plan.
"""

from __future__ import annotations

from typing import TypedDict, cast

from sagebrush.errors import Doc
from sagebrush.store.rows import Row


class Plan(TypedDict, total=False):
    """The plan of a function; of a version it has `code`, `before` never, and `revision`."""

    code: str
    """SHA-256, hexadecimal, of its package; "" for an image."""
    layers: list[str]
    """SHA-256 of the packages of its layers, in order: a layer that is deleted stays with it."""
    image: str
    """The URI of its image."""
    digest: str
    """By which the engine has that image; absent until it has been pulled."""
    resolved: str
    """The URI with the digest of its manifest."""
    revision: str
    """Changes whenever code or configuration do: names what execution environments are made of."""
    before: Doc
    """While an update is in progress: document and plan members that still serve."""
    tags: dict[str, str]
    last: int
    """The number of the version that was published last."""
    aliases: dict[str, Doc]
    """Name -> AliasConfiguration, with what only this module reads left out."""
    reserved: int
    """Reserved concurrency; absent where none is."""
    policies: dict[str, Doc]
    """Qualifier, "" for none -> the resource policy, and under `RevisionId` its revision."""
    events: dict[str, Doc]
    """Qualifier -> configuration of asynchronous invocation."""
    urls: dict[str, Doc]
    """Qualifier, "" for none -> configuration of its URL."""
    provisioned: dict[str, Doc]
    """Qualifier -> provisioned concurrency: `requested`, `modified`, `revision`."""
    recursion: str
    """RecursiveLoop, where it was set."""
    enabled: bool
    """Of an event source mapping: whether messages are to be read."""
    management: Doc
    """What PutRuntimeManagementConfig set, by qualifier."""


def plan_of(row: Row) -> Plan:
    """The plan of the function or version."""
    return cast(Plan, row.plan)
