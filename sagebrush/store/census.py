"""What there is in which region, counted: for commands, beside the server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence

from sagebrush.store.db import Params

Read = Callable[[str, Params], list[sqlite3.Row]]
"""`ReadOnly.read`."""


def resources(read: Read, account: str = "", but: str = "") -> dict[str, dict[str, int]]:
    """Region -> kind -> how many rows there are, of kinds that have regions, in the account, or in all
    but one."""
    found: dict[str, dict[str, int]] = {}
    own = " AND account=?" if account else " AND account<>?"
    sql = f"SELECT region, kind, COUNT(*) AS n FROM resource WHERE region<>''{own}"
    for row in read(f"{sql} GROUP BY region, kind", (account or but,)):
        found.setdefault(row["region"], {})[row["kind"]] = row["n"]
    return found


def buckets(read: Read, other_than: Sequence[str]) -> dict[str, int]:
    """Region -> how many buckets there are, of other accounts than those."""
    marks = ",".join("?" * len(other_than))
    sql = f"SELECT region, COUNT(*) AS n FROM bucket WHERE account NOT IN ({marks}) GROUP BY region"
    found = read(sql, tuple(other_than))
    return {row["region"]: row["n"] for row in found}


def regions_of(read: Read, account: str, name: str, kinds: Collection[str]) -> list[str]:
    """The regions in which the account has a resource of that name, of one of these kinds."""
    marks = ",".join("?" * len(kinds))
    sql = f"SELECT DISTINCT region FROM resource WHERE kind IN ({marks}) AND name=? AND account=?"
    return [row["region"] for row in read(f"{sql} ORDER BY region", (*kinds, name, account))]
