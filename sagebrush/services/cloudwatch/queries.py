"""MetricDataQueries: checked, and read or worked out over a span of time.

Source: CloudWatch API Reference, GetMetricData and MetricDataQuery.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch import datapoints
from sagebrush.services.cloudwatch.datapoints import Source
from sagebrush.services.cloudwatch.maths import search
from sagebrush.services.cloudwatch.maths.parser import ExpressionError
from sagebrush.services.cloudwatch.maths.values import Array, Series

MOST = 500
"""Queries of a request, and metrics that a search finds, at most."""
SEARCHED = 14 * 86400.0
"""Seconds for which a metric without new points is found by a search."""
ID = "[a-z][a-zA-Z0-9_]*"


def check(account: str, queries: Sequence[Doc], where: str = "MetricDataQueries") -> None:
    """Raises AwsError for queries that are none: ids, a metric or an expression each, periods."""
    if len(queries) > MOST:
        words = f"The collection {where} must not have a size greater than {MOST}."
        raise AwsError("ValidationError", words)
    names = [query["Id"] for query in queries]
    for number, name in enumerate(names, 1):
        if not re.fullmatch(ID, name):
            raise AwsError(
                "ValidationError",
                f"The value {name} for parameter {where}.member.{number}.Id is not matching the"
                f" expected pattern ^{ID}$.",
            )
    if len(set(names)) != len(names):
        words = f"The values for parameter id in {where} must be unique."
        raise AwsError("ValidationError", words)
    for query in queries:
        if query.get("AccountId", account) != account:
            words = "AccountId: Sagebrush does not read metrics of other accounts."
            raise AwsError("ValidationError", words)
        _check_one(query)


def _check_one(query: Doc) -> None:
    if ("MetricStat" in query) == ("Expression" in query):
        both = "not both" if "MetricStat" in query else "none is there"
        raise AwsError(
            "ValidationError",
            f"Query {query['Id']} must have either MetricStat or Expression, {both}.",
        )
    if "Period" in query:
        datapoints.check_period(query["Period"])
    if "MetricStat" in query:
        stat = query["MetricStat"]
        if "Namespace" not in stat["Metric"] or "MetricName" not in stat["Metric"]:
            words = f"The Metric of query {query['Id']} must have a Namespace and a MetricName."
            raise AwsError("ValidationError", words)
        datapoints.check_period(stat["Period"])
        datapoints.check_statistic(stat["Stat"], "Stat")


@dataclass(frozen=True)
class Span:
    """The time that is asked for, in seconds since the epoch."""

    start: float
    end: float
    aligned: bool = True
    """Whether periods count from multiples of theirs; else from `start`."""

    def begin(self, period: int) -> float:
        """Where periods of that length begin."""
        return self.start // period * period if self.aligned else self.start


@dataclass(frozen=True)
class Stored:
    """Reads the metrics of one account and region (`maths.evaluation.Reader`)."""

    source: Source
    span: Span
    labels: Mapping[str, str]
    """Labels of queries, by id, where it is not the metric's name."""

    def metric(self, query: Doc) -> Series:
        """The series of a query with a MetricStat."""
        stat = query["MetricStat"]
        label = self.labels.get(query["Id"], stat["Metric"]["MetricName"])
        return self._read(stat, label)

    def _read(self, stat: Doc, label: str) -> Series:
        period = stat["Period"]
        begin = self.span.begin(period)
        found = datapoints.read(self.source, stat, begin, self.span.end)
        return Series(
            label, period, found.values, begin, self.span.end, True, found.samples, found.units
        )

    def empty(self, period: int) -> Series:
        """A series without points over the span."""
        return Series("", period, {}, self.span.begin(period), self.span.end)

    def search(self, text: str, statistic: str, period: int) -> Array:
        """The series of up to MOST metrics that the search finds, by label."""
        sought = search.parse(text)
        try:
            datapoints.check_period(period)
            datapoints.check_statistic(statistic, "Stat")
        except AwsError as error:
            raise ExpressionError(error.message) from error
        world = self.source.world
        namespace = sought.schema[0] if sought.schema else None
        every = world.series.metrics(
            self.source.account, self.source.region, namespace, None, world.clock() - SEARCHED
        )
        found = [metric for metric in every if sought.finds(metric)][:MOST]
        series = []
        for metric, label in zip(found, search.labels(found), strict=True):
            dimensions = [{"Name": k, "Value": v} for k, v in metric.dimensions.items()]
            names = {"Namespace": metric.namespace, "MetricName": metric.name}
            stat = {
                "Metric": {**names, "Dimensions": dimensions},
                "Period": period,
                "Stat": statistic,
            }
            series.append(self._read(stat, label))
        return tuple(sorted(series, key=lambda each: each.label))


def default_labels(queries: Sequence[Doc]) -> dict[str, str]:
    """The labels of metrics without one, by id: the name of the metric, with the statistic and the
    period as far as they differ between the queries of one metric."""
    groups: dict[str, list[Doc]] = {}
    for query in queries:
        if "MetricStat" in query:
            groups.setdefault(query["MetricStat"]["Metric"]["MetricName"], []).append(query)
    found = {}
    for name, group in groups.items():
        stats = {query["MetricStat"]["Stat"] for query in group}
        periods = {query["MetricStat"]["Period"] for query in group}
        for query in group:
            parts = [name]
            parts += [query["MetricStat"]["Stat"]] if len(stats) > 1 else []
            parts += [str(query["MetricStat"]["Period"])] if len(periods) > 1 else []
            found[query["Id"]] = " ".join(parts)
    return found
