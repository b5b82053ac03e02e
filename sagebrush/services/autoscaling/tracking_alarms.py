"""The two alarms of a target tracking policy: documents for CloudWatch's PutMetricAlarm. Pure.

AWS does not document their numbers; those here are seen in accounts: three periods above the target
for the one that scales out, fifteen minutes below nine tenths of it for the one that scales in
("usually more than 10% lower", Application Auto Scaling User Guide).
"""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.services.autoscaling import resources

HIGH, LOW = "AlarmHigh", "AlarmLow"
HIGH_PERIODS, LOW_PERIODS = 3, 15
LOW_PERIOD = 60
LOW_SHARE = 0.9
"""The low alarm's threshold, as a share of the target."""


def alarms(config: Doc, dimension: str, resource: str, arn: str, ids: tuple[str, str]) -> list[Doc]:
    """The alarms of a policy with that TargetTrackingScalingPolicyConfiguration and ARN, the high
    one first; without scale-in there is no low one. `ids` end their names. Raises
    ValidationException for a metric of other resources."""
    target = float(config["TargetValue"])
    made = [_alarm(config, dimension, resource, arn, (HIGH, ids[0], target))]
    if not config.get("DisableScaleIn"):
        made.append(_alarm(config, dimension, resource, arn, (LOW, ids[1], target * LOW_SHARE)))
    return made


def _alarm(
    config: Doc, dimension: str, resource: str, arn: str, which: tuple[str, str, float]
) -> Doc:
    side, number, threshold = which
    high = side == HIGH
    return {
        "AlarmName": f"TargetTracking-{resource}-{side}-{number}",
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
        "ActionsEnabled": True,
        "AlarmActions": [arn],
        "EvaluationPeriods": HIGH_PERIODS if high else LOW_PERIODS,
        "Threshold": threshold,
        "ComparisonOperator": "GreaterThanThreshold" if high else "LessThanThreshold",
        **watched(config, dimension, resource, high),
    }


def watched(config: Doc, dimension: str, resource: str, high: bool) -> Doc:
    """The members of an alarm that say what it watches. Raises ValidationException."""
    predefined = config.get("PredefinedMetricSpecification")
    if predefined:
        metric = resources.predefined(predefined["PredefinedMetricType"], dimension)
        return {
            "Namespace": resources.METRICS[resources.DIMENSIONS[dimension].namespace],
            "MetricName": metric.name,
            "Dimensions": resources.metric_dimensions(dimension, resource),
            "Statistic": metric.statistic,
            "Period": metric.period if high else LOW_PERIOD,
        }
    custom = config["CustomizedMetricSpecification"]
    if custom.get("Metrics"):
        return {"Metrics": list(_queries(custom["Metrics"]))}
    return {
        "Namespace": custom["Namespace"],
        "MetricName": custom["MetricName"],
        "Dimensions": custom.get("Dimensions", []),
        "Statistic": custom["Statistic"],
        "Period": LOW_PERIOD,
        **({"Unit": custom["Unit"]} if custom.get("Unit") else {}),
    }


def _queries(given: list[Doc]) -> Iterator[Doc]:
    """The queries as CloudWatch's alarms have them: with a period."""
    for query in given:
        found = {k: v for k, v in query.items() if k != "MetricStat"}
        if "MetricStat" in query:
            found["MetricStat"] = {"Period": LOW_PERIOD, **query["MetricStat"]}
        yield {"ReturnData": True, **found}
