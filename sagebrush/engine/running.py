"""Which process trees live now, and which resource each belongs to: read from the rows, by the
server and by commands that run while it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sagebrush.facts import Running
from sagebrush.store.rows import Reader, Row


@dataclass(frozen=True)
class Live:
    """One instance of a resource; its process tree lives, or soon will, or has just ended."""

    kind: str
    """The row's: `training-job`, `endpoint` …"""
    name: str
    host: str
    """Which of its instances (`facts.Tree.host`)."""
    key: str
    """Names it for the backend, and its directory."""
    type: str
    account: str
    region: str


def live(rows: Reader, kinds: Mapping[str, Running]) -> list[Live]:
    """All that hold capacity, oldest resource first."""
    return [each for row in rows.holding() for each in _instances(row, kinds.get(row.kind))]


def _instances(row: Row, facts: Running | None) -> Iterator[Live]:
    if facts is None or facts.trees is None:
        return
    for tree in facts.trees(row.name, row.doc, row.plan):
        yield Live(facts.kind, row.name, tree.host, tree.key, tree.type, row.account, row.region)
