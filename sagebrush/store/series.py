"""Metric points: append, query, expire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from sagebrush.store.db import Db, Tx

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Point:
    """One sample, or a set of them: CloudWatch's statistic set. `at` in seconds since the epoch.

    `value` is the sum of the set's `count` samples; `minimum` and `maximum` default to the mean.
    """

    namespace: str
    metric: str
    at: float
    value: float
    dimensions: Mapping[str, str] = field(default_factory=dict)
    unit: str = "None"
    count: float = 1.0
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Metric:
    """One metric's name and dimensions."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]


class Series:
    """Points by account, region, namespace, metric and dimensions."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def begun(self, function: Callable[P, T]) -> Callable[P, T]:
        """`function`, as work that begins now (`store.generations`)."""
        return self._db.generations.begun(function)

    def append(self, account: str, region: str, points: Iterable[Point]) -> None:
        """The points are stored, all or none."""
        points = list(points)
        if points:
            self._db.write(lambda tx: self.append_in(tx, account, region, points))

    def append_in(self, tx: Tx, account: str, region: str, points: Iterable[Point]) -> None:
        """`append` inside a transaction that the caller holds."""
        ids: dict[tuple[str, str, str], int] = {}
        for p in points:
            key = (p.namespace, p.metric, _dump(p.dimensions))
            if key not in ids:
                found = tx.one(
                    "INSERT INTO metric(account, region, namespace, name, dimensions, last)"
                    " VALUES(?,?,?,?,?,?) ON CONFLICT(account, region, namespace, name, dimensions)"
                    " DO UPDATE SET last=max(last, excluded.last) RETURNING id",
                    (account, region, *key, p.at),
                )
                assert found is not None
                ids[key] = found["id"]
            mean = p.value / p.count if p.count else p.value
            low = mean if p.minimum is None else p.minimum
            high = mean if p.maximum is None else p.maximum
            tx.run(
                "INSERT INTO point VALUES(?,?,?,?,?,?,?)",
                (ids[key], p.at, p.value, p.count, low, high, p.unit),
            )

    def query(
        self, account: str, region: str, metric: Metric, start: float, end: float
    ) -> list[Point]:
        """The points of exactly that metric in [start, end), oldest first."""
        rows = self._db.read(
            "SELECT p.* FROM point p JOIN metric m ON m.id = p.metric WHERE m.account=? AND"
            " m.region=? AND m.namespace=? AND m.name=? AND m.dimensions=?"
            " AND p.at>=? AND p.at<? ORDER BY p.at, p.rowid",
            (account, region, metric.namespace, metric.name, _dump(metric.dimensions), start, end),
        )
        return [
            Point(
                metric.namespace, metric.name, r["at"], r["value"], metric.dimensions, r["unit"],
                r["count"], r["minimum"], r["maximum"],
            )
            for r in rows
        ]  # fmt: skip

    def metrics(
        self, account: str, region: str, namespace: str | None, name: str | None, since: float
    ) -> list[Metric]:
        """The metrics that had a point at or after `since`, of that namespace and name if given."""
        sql = "SELECT * FROM metric WHERE account=? AND region=? AND last>=?"
        params: list[Any] = [account, region, since]
        for column, value in (("namespace", namespace), ("name", name)):
            if value is not None:
                sql += f" AND {column}=?"
                params.append(value)
        rows = self._db.read(sql + " ORDER BY namespace, name, dimensions", params)
        return [Metric(r["namespace"], r["name"], json.loads(r["dimensions"])) for r in rows]

    def expire(self, before: float) -> int:
        """Points older than `before`, and metrics without points since, are gone; how many points."""

        def work(tx: Tx) -> int:
            removed = tx.run("DELETE FROM point WHERE at<?", (before,))
            tx.run("DELETE FROM metric WHERE last<?", (before,))
            return removed

        return self._db.write(work)


def _dump(dimensions: Mapping[str, str]) -> str:
    return json.dumps(dict(dimensions), sort_keys=True, separators=(",", ":"))
