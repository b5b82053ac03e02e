"""The `edge` table: which resource is related to which, by their ARNs, read from either end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sagebrush.store.db import Params, Tx
from sagebrush.store.documents import Doc, dump, parse

AT_ONCE = 500
"""ARNs that one query asks for; SQLite takes 32,766 parameters."""


@dataclass(frozen=True)
class Edge:
    """One relation, from `source` to `destination`. There is one at most of a kind between two."""

    account: str
    region: str
    kind: str
    """Whose relation it is (`association`)."""
    source: str
    destination: str
    doc: Doc = field(default_factory=dict)
    created: float = 0.0
    """Seconds since the epoch."""


class EdgeReader:
    """Reads edges by `read`: by `Db.read` as of now, by `Tx.all` as a transaction sees them."""

    def __init__(self, read: Callable[[str, Params], list[sqlite3.Row]]) -> None:
        self._read = read

    def select(
        self,
        place: tuple[str, str, str],
        source: str | None = None,
        destination: str | None = None,
    ) -> list[Edge]:
        """Those of (account, region, kind), from `source` and to `destination` where these are given,
        oldest first."""
        sql, params = "SELECT * FROM edge WHERE account=? AND region=? AND kind=?", [*place]
        for column, arn in (("source", source), ("destination", destination)):
            if arn is not None:
                sql += f" AND {column}=?"
                params.append(arn)
        found = self._read(f"{sql} ORDER BY created, source, destination", params)
        return [_edge_of(row) for row in found]

    def beside(
        self, place: tuple[str, str, str], arns: Collection[str], onward: bool
    ) -> list[Edge]:
        """Those that leave one of `arns` (`onward`), or lead to one of them."""
        column, each, found = "source" if onward else "destination", [*arns], list[Edge]()
        for start in range(0, len(each), AT_ONCE):
            part = each[start : start + AT_ONCE]
            sql = (
                "SELECT * FROM edge WHERE account=? AND region=? AND kind=?"
                f" AND {column} IN ({','.join('?' * len(part))}) ORDER BY created, source, destination"
            )
            found += [_edge_of(row) for row in self._read(sql, [*place, *part])]
        return found


def put_in(tx: Tx, edge: Edge) -> bool:
    """The edge is stored; False, and nothing changed, where one of its kind is between the two."""
    sql = (
        "INSERT INTO edge(account, region, kind, source, destination, doc, created)"
        " VALUES(?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
    )
    values = (
        edge.account, edge.region, edge.kind, edge.source, edge.destination, dump(edge.doc),
        edge.created,
    )  # fmt: skip
    return tx.run(sql, values) == 1


def delete_in(tx: Tx, place: tuple[str, str, str], source: str, destination: str) -> bool:
    """There is no such edge; whether there was."""
    sql = "DELETE FROM edge WHERE account=? AND region=? AND kind=? AND source=? AND destination=?"
    return tx.run(sql, (*place, source, destination)) == 1


def _edge_of(row: sqlite3.Row) -> Edge:
    return Edge(
        row["account"], row["region"], row["kind"], row["source"], row["destination"],
        parse(row["doc"]), row["created"],
    )  # fmt: skip
