"""Metric maths: the tables and examples of AWS's guide, and what is no expression."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.services.cloudwatch.maths import evaluation, parser
from sagebrush.services.cloudwatch.maths.evaluation import Sheet, labelled
from sagebrush.services.cloudwatch.maths.parser import ExpressionError
from sagebrush.services.cloudwatch.maths.values import Array, Series

N = None


class Given:
    """Metrics by id: a value a minute from 0 on, None where it is missing."""

    def __init__(self, **metrics: list[float | None]) -> None:
        self.metrics = metrics
        self.count = max(map(len, metrics.values()), default=3)
        self.searches: list[tuple[str, str, int]] = []

    def metric(self, query: dict[str, Any]) -> Series:
        name = query["Id"]
        held = self.metrics[name]
        points = {60.0 * i: float(v) for i, v in enumerate(held) if v is not None}
        return Series(name.upper(), 60, points, 0.0, 60.0 * self.count, metric=True)

    def empty(self, period: int) -> Series:
        return Series("", period, {}, 0.0, 60.0 * self.count)

    def search(self, text: str, statistic: str, period: int) -> Array:
        self.searches.append((text, statistic, period))
        return tuple(self.metric({"Id": name}) for name in self.metrics)

    def sheet(self, *expressions: str) -> Sheet:
        stat = {"Period": 60, "Stat": "Sum", "Metric": {}}
        queries: list[dict[str, Any]] = [{"Id": n, "MetricStat": stat} for n in self.metrics]
        queries += [{"Id": f"e{i}", "Expression": e} for i, e in enumerate(expressions)]
        return Sheet(queries, self)

    def of(self, expression: str) -> Any:
        """The values by the minute; of an array those of each."""
        found = self.sheet(expression).result("e0")
        if isinstance(found, tuple):
            return [self.values(each) for each in found]
        return self.values(found)

    def values(self, series: Series) -> list[float | None]:
        return [series.points.get(60.0 * i) for i in range(self.count)]


GUIDE = Given(m1=[30, 20, 0, 0], m2=[20, N, 20, N])
FULL = Given(a=[1, 2, 3], b=[10, 20, 30])
GAPS = Given(a=[N, 2, N, 6, N], b=[1, 1, 1, 1, 1])
CHOICE = Given(c=[1, 1, 0, 0, N], y=[30, N, 0, 0, 30], n=[0, 0, 20, N, 20])


@pytest.mark.parametrize(
    ("given", "expression", "values"),
    [
        # "Comparison and logical operators"
        (GUIDE, "(m1 < m2)", [0, 0, 1, 0]),
        (GUIDE, "m1 >= 30", [1, 0, 0, 0]),
        (GUIDE, "m1 > 15 AND m2 > 15", [1, 0, 0, 0]),
        (GUIDE, "m1 == 0 || m2 == 20", [1, 0, 1, 1]),
        (GUIDE, "m1 != 0 OR 0 * m1", [1, 1, 0, 0]),
        # "Basic arithmetic functions": missing values count as 0, divisions by 0 are dropped
        (GUIDE, "m1 + m2", [50, 20, 20, 0]),
        (GUIDE, "m1 - m2", [10, 20, -20, 0]),
        (GUIDE, "m1 / m2", [1.5, N, 0, N]),
        (GUIDE, "100 / m1", [100 / 30, 5, N, N]),
        (GUIDE, "-m1", [-30, -20, 0, 0]),
        (FULL, "a * 2 + b", [12, 24, 36]),
        (FULL, "a ^ 2", [1, 4, 9]),
        (FULL, "a ^ 2 ^ 3", [1, 256, 6561]),
        (FULL, "-a ^ 2", [-1, -4, -9]),
        (FULL, "2 * (a + 1) - 3", [1, 3, 5]),
        (FULL, "a - 1 - 1", [-1, 0, 1]),
        (FULL, "METRICS() * 100", [[100, 200, 300], [1000, 2000, 3000]]),
        (FULL, 'METRICS("b")', [[10, 20, 30]]),
        (FULL, "[a, b] / b", [[0.1, 0.1, 0.1], [1, 1, 1]]),
        (FULL, "100 / [a, b]", [[100, 50, 100 / 3], [10, 5, 100 / 30]]),
        # functions that make a number of a series, a series of an array
        (FULL, "a - AVG(a)", [-1, 0, 1]),
        (FULL, "a / SUM(a) * 6", [1, 2, 3]),
        (FULL, "MAX(a) - a", [2, 1, 0]),
        (FULL, "a - MIN(a)", [0, 1, 2]),
        (FULL, "0 * a + STDDEV(a) ^ 2 * 3", [2, 2, 2]),
        (FULL, "SUM([a, b])", [11, 22, 33]),
        (FULL, "SUM(METRICS())", [11, 22, 33]),
        (FULL, "AVG(METRICS())", [5.5, 11, 16.5]),
        (FULL, "MAX([a, b])", [10, 20, 30]),
        (FULL, "MIN([a, METRICS('b')])", [1, 2, 3]),
        (GAPS, "AVG([a, b])", [0.5, 1.5, 0.5, 3.5, 0.5]),
        (GAPS, "DATAPOINT_COUNT([a, b])", [1, 2, 1, 2, 1]),
        (GAPS, "b * DATAPOINT_COUNT(a)", [2] * 5),
        (FULL, "a / METRIC_COUNT(METRICS())", [0.5, 1, 1.5]),
        # along a series
        (GAPS, "ABS(-a)", [N, 2, N, 6, N]),
        (FULL, "CEIL(a / 2)", [1, 1, 2]),
        (FULL, "FLOOR(a / 2)", [0, 1, 1]),
        (FULL, "LOG10(b)", [1, pytest.approx(1.30103), pytest.approx(1.477121)]),
        (GUIDE, "0 * LOG(m1)", [0, 0, N, N]),
        (GAPS, "DIFF(a)", [N, N, N, 4, N]),
        (GAPS, "DIFF_TIME(a)", [N, N, N, 120, N]),
        (GAPS, "RATE(a)", [N, N, N, 4 / 120, N]),
        (FULL, "RUNNING_SUM(a)", [1, 3, 6]),
        (FULL, "a / PERIOD(a) * 60", [1, 2, 3]),
        (FULL, "TIME_SERIES(10)", [10, 10, 10]),
        (FULL, "TIME_SERIES(MAX(a) * 2)", [6, 6, 6]),
        (FULL, "MINUTE(a)", [0, 1, 2]),
        (FULL, "IF(DAY(a) == 4, a)", [1, 2, 3]),  # 1970 began on a Thursday
        # FILL
        (GAPS, "FILL(a, 0)", [0, 2, 0, 6, 0]),
        (GAPS, "FILL(a, REPEAT)", [N, 2, 2, 6, 6]),
        (GAPS, "FILL(a, LINEAR)", [N, 2, 4, 6, N]),
        (GAPS, "FILL(a, b)", [1, 2, 1, 6, 1]),
        (GAPS, "FILL(a, MIN(a))", [2, 2, 2, 6, 2]),
        (GAPS, "FILL(METRICS(), 0)", [[0, 2, 0, 6, 0], [1] * 5]),
        # "Using IF expressions"
        (CHOICE, "IF(c, y, n)", [30, 0, 20, N, N]),
        (CHOICE, "IF(c, 5, n)", [5, 5, 20, N, N]),
        (CHOICE, "IF(c, y, 5)", [30, 0, 5, 5, N]),
        (CHOICE, "IF(c, y)", [30, 0, N, N, N]),
        (CHOICE, "IF(c > 0, 1, 2)", [1, 1, 2, 2, N]),
        (CHOICE, "IF(1, y, n)", [30, N, 0, 0, 30]),
        (CHOICE, "IF(0, y)", [N] * 5),
        (CHOICE, "IF(y < 10, y)", [N, N, 0, 0, N]),
        # arrays
        (FULL, "SORT(METRICS(), AVG, DESC)", [[10, 20, 30], [1, 2, 3]]),
        (FULL, "SORT(METRICS(), MAX, DESC, 1)", [[10, 20, 30]]),
        (FULL, "SLICE(SORT(METRICS(), SUM, DESC), 1)", [[1, 2, 3]]),
        (FULL, "SLICE(METRICS(), 0, 1)", [[1, 2, 3]]),
        (FULL, "FIRST(METRICS())", [1, 2, 3]),
        (FULL, "LAST(SORT(METRICS(), AVG, ASC))", [10, 20, 30]),
        (FULL, "IF(FIRST(SORT(METRICS(), AVG, DESC)) > 10, 1, 0)", [0, 1, 1]),
        (Given(a=[1, 2], b=[]), "REMOVE_EMPTY(METRICS())", [[1, 2]]),
        (Given(), "SUM(METRICS())", [N, N, N]),
        (FULL, "SUM(SEARCH('{n} x', 'Sum'))", [11, 22, 33]),
        (FULL, "1e1 * a + .5", [10.5, 20.5, 30.5]),
    ],
)
def test_what_an_expression_gives(given: Given, expression: str, values: Any) -> None:
    assert given.of(expression) == values


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "unexpected end of the expression"),
        ("a +", "unexpected end of the expression"),
        ("a b", "unexpected 'b' at column 3"),
        ("a ? b", r"unexpected '\?' at column 3"),
        ("(a", "unexpected end of the expression"),
        ("SUM(a", "unexpected end of the expression"),
        ("a)", r"unexpected '\)' at column 2"),
        ("'a", "unexpected ''' at column 1"),
        ("nope", "there is no query with the id nope"),
        ("NOPE(a)", "unknown function NOPE"),
        ("NOPE", "unknown word NOPE"),
        ("sum(a)", "unknown function sum"),
        ("5", "the result must be a time series"),
        ("AVG(a)", "the result must be a time series"),
        ("ABS(5)", "ABS takes a time series"),
        ("ABS(a, b)", "ABS does not take 2 arguments"),
        ("FILL(a)", "FILL does not take 1 arguments"),
        ("FILL(a, ASC)", "FILL takes a number"),
        ("SLICE([a], 0 - 1)", "SLICE takes numbers from 0 on"),
        ("SLICE([a], 1e999)", "SLICE takes numbers from 0 on"),
        ("SORT([a], AVG, ASC, LOG)", "unknown word LOG"),
        ("SEARCH('x', 'Sum', 1e999)", "SEARCH takes numbers from 0 on"),
        ("+".join(["a"] * 500), "more than 400 operators"),
        ("SORT(a, AVG, UP)", "unknown word UP"),
        ("SORT([a], ASC, DESC)", "SORT takes AVG, MIN, MAX or SUM"),
        ("METRICS(a)", "METRICS does not take these arguments"),
        ("PERIOD(a + 1)", "PERIOD takes a metric"),
        ("[a] + [b]", "two arrays"),
        ("a + 'x'", "not texts"),
        ("IF(METRICS(), a)", "IF takes numbers and single time series"),
        ("ANOMALY_DETECTION_BAND(a)", r"does not implement ANOMALY_DETECTION_BAND \(anomaly"),
        ("SERVICE_QUOTA(a)", "does not implement SERVICE_QUOTA"),
        ("SELECT AVG(x) FROM y", "does not implement Metrics Insights"),
        ("e0", "the expression depends on itself"),
        ("(" * 150 + "a" + ")" * 150, "nested too deeply"),
        ("-" * 150 + "a", "nested too deeply"),
    ],
)
def test_what_is_no_expression(expression: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=f"^Error in expression 'e0': .*{words}"):
        FULL.of(expression)


def test_expressions_use_one_another() -> None:
    sheet = FULL.sheet("a + b", "e0 * 2", "METRICS()")
    assert FULL.values(sheet.result("e1")) == [22, 44, 66]  # pyright: ignore[reportArgumentType]
    assert len(sheet.result("e2")) == 2  # pyright: ignore[reportArgumentType]
    long = FULL.sheet("a", *(f"e{i} + 1" for i in range(60)))
    with pytest.raises(ExpressionError, match="use one another in a row"):
        long.result("e60")
    assert FULL.values(long.result("e10")) == [11, 12, 13]  # pyright: ignore[reportArgumentType]


def test_a_series_without_gaps_is_not_endless() -> None:
    given = Given(a=[1])
    given.count = 10**6
    for expression in ("FILL(a, 0)", "TIME_SERIES(1)", "HOUR(a)"):
        with pytest.raises(ExpressionError, match="more than 200000 periods"):
            given.of(expression)


def test_labels_of_results() -> None:
    sheet = FULL.sheet("a + b", "METRICS()")

    def labels(query: dict[str, Any]) -> list[str]:
        return [each.label for each in labelled(query, sheet.result(query["Id"]))]

    assert labels({"Id": "a"}) == ["A"]
    assert labels({"Id": "a", "Label": "mine"}) == ["mine"]
    assert labels({"Id": "e0"}) == ["e0"]
    assert labels({"Id": "e0", "Label": "both"}) == ["both"]
    assert labels({"Id": "e1"}) == ["A", "B"]
    assert labels({"Id": "e1", "Label": "of"}) == ["of A", "of B"]


def test_a_search_is_asked_with_its_period() -> None:
    given = Given(a=[1])
    given.of("SEARCH('{n} x', 'Sum', 300)")
    given.of('SEARCH(" {n} \\"x\\" ", "Average")')
    assert given.searches == [("{n} x", "Sum", 300), (' {n} "x" ', "Average", 60)]


def test_the_ids_and_functions_of_an_expression() -> None:
    tree = parser.parse("IF(a > 1, SUM([b, -c]), FILL(d, REPEAT)) + SEARCH('x', 'Sum')")
    assert parser.names(tree) == {"a", "b", "c", "d"}
    assert parser.functions(tree) == {"IF", "SUM", "FILL", "SEARCH"}


def test_arrays_of_arrays_are_no_way_to_fill_the_memory() -> None:
    lists = ["[" + ",".join([name] * 400) + "]" for name in ("a", "e0", "e1", "e2")]
    with pytest.raises(ExpressionError, match="more than 5000000 data points"):
        FULL.sheet(*lists).result("e3")


def test_long_expressions_over_long_arrays_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_POINTS", 50_000)
    wide = "[" + ",".join(["a"] * 600) + "]"
    sheet = FULL.sheet(wide, "+".join(["0"] * 90) + "+ e0" + " + 0" * 90)
    with pytest.raises(ExpressionError, match="more than 50000 data points"):
        sheet.result("e1")
