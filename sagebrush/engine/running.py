"""Which process trees live now, and whose they are: by what the rows say, for the server and for
commands beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sagebrush.errors import Doc
from sagebrush.scheduler import members
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
    """The row's: `training-job`, `processing-job`, `endpoint`, `notebook-instance`, `warm-pool`."""
    name: str
    host: str
    """Which of its instances: `algo-1`, or of an endpoint `<variant>/<id>`."""
    key: str
    """Names it for the backend, and its directory."""
    type: str
    account: str
    region: str


def live(read: Read) -> list[Live]:
    """All that hold capacity, oldest resource first."""
    return [each for row in read(HOLDING) for each in _instances(row)]


def queued(read: Read) -> int:
    """How many wait for capacity."""
    return read(QUEUED)[0]["n"]


def _instances(row: sqlite3.Row) -> Iterator[Live]:
    doc, plan = parse(row["doc"]), parse(row["plan"])
    if row["kind"] == "warm-pool" and "taken" not in plan:  # else it is its job's by now
        doc, plan = {"InstanceType": plan["spec"]["limits"]["name"]}, {"key": row["name"]}
    for host, key, kind in _members(row["kind"], doc, plan):
        yield Live(row["kind"], row["name"], host, key, kind, row["account"], row["region"])


def _members(kind: str, doc: Doc, plan: Doc) -> Iterator[tuple[str, str, str]]:
    """(host, key, instance type) of each."""
    resources = doc.get("ResourceConfig") or doc.get("ProcessingResources", {}).get("ClusterConfig")
    if kind == "endpoint":
        fleets = [plan[name] for name in ("active", "pending") if plan.get(name)]
        types = {v["name"]: v.get("type", "") for fleet in fleets for v in fleet["variants"]}
        for entry in plan.get("replicas", ()):
            variant = entry.get("variant", "")
            yield f"{variant}/{entry['id']}", entry["key"], types.get(variant, "")
    elif plan.get("key") and resources:
        for member in members.members(plan["key"], resources)[: plan.get("instances")]:
            yield member.name, member.key, member.type
    elif plan.get("key"):
        yield "", plan["key"], doc.get("InstanceType", "")


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
