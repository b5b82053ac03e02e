"""CloudWatch metrics: put, list, and the statistics of one.

Source: Amazon CloudWatch API Reference.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.aws.scalars import float_text
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch import datapoints
from sagebrush.store import statistics
from sagebrush.store.series import Metric, Point
from sagebrush.world import Ctx

_WEEKS_2, _HOURS_2 = 14 * 86400.0, 2 * 3600.0
_MAX_POINTS = 1440
_LIST_PAGE = 500
_MOST_DATA, _MOST_VALUES = 1000, 150
_HIGHEST = 2.0**360


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
    if datum.get("StorageResolution", 60) not in (1, 60):
        raise _invalid(
            f"The value {datum['StorageResolution']} for parameter {where}.StorageResolution is"
            " invalid. It must be 1 or 60."
        )
    dimensions = datapoints.dimensions_of(datum.get("Dimensions"))
    if len(dimensions) < len(datum.get("Dimensions") or ()):
        raise _invalid(f"The parameter {where}.Dimensions has a dimension name twice.")
    if len(datum.get("Values") or ()) > _MOST_VALUES:
        words = f"The collection {where}.Values must not have a size greater than {_MOST_VALUES}."
        raise _invalid(words)
    unit = datum.get("Unit", "None")

    name = datum["MetricName"]
    return [
        Point(namespace, name, at, total, dimensions, unit, count, low, high)
        for total, count, low, high in _samples(datum, given[0], where)
    ]


def _samples(datum: Doc, given: str, where: str) -> list[tuple[float, float, float, float]]:
    """The sum, number, minimum and maximum of each set of samples in a datum's member `given`."""
    if given == "Value":
        value = _number(datum["Value"], f"{where}.Value")
        return [(value, 1.0, value, value)]
    if given == "StatisticValues":
        told, within = datum["StatisticValues"], f"{where}.StatisticValues"
        total, low, high = (
            _number(told[name], f"{within}.{name}") for name in ("Sum", "Minimum", "Maximum")
        )
        return [(total, _count(told["SampleCount"], f"{within}.SampleCount"), low, high)]
    values = [_number(v, f"{where}.Values.member.{i}") for i, v in enumerate(datum["Values"], 1)]
    counts = [
        _count(n, f"{where}.Counts.member.{i}") for i, n in enumerate(datum.get("Counts") or [], 1)
    ] or [1.0] * len(values)
    if len(counts) != len(values):
        raise _invalid(f"The parameters {where}.Values and {where}.Counts must be of equal length.")
    return [(v * n, n, v, v) for v, n in zip(values, counts, strict=True)]


def _number(value: float, where: str) -> float:
    """The value, if CloudWatch takes it (API Reference, MetricDatum: -2^360 to 2^360)."""
    if not abs(value) <= _HIGHEST:  # nor NaN
        raise _invalid(f"The value {float_text(value)} for parameter {where} is invalid.")
    return value


def _count(value: float, where: str) -> float:
    """The number of samples, if there are any: statistics divide by it."""
    if not value > 0:
        raise _invalid(f"The value {float_text(value)} for parameter {where} is invalid.")
    return _number(value, where)


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
    start = datapoints.place_of(request.get("NextToken"))
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
        datapoints.check_statistic(name, "ExtendedStatistics")
    metric = datapoints.metric_of(request)
    start = start // period * period
    points = datapoints.of_unit(
        ctx.world.series.query(ctx.account, ctx.region, metric, start, end), request.get("Unit")
    )
    found = []
    for begin, every in statistics.bucket(points, start, period).items():
        for unit in dict.fromkeys(each.unit for each in every):  # units are not converted
            held = datapoints.of_unit(every, unit)
            point: Doc = {"Timestamp": moment(begin), "Unit": unit}
            point.update({name: statistics.compute(name, held) for name in plain})
            more = {name: statistics.compute(name, held) for name in extended}
            if more := {k: v for k, v in more.items() if v is not None}:
                point["ExtendedStatistics"] = more
            found.append(point)
    return {"Label": metric.name, "Datapoints": found}


def _check_window(start: float, end: float, period: int) -> None:
    if start >= end:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    datapoints.check_period(period)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)
