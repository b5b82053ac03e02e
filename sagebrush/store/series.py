"""Metric points: append, query, expire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sagebrush.store.db import Db


@dataclass(frozen=True)
class Point:
    """One sample, or a set of them: CloudWatch's statistic set. `at` in seconds since the epoch."""

    namespace: str
    metric: str
    at: float
    value: float
    dimensions: Mapping[str, str] = field(default_factory=dict)
    unit: str = "None"
    count: float = 1.0
    minimum: float | None = None
    maximum: float | None = None


class Series:
    """Points by account, region, namespace, metric and dimensions."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def append(self, account: str, region: str, points: Iterable[Point]) -> None:
        """The points are stored, all or none."""
        raise NotImplementedError
