"""GetMetricData: queries of metrics and expressions over them, in pages of data points.

Source: CloudWatch API Reference, GetMetricData.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch import datapoints, queries
from sagebrush.services.cloudwatch.datapoints import Source
from sagebrush.services.cloudwatch.maths.evaluation import Sheet, labelled
from sagebrush.services.cloudwatch.maths.parser import ExpressionError
from sagebrush.services.cloudwatch.maths.values import Series
from sagebrush.services.cloudwatch.queries import Span, Stored
from sagebrush.world import Ctx

_MAX_DATA = 100_800


def get_metric_data(ctx: Ctx, request: Doc) -> Doc:
    """The values of up to 500 metric queries by period, newest first unless asked otherwise.

    Raises ValidationError for queries and expressions that are none, InvalidNextToken.
    """
    start, end = request["StartTime"].timestamp(), request["EndTime"].timestamp()
    if start >= end:
        raise AwsError("ValidationError", "The parameter StartTime must be less than EndTime.")
    asked: Sequence[Doc] = request["MetricDataQueries"]
    queries.check(ctx.account, asked)
    reader = Stored(
        Source(ctx.world, ctx.account, ctx.region), Span(start, end), queries.default_labels(asked)
    )
    sheet, results = Sheet(asked, reader), []
    try:
        for query in asked:
            found = labelled(query, sheet.result(query["Id"]))  # valid even if not returned
            if query.get("ReturnData", True):
                results += [_result(query, series) for series in found]
    except ExpressionError as error:
        raise AwsError("ValidationError", str(error)) from error
    if request.get("ScanBy", "TimestampDescending") == "TimestampDescending":
        for result in results:
            result["Timestamps"].reverse()
            result["Values"].reverse()
    skip = datapoints.place_of(request.get("NextToken"))
    return _page(results, skip, request.get("MaxDatapoints", _MAX_DATA))


def _result(query: Doc, series: Series) -> Doc:
    times = sorted(series.points)
    found: Doc = {
        "Id": query["Id"],
        "Label": series.label,
        "Timestamps": [moment(at) for at in times],
        "Values": [series.points[at] for at in times],
        "StatusCode": "Complete",
    }
    if len(series.units) > 1:
        units = f"Multiple units returned: '[{', '.join(series.units)}]'"
        found["Messages"] = [{"Code": "MultipleUnits", "Value": units}]
    return found


def _page(results: list[Doc], skip: int, limit: int) -> Doc:
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
