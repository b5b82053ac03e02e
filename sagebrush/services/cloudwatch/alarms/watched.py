"""The datapoints that a metric alarm watches: of its metric, or of its expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch import datapoints
from sagebrush.services.cloudwatch.alarms.evaluation import Datapoint, Range
from sagebrush.services.cloudwatch.datapoints import Source
from sagebrush.services.cloudwatch.maths.evaluation import Sheet
from sagebrush.services.cloudwatch.maths.parser import ExpressionError
from sagebrush.services.cloudwatch.maths.values import Array, Series
from sagebrush.services.cloudwatch.queries import Span, Stored


def period_of(doc: Doc) -> int:
    """The period of the alarm's datapoints in seconds: its own, or that of its queries."""
    if "Period" in doc:
        return doc["Period"]
    periods = [q["MetricStat"]["Period"] for q in doc["Metrics"] if "MetricStat" in q]
    return max([*periods, *(q["Period"] for q in doc["Metrics"] if "Period" in q)], default=60)


def points(source: Source, doc: Doc, within: Range) -> list[Datapoint]:
    """The alarm's datapoints, oldest first: one for each period of the range. Raises
    ValidationError where its expression can no longer be worked out."""
    if "Metrics" in doc:
        reader = Stored(source, Span(within.start, within.end, aligned=False), {})
        try:
            found = result(doc, Sheet(doc["Metrics"], reader))
        except ExpressionError as error:
            raise AwsError("ValidationError", str(error)) from error
        if not isinstance(found, Series):
            raise AwsError("ValidationError", "The expression gives more than one time series.")
        return spread(found.points, found.samples, within)
    reading = datapoints.read(source, stat_of(doc), within.start, within.end)
    return spread(reading.values, reading.samples, within)


def watched_id(doc: Doc) -> str:
    """The id of the query that the alarm watches: the one that returns data."""
    return next(query["Id"] for query in doc["Metrics"] if query.get("ReturnData", True))


def result(doc: Doc, sheet: Sheet) -> Series | Array:
    """What the alarm watches, of its queries; raises ExpressionError."""
    return sheet.result(watched_id(doc))


def stat_of(doc: Doc) -> Doc:
    """The MetricStat of an alarm on one metric."""
    names = ("Namespace", "MetricName", "Dimensions")
    return {
        "Metric": {name: doc[name] for name in names if name in doc},
        "Period": doc["Period"],
        "Stat": doc.get("Statistic") or doc["ExtendedStatistic"],
        **({"Unit": doc["Unit"]} if "Unit" in doc else {}),
    }


def spread(
    values: Mapping[float, float], samples: Mapping[float, float], within: Range
) -> list[Datapoint]:
    """A datapoint for each period of the range, missing where there is no value."""
    starts: Sequence[float] = [within.start + i * within.period for i in range(within.count)]
    return [Datapoint(at, values.get(at), samples.get(at)) for at in starts]
