from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.store.db import Db
from sagebrush.store.series import Metric, Point, Series


@pytest.fixture
def series(tmp_path: Path):
    db = Db(tmp_path / "rows.db")
    yield Series(db)
    db.close()


def test_points_come_back_by_exactly_their_dimensions(series: Series):
    series.append("a", "r", [Point("n", "m", 1.0, 5.0, {"x": "1", "y": "2"})])
    series.append("a", "r", [Point("n", "m", 2.0, 6.0, {"x": "1"})])
    found = series.query("a", "r", Metric("n", "m", {"y": "2", "x": "1"}), 0, 10)
    assert [(p.at, p.value) for p in found] == [(1.0, 5.0)]
    assert series.query("b", "r", Metric("n", "m", {"x": "1"}), 0, 10) == []


def test_the_end_of_a_query_is_exclusive(series: Series):
    series.append("a", "r", [Point("n", "m", float(t), 1.0) for t in range(4)])
    found = series.query("a", "r", Metric("n", "m", {}), 1, 3)
    assert [p.at for p in found] == [1.0, 2.0]


def test_nothing_is_stored_when_one_point_cannot_be(series: Series):
    bad = Point("n", "m", 1.0, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        series.append("a", "r", [Point("n", "m", 1.0, 1.0), bad])
    assert series.metrics("a", "r", None, None, 0) == []


def test_expired_points_and_metrics_are_gone(series: Series):
    series.append("a", "r", [Point("n", "old", 1.0, 1.0), Point("n", "m", 1.0, 1.0)])
    series.append("a", "r", [Point("n", "m", 9.0, 1.0)])
    assert series.expire(5.0) == 2
    assert [m.name for m in series.metrics("a", "r", None, None, 0)] == ["m"]
