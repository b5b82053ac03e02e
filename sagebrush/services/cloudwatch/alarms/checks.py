"""What PutMetricAlarm and PutCompositeAlarm refuse, in AWS's words where they are known."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import float_text
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch import queries
from sagebrush.services.cloudwatch.alarms import watched
from sagebrush.services.cloudwatch.alarms.evaluation import COMPARISONS, DAY, HOUR, MINUTE
from sagebrush.services.cloudwatch.datapoints import Source, check_statistic
from sagebrush.services.cloudwatch.maths import parser
from sagebrush.services.cloudwatch.maths.evaluation import Sheet
from sagebrush.services.cloudwatch.maths.values import Series
from sagebrush.services.cloudwatch.queries import Span, Stored
from sagebrush.world import Ctx

WEEK = 7 * DAY
MOST_METRICS = 10
"""Metrics of an alarm on an expression (User Guide, "Alarms on math expressions")."""
MOST_TAGS = 50
_OF_ONE_METRIC = (
    "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic",
)  # fmt: skip
_MISSING = ("breaching", "notBreaching", "ignore", "missing")
_NOT_HERE: Mapping[str, str] = MappingProxyType(
    {
        "ThresholdMetricId": "alarms on anomaly detection models",
        "EvaluationCriteria": "alarms on PromQL queries",
        "EvaluationInterval": "alarms on PromQL queries",
        "WarmUpConfiguration": "warm-up periods of alarms",
        "ActionConfiguration": "the propagation of an alarm's tags",
    }
)
"""Members that are refused by name -> what Sagebrush lacks."""


def refused(message: str, code: str = "ValidationError") -> AwsError:
    """An answer of 400 with that message."""
    return AwsError(code, message)


def both(one: str, other: str) -> AwsError:
    """The refusal of two members that exclude each other, in CloudWatch's words."""
    words = f"The parameters {one} and {other} are mutually exclusive and you have specified both."
    return AwsError("InvalidParameterCombination", words)


def missing(member: str) -> AwsError:
    """The refusal of a request that lacks a member."""
    return AwsError("MissingParameter", f"The parameter {member} is required.")


def metric_alarm(ctx: Ctx, request: Doc) -> None:
    """Raises AwsError for a request to PutMetricAlarm that makes no alarm."""
    for member, what in _NOT_HERE.items():
        if member in request:
            raise refused(f"{member}: Sagebrush does not implement {what}.")
    if "WallClockWindow" in request.get("EvaluationWindow", {}):
        raise refused("EvaluationWindow: Sagebrush does not implement WallClockWindow.")
    alarm(ctx, request)
    if "Metrics" in request:
        for member in ("MetricName", *_OF_ONE_METRIC):
            if member in request:
                raise both("Metrics", member)
        metrics(ctx, request)
    else:
        _one_metric(request)
    for member in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if member not in request:
            raise missing(member)
    if not math.isfinite(request["Threshold"]):
        words = f"The value {float_text(request['Threshold'])} for parameter Threshold is invalid."
        raise refused(words, "InvalidParameterValue")
    if request["ComparisonOperator"] not in COMPARISONS:
        words = (
            "ComparisonOperator: Sagebrush does not implement alarms on anomaly detection models."
        )
        raise refused(words)
    _options(request)


def _one_metric(request: Doc) -> None:
    if "MetricName" not in request:
        raise missing("MetricName")
    for member in ("Namespace", "Period"):
        if member not in request:
            raise missing(member)
    if "Statistic" in request and "ExtendedStatistic" in request:
        raise both("Statistic", "ExtendedStatistic")
    if "Statistic" not in request and "ExtendedStatistic" not in request:
        raise missing("Statistic")
    if "ExtendedStatistic" in request:
        check_statistic(request["ExtendedStatistic"], "ExtendedStatistic")
    names = [each["Name"] for each in request.get("Dimensions", ())]
    if len(set(names)) < len(names):
        raise refused("No parameter Dimensions may have a dimension name twice.")
    period(request["Period"], request.get("EvaluationPeriods", 1))


def period(seconds: int, periods: int) -> None:
    """Raises AwsError for a period that alarms cannot have, and for too long an evaluation."""
    if seconds not in (10, 20, 30) and (seconds <= 0 or seconds % MINUTE):
        raise refused("Period must be 10, 20, 30 or a multiple of 60")
    most, words = (DAY, "a day") if seconds < HOUR else (WEEK, "7 days")
    if seconds * periods > most:
        raise refused(
            f"Metrics cannot be checked across more than {words} (EvaluationPeriods * Period must"
            f" be <= {most})."
        )


