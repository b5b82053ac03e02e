"""CloudWatch metrics: put, list, statistics and data queries.

Source: Amazon CloudWatch API Reference. Alarms and metric math are not implemented.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.store import statistics
from sagebrush.store.series import Metric, Point
from sagebrush.world import Ctx

_WEEKS_2, _HOURS_2 = 14 * 86400.0, 2 * 3600.0
_MAX_POINTS, _MAX_DATA = 1440, 100_800
_LIST_PAGE = 500
_MOST_DATA, _MOST_VALUES = 1000, 150
_HIGHEST = 2.0**360
_ID = "[a-z][a-zA-Z0-9_]*"


def put_metric_data(ctx: Ctx, request: Doc) -> None:
    """The data are stored, all or none. Raises InvalidParameterValue/Combination, Missing…"""
    namespace = request["Namespace"]
    if namespace.startswith("AWS/"):
        raise _invalid(
            "The value AWS/ for parameter Namespace is invalid. Namespaces starting with AWS/ are"
            " reserved."
        )
    now = ctx.world.clock()
    data = request.get("MetricData") or []
    if not data and not request.get("EntityMetricData"):
        raise AwsError("MissingParameter", "The parameter MetricData is required.")
    for entity in request.get("EntityMetricData") or []:
        data = data + (entity.get("MetricData") or [])
    if len(data) > _MOST_DATA:
        words = f"The collection MetricData must not have a size greater than {_MOST_DATA}."
        raise _invalid(words)
    points = [p for i, datum in enumerate(data, 1) for p in _points(namespace, datum, i, now)]
    ctx.world.series.append(ctx.account, ctx.region, points)


def _points(namespace: str, datum: Doc, number: int, now: float) -> list[Point]:
    where = f"MetricData.member.{number}"
    at = datum["Timestamp"].timestamp() if "Timestamp" in datum else now
    if at < now - _WEEKS_2 or at > now + _HOURS_2:
        raise _invalid(
            f"The value {datum['Timestamp'].isoformat()} for parameter {where}.Timestamp is invalid."
            " It must be within two weeks before and two hours after the current time."
        )
    given = [k for k in ("Value", "Values", "StatisticValues") if datum.get(k) is not None]
    if len(given) != 1:
        if not given:
            raise AwsError("MissingParameter", f"The parameter {where}.Value is required.")
        raise AwsError(
            "InvalidParameterCombination",
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive and"
            " you have specified both.",
        )
    dimensions = _dimensions(datum.get("Dimensions"))
    if len(dimensions) < len(datum.get("Dimensions") or ()):
        raise _invalid(f"The parameter {where}.Dimensions has a dimension name twice.")
    if len(datum.get("Values") or ()) > _MOST_VALUES:
        words = f"The collection {where}.Values must not have a size greater than {_MOST_VALUES}."
        raise _invalid(words)
    unit = datum.get("Unit", "None")

    def point(
        value: float, count: float = 1.0, low: float | None = None, high: float | None = None
    ) -> Point:
        for number in (value, count):
            if number != number or abs(number) > _HIGHEST:
                raise _invalid(f"The value {number} for parameter {where}.Value is invalid.")
        name = datum["MetricName"]
        return Point(namespace, name, at, value, dimensions, unit, count, low, high)

    if given == ["StatisticValues"]:
        s = datum["StatisticValues"]
        return [point(s["Sum"], s["SampleCount"], s["Minimum"], s["Maximum"])]
    if given == ["Value"]:
        return [point(datum["Value"])]
    counts = datum.get("Counts") or [1.0] * len(datum["Values"])
    if len(counts) != len(datum["Values"]):
        raise _invalid(f"The parameters {where}.Values and {where}.Counts must be of equal length.")
    pairs = zip(datum["Values"], counts, strict=True)
    return [point(v * n, n, v, v) for v, n in pairs]


def list_metrics(ctx: Ctx, request: Doc) -> Doc:
    """One page (500) of the metrics seen in the last two weeks (or three hours), by name."""
    hours = 3 if request.get("RecentlyActive") == "PT3H" else 14 * 24
    found = ctx.world.series.metrics(
        ctx.account,
        ctx.region,
        request.get("Namespace"),
        request.get("MetricName"),
        ctx.world.clock() - hours * 3600,
    )
    wanted = request.get("Dimensions") or []
    found = [m for m in found if _carries(m, wanted)]
    start = _place(request.get("NextToken"))
    page = found[start : start + _LIST_PAGE]
    result: Doc = {
        "Metrics": [
            {
                "Namespace": m.namespace,
                "MetricName": m.name,
                "Dimensions": [{"Name": k, "Value": v} for k, v in m.dimensions.items()],
            }
            for m in page
        ]
    }
    if start + _LIST_PAGE < len(found):
        result["NextToken"] = str(start + _LIST_PAGE)
    return result


def _carries(metric: Metric, wanted: Sequence[Doc]) -> bool:
    """Whether the metric has each wanted dimension (with that value, where one is given)."""
    return all(
        d["Name"] in metric.dimensions and d.get("Value") in (None, metric.dimensions[d["Name"]])
        for d in wanted
    )


def get_metric_statistics(ctx: Ctx, request: Doc) -> Doc:
    """The statistics of one metric by period, at most 1,440 periods."""
    start, end = request["StartTime"].timestamp(), request["EndTime"].timestamp()
    period = request["Period"]
    _check_window(start, end, period)
    if (end - start) / period > _MAX_POINTS:
        raise AwsError(
            "InvalidParameterCombination",
            f"You have requested up to {int((end - start) // period)} datapoints, which exceeds the"
            f" limit of {_MAX_POINTS}. You may reduce the datapoints requested by increasing Period,"
            " or decreasing the time range.",
        )
    plain, extended = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if not plain and not extended:
        raise AwsError(
            "MissingParameter", "At least one of Statistics or ExtendedStatistics is required."
        )
    for name in extended:
        _check_statistic(name, "ExtendedStatistics")
    metric = _metric(request)
    start = start // period * period
    points = _of_unit(
        ctx.world.series.query(ctx.account, ctx.region, metric, start, end), request.get("Unit")
    )
    datapoints = []
    for begin, every in statistics.bucket(points, start, period).items():
        for unit in dict.fromkeys(each.unit for each in every):  # units are not converted
            held = _of_unit(every, unit)
            point: Doc = {"Timestamp": _time(begin), "Unit": unit}
            point.update({name: statistics.compute(name, held) for name in plain})
            more = {name: statistics.compute(name, held) for name in extended}
            if more := {k: v for k, v in more.items() if v is not None}:
                point["ExtendedStatistics"] = more
            datapoints.append(point)
    return {"Label": metric.name, "Datapoints": datapoints}


def get_metric_data(ctx: Ctx, request: Doc) -> Doc:
    """The values of up to 500 metric queries by period, newest first unless asked otherwise.

    Metric math (Expression) answers ValidationError: it is not implemented.
    """
    start, end = request["StartTime"].timestamp(), request["EndTime"].timestamp()
    if start >= end:
        raise AwsError("ValidationError", "The parameter StartTime must be less than EndTime.")
    queries = request["MetricDataQueries"]
    ids = [q["Id"] for q in queries]
    for number, name in enumerate(ids, 1):
        if not re.fullmatch(_ID, name):
            raise AwsError(
                "ValidationError",
                f"The value {name} for parameter MetricDataQueries.member.{number}.Id is not"
                f" matching the expected pattern ^{_ID}$.",
            )
    if len(set(ids)) != len(ids):
        raise AwsError("ValidationError", "The values for parameter id in MetricDataQueries must be"
                       " unique.")  # fmt: skip
    results = [_run_query(ctx, q, start, end) for q in queries if q.get("ReturnData", True)]
    for query in queries:
        if not query.get("ReturnData", True) and "Expression" not in query:
            _run_query(
                ctx, query, start, end
            )  # it must be valid even if the result is not returned
    if request.get("ScanBy", "TimestampDescending") == "TimestampDescending":
        for result in results:
            result["Timestamps"].reverse()
            result["Values"].reverse()
    skip = _place(request.get("NextToken"))
    limit = request.get("MaxDatapoints", _MAX_DATA)
    return _data_page(results, skip, limit)


def _run_query(ctx: Ctx, query: Doc, start: float, end: float) -> Doc:
    if "MetricStat" not in query:
        if "Expression" in query:
            raise AwsError(
                "ValidationError",
                f"Metric maths is not implemented: Expression of query {query['Id']}.",
            )
        raise AwsError(
            "ValidationError",
            f"Query {query['Id']} must have either MetricStat or Expression.",
        )
    stat = query["MetricStat"]
    period = stat["Period"]
    _check_window(start, end, period)
    _check_statistic(stat["Stat"], "Stat")
    metric = _metric(stat["Metric"])
    first = start // period * period
    points = _of_unit(
        ctx.world.series.query(ctx.account, ctx.region, metric, first, end), stat.get("Unit")
    )
    times, values = [], []
    for begin, held in sorted(statistics.bucket(points, first, period).items()):
        value = statistics.compute(stat["Stat"], held)
        if value is not None:
            times.append(_time(begin))
            values.append(value)
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or metric.name,
        "Timestamps": times,
        "Values": values,
        "StatusCode": "Complete",
    }


def _data_page(results: list[Doc], skip: int, limit: int) -> Doc:
    """`limit` data points of all results from the `skip`th on, and the token for those after."""
    left, position = limit, 0
    page = []
    for result in results:
        size = len(result["Values"])
        begin = min(max(skip - position, 0), size)
        take = min(left, size - begin)
        cut = slice(begin, begin + take)
        position += size
        left -= take
        done = begin + take == size
        page.append(
            {
                **result,
                "Timestamps": result["Timestamps"][cut],
                "Values": result["Values"][cut],
                "StatusCode": "Complete" if done else "PartialData",
            }
        )
    reached = skip + limit - left
    return {
        "MetricDataResults": page,
        "Messages": [],
        **({"NextToken": str(reached)} if reached < position else {}),
    }


def _check_window(start: float, end: float, period: int) -> None:
    if start >= end:
        raise AwsError(
            "InvalidParameterValue",
            "The parameter StartTime must be less than the parameter EndTime.",
        )
    if period not in (1, 5, 10, 20, 30) and (period <= 0 or period % 60):
        raise _invalid(
            f"The value {period} for parameter Period is invalid. It must be 1, 5, 10, 20, 30 or a"
            " multiple of 60."
        )


def _check_statistic(name: str, parameter: str) -> None:
    if not statistics.known(name):
        raise _invalid(f"The value {name} for parameter {parameter} is not supported.")


def _metric(doc: Doc) -> Metric:
    return Metric(doc["Namespace"], doc["MetricName"], _dimensions(doc.get("Dimensions")))


def _dimensions(given: Sequence[Doc] | None) -> dict[str, str]:
    return {d["Name"]: d["Value"] for d in given or ()}


def _of_unit(points: list[Point], unit: str | None) -> list[Point]:
    return points if unit is None else [p for p in points if p.unit == unit]


def _place(token: str | None) -> int:
    if token is None:
        return 0
    if not token.isascii() or not token.isdigit():
        raise AwsError("InvalidNextToken", "Invalid NextToken")
    return int(token)


def _time(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)
