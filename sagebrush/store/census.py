"""What there is in which region, counted: for commands, beside the server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection

from sagebrush.store.db import Params

Read = Callable[[str, Params], list[sqlite3.Row]]
"""`ReadOnly.read`."""


def resources(read: Read) -> dict[str, dict[str, int]]:
    """Region -> kind -> how many rows there are, of kinds that have regions."""
    found: dict[str, dict[str, int]] = {}
    sql = "SELECT region, kind, COUNT(*) AS n FROM resource WHERE region<>'' GROUP BY region, kind"
    for row in read(sql, ()):
        found.setdefault(row["region"], {})[row["kind"]] = row["n"]
    return found


def buckets(read: Read) -> dict[str, int]:
    """Region -> how many buckets there are."""
    found = read("SELECT region, COUNT(*) AS n FROM bucket GROUP BY region", ())
    return {row["region"]: row["n"] for row in found}


def regions_of(read: Read, name: str, kinds: Collection[str]) -> list[str]:
    """The regions that have a resource of that name, of one of these kinds."""
    marks = ",".join("?" * len(kinds))
    sql = f"SELECT DISTINCT region FROM resource WHERE kind IN ({marks}) AND name=? ORDER BY region"
    return [row["region"] for row in read(sql, (*kinds, name))]
