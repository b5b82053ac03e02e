"""Queries by their ids: metrics that are read, and expressions over them that are worked out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from sagebrush.errors import Doc
from sagebrush.services.cloudwatch.maths import functions, parser, values
from sagebrush.services.cloudwatch.maths.parser import ExpressionError, Tree
from sagebrush.services.cloudwatch.maths.values import Array, Series, Value

MOST_POINTS = 5_000_000
"""Points that the expressions of one request may make in all: some seconds of work."""
DEEPEST = 50
"""How many expressions may use one another in a row."""
PERIOD = 300
"""Seconds of a period where neither a query nor a metric says."""
OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
}


class Reader(Protocol):
    """What reads metrics for expressions."""

    def metric(self, query: Doc) -> Series:
        """The series of a query with a MetricStat."""
        ...

    def search(self, text: str, statistic: str, period: int) -> Array:
        """The series of the metrics that a search expression finds; raises ExpressionError."""
        ...

    def empty(self, period: int) -> Series:
        """A series without points over the time that is asked for."""
        ...


class Sheet:
    """The queries of one request; each is read or worked out once, when it is asked for."""

    def __init__(self, queries: Sequence[Doc], reader: Reader) -> None:
        self._queries = {query["Id"]: query for query in queries}
        self._reader = reader
        self._known: dict[str, Value] = {}
        self._open: list[str] = []
        self._made = 0

    def result(self, name: str) -> Series | Array:
        """The series of the query, or several. Raises ExpressionError, which says of which query."""
        value = self.value(name)
        if isinstance(value, Series | tuple):
            try:
                self._count(value)
            except ExpressionError as error:
                raise _of(name, str(error)) from error
            return value
        raise _of(name, "the result must be a time series or an array of them, not a scalar")

    def value(self, name: str) -> Value:
        """What the query gives; raises ExpressionError."""
        if name in self._known:
            return self._known[name]
        query = self._queries.get(name)
        if query is None:
            raise ExpressionError(f"there is no query with the id {name}")
        if name in self._open:
            raise _of(name, "the expression depends on itself")
        if len(self._open) >= DEEPEST:
            raise _of(name, f"more than {DEEPEST} expressions use one another in a row")
        self._open.append(name)
        try:
            found = self._worked_out(query)
        finally:
            self._open.pop()
        self._known[name] = found
        return found

    def _worked_out(self, query: Doc) -> Value:
        if "MetricStat" in query:
            return self._reader.metric(query)
        try:
            return self._of_tree(parser.parse(query["Expression"]), query)
        except ExpressionError as error:
            raise _of(query["Id"], str(error)) from error

    def _count(self, value: Value) -> Value:
        """The value, whose points are counted. Raises ExpressionError where there are too many."""
        several = value if isinstance(value, tuple) else ()
        for series in (value,) if isinstance(value, Series) else several:
            self._made += 10 + len(series.points)  # a series costs about as much by itself
            if self._made > MOST_POINTS:
                words = f"the expressions together make more than {MOST_POINTS} data points"
                raise ExpressionError(words)
        return value

    def _of_tree(self, tree: Tree, query: Doc) -> Value:
        match tree:
            case parser.Number(value):
                return value
            case parser.Text(value):
                return value
            case parser.Name(name):
                if name[:1].islower():
                    return self.value(name)
                if name in functions.WORDS:
                    return name
                raise ExpressionError(f"unknown word {name}; ids begin with a small letter")
            case parser.Negative(of):
                return self._count(values.apply(operator.mul, -1.0, self._of_tree(of, query)))
            case parser.Binary(sign, left, right):
                both = (self._of_tree(left, query), self._of_tree(right, query))
                return self._count(values.apply(OPERATORS[sign], *both))
            case parser.Listed(items):
                return self._listed([self._of_tree(item, query) for item in items])
            case parser.Call(name, arguments):
                given = [self._of_tree(argument, query) for argument in arguments]
                return self._count(self._called(name, given, query))

    def _listed(self, items: Sequence[Value]) -> Array:
        found: list[Series] = []
        for item in items:
            if isinstance(item, Series | tuple):
                self._count(item)
                found += (item,) if isinstance(item, Series) else item
            else:
                raise ExpressionError("an array holds time series")
        return tuple(found)

    def _called(self, name: str, given: Sequence[Value], query: Doc) -> Value:
        match (name, *given):
            case ("METRICS",):
                return self._metrics("")
            case ("METRICS", str(part)):
                return self._metrics(part)
            case ("TIME_SERIES", float(value)):
                series = self._reader.empty(self._period(query))
                return series.of(dict.fromkeys(series.grid(), value))
            case ("TIME_SERIES", Series() as series):
                return series
            case ("SEARCH", str(text), str(statistic)):
                return self._reader.search(text, statistic, self._period(query))
            case ("SEARCH", str(text), str(statistic), float(period)):
                return self._reader.search(text, statistic, values.whole(period, name))
            case (str(reducer), ()) if reducer in functions.OF_ARRAYS:
                return self._reader.empty(self._period(query))
            case ("METRICS" | "TIME_SERIES" | "SEARCH", *_):
                raise ExpressionError(f"{name} does not take these arguments")
            case _:
                return functions.call(name, given)

    def _metrics(self, part: str) -> Array:
        """The metrics of the request whose ids contain the text."""
        found = [
            self.value(name)
            for name, query in self._queries.items()
            if "MetricStat" in query and part in name
        ]
        return tuple(each for each in found if isinstance(each, Series))

    def _period(self, query: Doc) -> int:
        """The period of what an expression makes: its own, or that of the request's metrics."""
        periods = [q["MetricStat"]["Period"] for q in self._queries.values() if "MetricStat" in q]
        return query.get("Period") or max(periods, default=PERIOD)


def _of(name: str, words: str) -> ExpressionError:
    if words.startswith("Error in expression"):
        return ExpressionError(words)
    return ExpressionError(f"Error in expression '{name}': {words}")


def labelled(query: Doc, found: Series | Array) -> list[Series]:
    """The series under the labels that GetMetricData gives them: the query's, by default its id; of
    an array the query's and each series' own."""
    label = query.get("Label")
    if isinstance(found, Series):
        name = label if label is not None else (found.label if found.metric else query["Id"])
        return [replace(found, label=name)]
    return [replace(each, label=f"{label} {each.label}" if label else each.label) for each in found]