def metrics(ctx: Ctx, request: Doc) -> None:
    """Raises AwsError for Metrics that give an alarm no single time series."""
    asked = request["Metrics"]
    if not asked:
        raise refused("Metrics list must not be empty")
    queries.check(ctx.account, asked, "Metrics")
    if sum(bool(query.get("ReturnData", True)) for query in asked) != 1:
        raise refused("Exactly one element of the metrics list should return data.")
    of_metrics = [query["MetricStat"]["Period"] for query in asked if "MetricStat" in query]
    if not of_metrics:
        raise refused("The expression for an alarm must include at least one metric.")
    if len(of_metrics) > MOST_METRICS:
        raise refused(f"An alarm can use {MOST_METRICS} metrics at most.")
    if len(set(of_metrics)) > 1:
        raise refused("All metrics of an alarm must have the same Period")
    period(of_metrics[0], request.get("EvaluationPeriods", 1))
    empty = Stored(Source(ctx.world, ctx.account, ctx.region), Span(0.0, 0.0), {})
    sheet = Sheet(asked, empty)
    try:
        for query in asked:  # those that are not watched are none either where they are wrong
            sheet.value(query["Id"])
        found = watched.result(request, sheet)
    except parser.ExpressionError as error:
        raise refused(str(error)) from error
    used = [parser.parse(query["Expression"]) for query in asked if "Expression" in query]
    if any("SEARCH" in parser.functions(tree) for tree in used):
        raise refused("SEARCH is not supported on Metric Alarms.")
    if not isinstance(found, Series):
        raise refused("The expression for an alarm must give a single time series.")


def _options(request: Doc) -> None:
    periods, least = request["EvaluationPeriods"], request.get("DatapointsToAlarm")
    if least is not None and least > periods:
        raise refused("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    treat = request.get("TreatMissingData", "missing")
    if treat not in _MISSING:
        raise refused(
            f"The value {treat} for parameter TreatMissingData is not supported.",
            "InvalidParameterValue",
        )
    low = request.get("EvaluateLowSampleCountPercentile", "evaluate")
    if low not in ("evaluate", "ignore"):
        raise refused(
            f"Option {low} for parameter EvaluateLowSampleCountPercentile is not supported. Must be"
            " one of evaluate and ignore"
        )


def alarm(ctx: Ctx, request: Doc) -> None:
    """Raises AwsError for a name, actions or tags that no alarm has."""
    if re.search(r"[\x00-\x1f\x7f]", request["AlarmName"]):
        raise refused("AlarmName must not contain ASCII control characters")
    for member in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        given = request.get(member, ())
        if len(set(given)) < len(given):
            raise refused(f"{member} must not contain an action twice")
        for action in given:
            arn = Arn.parse(action)
            if arn is None:
                raise refused(f"Invalid arn syntax: {action}")
            if arn.region and arn.region != ctx.region:
                raise refused(
                    f"Invalid region {arn.region} specified. Only {ctx.region} is supported."
                )
    tags(request.get("Tags", ()))


def composite_actions(request: Doc) -> None:
    """Raises ValidationError for actions that composite alarms cannot perform (User Guide, "Create a
    composite alarm": EC2 and Auto Scaling actions)."""
    for member in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        for action in request.get(member, ()):
            arn = Arn.parse(action)
            if arn and arn.service in ("autoscaling", "automate", "swf"):
                raise refused(
                    f"Composite alarms cannot perform Auto Scaling or EC2 actions: {action}"
                )


def tags(given: list[Doc]) -> dict[str, str]:
    """The tags as a mapping; raises InvalidParameterValue for a key twice or reserved, or too
    many."""
    found = {each["Key"]: each["Value"] for each in given}
    if len(found) < len(given):
        raise refused("Duplicate tag keys are not allowed.", "InvalidParameterValue")
    for key in found:
        if key.lower().startswith("aws:"):
            words = f"Tag keys must not begin with aws: ({key})"
            raise refused(words, "InvalidParameterValue")
    if len(found) > MOST_TAGS:
        words = f"An alarm can have {MOST_TAGS} tags at most."
        raise refused(words, "InvalidParameterValue")
    return found
