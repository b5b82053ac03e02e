"""What PutMetricAlarm and PutCompositeAlarm refuse, in AWS's words where they are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch.alarms.evaluation import COMPARISONS, DAY, HOUR, MINUTE
from sagebrush.services.cloudwatch.datapoints import check_statistic
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
    """Raises AwsError for a request to PutMetricAlarm that makes no alarm, but for its Metrics."""
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
    else:
        _one_metric(request)
    for member in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if member not in request:
            raise missing(member)
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
