"""What requests to Application Auto Scaling may not say, by themselves. Pure.

AWS's own words for most of these are not documented; the rules are (API reference; User Guide, "How
step scaling for Application Auto Scaling works").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from sagebrush.errors import Doc
from sagebrush.services.autoscaling import resources
from sagebrush.services.autoscaling.resources import Dimension, invalid

TRACKING, STEP, PREDICTIVE = "TargetTrackingScaling", "StepScaling", "PredictiveScaling"
CONFIGS = {
    TRACKING: "TargetTrackingScalingPolicyConfiguration",
    STEP: "StepScalingPolicyConfiguration",
    PREDICTIVE: "PredictiveScalingPolicyConfiguration",
}
MOST_STEPS = 20
"""Step adjustments of a policy (Application Auto Scaling quotas)."""


def check_bounds(least: int | None, most: int | None) -> None:
    """Raises ValidationException for capacities that are missing, negative or the wrong way round."""
    if least is None or most is None:
        raise invalid(
            "When registering a new scalable target, both MinCapacity and MaxCapacity are required."
        )
    if least < 0 or most < 0:
        raise invalid("Minimum capacity and maximum capacity must be greater than or equal to 0.")
    if least > most:
        raise invalid("Maximum capacity cannot be less than minimum capacity.")


def check_policy(kind: str, request: Doc, dimension: Dimension) -> None:
    """Raises ValidationException for a policy's configuration that cannot be."""
    if kind == PREDICTIVE:
        raise invalid(
            "PredictiveScaling policies are not supported for the service namespace"
            f" {dimension.namespace}."
        )
    given = [k for k, member in CONFIGS.items() if request.get(member) is not None]
    if given != [kind]:
        raise invalid(f"A {kind} policy needs {CONFIGS[kind]} and no other configuration.")
    config = request[CONFIGS[kind]]
    if kind == STEP:
        _check_steps(config)
    else:
        _check_tracking(config, request, dimension)


def _check_tracking(config: Doc, request: Doc, dimension: Dimension) -> None:
    named = [m for m in ("PredefinedMetricSpecification", "CustomizedMetricSpecification")
             if config.get(m) is not None]  # fmt: skip
    if len(named) != 1:
        raise invalid(
            "You must specify either a predefined metric specification or a customized metric"
            " specification."
        )
    value = config["TargetValue"]
    if not (math.isfinite(value) and 0 < value <= 2.0**360):
        raise invalid(f"The target value {value} must be greater than 0.")
    _check_cooldowns(config, "ScaleOutCooldown", "ScaleInCooldown")
    if "PredefinedMetricSpecification" in named:
        spec = config["PredefinedMetricSpecification"]
        resources.predefined(spec["PredefinedMetricType"], dimension.name)
        if spec.get("ResourceLabel"):
            raise invalid("ResourceLabel is only for the metric type ALBRequestCountPerTarget.")
        return
    _check_customised(config["CustomizedMetricSpecification"])


def _check_customised(spec: Doc) -> None:
    queries = spec.get("Metrics")
    if not queries:
        if not all(spec.get(m) for m in ("MetricName", "Namespace", "Statistic")):
            raise invalid(
                "A customized metric specification needs MetricName, Namespace and Statistic, or"
                " Metrics."
            )
        return
    if any(m in spec for m in ("MetricName", "Namespace", "Dimensions", "Statistic", "Unit")):
        raise invalid("A customized metric specification cannot have both Metrics and a metric.")
    ids = [query["Id"] for query in queries]
    if len(set(ids)) != len(ids):
        raise invalid("The Id of each of the Metrics must be unique.")
    if any(("Expression" in query) == ("MetricStat" in query) for query in queries):
        raise invalid("Each of the Metrics must have either Expression or MetricStat.")
    if sum(query.get("ReturnData", True) for query in queries) != 1:
        raise invalid("Exactly one of the Metrics must have ReturnData true.")


def _check_cooldowns(config: Mapping[str, int], *members: str) -> None:
    for member in members:
        if config.get(member, 0) < 0:
            raise invalid(f"{member} must be greater than or equal to 0.")


def _check_steps(config: Doc) -> None:
    _check_cooldowns(config, "Cooldown")
    steps = config.get("StepAdjustments")
    kind = config.get("AdjustmentType")
    if not kind or not steps:
        raise invalid("AdjustmentType and at least one step adjustment are required.")
    if len(steps) > MOST_STEPS:
        raise invalid(f"A step scaling policy can have at most {MOST_STEPS} step adjustments.")
    if config.get("MinAdjustmentMagnitude") is not None and kind != "PercentChangeInCapacity":
        raise invalid("MinAdjustmentMagnitude is only for PercentChangeInCapacity.")
    if config.get("MinAdjustmentMagnitude", 1) < 1:
        raise invalid("MinAdjustmentMagnitude must be greater than 0.")
    if kind == "ExactCapacity" and any(s["ScalingAdjustment"] < 0 for s in steps):
        raise invalid("For ExactCapacity the scaling adjustment must not be negative.")
    _check_intervals(steps)


def _check_intervals(steps: list[Doc]) -> None:
    """The guide's rules: no overlap, no gap, and infinity at the side that the alarm goes off."""
    bounds = [
        (s.get("MetricIntervalLowerBound", -math.inf), s.get("MetricIntervalUpperBound", math.inf))
        for s in steps
    ]
    if (-math.inf, math.inf) in bounds:
        raise invalid("At least one of the bounds of a step adjustment must be specified.")
    if any(low >= high for low, high in bounds):
        raise invalid("The upper bound of a step adjustment must be greater than its lower bound.")
    ordered = sorted(bounds)
    for (_, end), (begin, _) in itertools.pairwise(ordered):
        if begin < end:
            raise invalid("StepAdjustment intervals can't overlap.")
        if begin > end:
            raise invalid("StepAdjustment intervals can't have gaps between them.")
    if -math.inf < ordered[0][0] < 0:
        raise invalid(
            "There must be a step adjustment with an unspecified lower bound when one has a negative"
            " lower bound."
        )
    if 0 < ordered[-1][1] < math.inf:
        raise invalid(
            "There must be a step adjustment with an unspecified upper bound when one has a positive"
            " upper bound."
        )
