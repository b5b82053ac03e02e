"""Which process trees live now, and whose they are: by what the rows say, for the server and for
commands beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sagebrush.facts import Running
from sagebrush.store.home import DATABASE
from sagebrush.store.rows import parse

Read = Callable[[str], list[sqlite3.Row]]
"""Runs a query that only reads."""

HOLDING = (
    "SELECT account, region, kind, name, doc, plan FROM resource"
    " WHERE id IN (SELECT row_id FROM reservation WHERE held=1) ORDER BY created, id"
)
"""What may run holds a reservation: ten thousand that wait cost nothing here."""
QUEUED = "SELECT count(*) AS n FROM reservation WHERE held=0"


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


def live(read: Read, kinds: Mapping[str, Running]) -> list[Live]:
    """All that hold capacity, oldest resource first."""
    return [each for row in read(HOLDING) for each in _instances(row, kinds.get(row["kind"]))]


def queued(read: Read) -> int:
    """How many wait for capacity."""
    return read(QUEUED)[0]["n"]


def _instances(row: sqlite3.Row, facts: Running | None) -> Iterator[Live]:
    if facts is None or facts.trees is None:
        return
    name = row["name"]
    for tree in facts.trees(name, parse(row["doc"]), parse(row["plan"])):
        place = (row["account"], row["region"])
        yield Live(facts.kind, name, tree.host, tree.key, tree.type, *place)


class Beside:
    """Reads the rows of a data directory from another process; the server need not run."""

    def __init__(self, home: Path) -> None:
        """Raises FileNotFoundError when there is no database yet."""
        path = (home / DATABASE).resolve(strict=True)
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)
        self._connection.row_factory = sqlite3.Row

    def __call__(self, query: str) -> list[sqlite3.Row]:
        """All rows that the query answers."""
        return self._connection.execute(query).fetchall()

    def close(self) -> None:
        """The database is closed."""
        self._connection.close()
