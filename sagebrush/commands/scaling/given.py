"""What a simulation is given: traffic out of a file, policies out of a file or of a running server."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sagebrush.aws.scalars import json_of
from sagebrush.commands.running import CommandError
from sagebrush.commands.scaling.simulation import MODELLED, Rule, Traffic
from sagebrush.errors import AwsError
from sagebrush.services.autoscaling import checks, resources, tracking_alarms
from sagebrush.services.autoscaling.checks import CONFIGS, STEP, TRACKING

Doc = dict[str, Any]
MINUTE = 60.0
LONGEST = 366 * 86400
"""Seconds that are replayed at most."""
RESOURCES = {
    resources.INSTANCES: "endpoint/simulated/variant/simulated",
    resources.COPIES: "inference-component/simulated",
    resources.CONCURRENCY: "endpoint/simulated/variant/simulated",
}


# Traffic ------------------------------------------------------------------------------------------


def traffic_of(path: Path) -> Traffic:
    """The traffic in a CSV of time and requests: lines `time,requests`, with or without a head.

    A time is ISO 8601 (UTC unless it says another), seconds since the epoch, or hh:mm of one day. A
    line's requests are those until the next line's time. Raises CommandError.
    """
    try:
        with path.open(newline="") as file:
            lines = [line for line in csv.reader(file) if line and not line[0].startswith("#")]
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path}: {error}") from error
    if lines and _time(lines[0][0]) is None:
        lines = lines[1:]
    found = [_pair(path, number, line) for number, line in enumerate(lines, 1)]
    if len(found) < 2:
        raise CommandError(f"{path}: at least two lines of time and requests are needed")
    if any(a >= b for (a, _), (b, _) in itertools.pairwise(found)):
        raise CommandError(f"{path}: the times must ascend")
    return spread(found)


def _pair(path: Path, number: int, line: Sequence[str]) -> tuple[float, float]:
    time = _time(line[0])
    try:
        requests = float(line[1])
    except (ValueError, IndexError):
        requests = math.nan
    if time is None or not requests >= 0 or math.isinf(requests):
        raise CommandError(f"{path}, line {number}: {','.join(line)!r} is not a time and a number")
    return time, requests


def _time(text: str) -> float | None:
    text = text.strip()
    try:
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        if len(text) <= 8 and ":" in text:
            clock = dt.time.fromisoformat(text.zfill(5))
            return clock.hour * 3600.0 + clock.minute * 60.0 + clock.second
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()


def spread(pairs: Sequence[tuple[float, float]]) -> Traffic:
    """The requests of each span, spread evenly over its minutes; the last span is as long as the one
    before. Raises CommandError."""
    ends = [*(at for at, _ in pairs[1:]), 2 * pairs[-1][0] - pairs[-2][0]]
    start = math.floor(pairs[0][0] / MINUTE) * MINUTE
    if ends[-1] - start > LONGEST:
        raise CommandError("more than a year of traffic cannot be replayed")
    counts = [0.0] * max(1, math.ceil((ends[-1] - start) / MINUTE))
    for (begin, requests), end in zip(pairs, ends, strict=True):
        first, last = int((begin - start) // MINUTE), math.ceil((end - start) / MINUTE)
        for minute in range(first, last):
            at = start + minute * MINUTE
            inside = min(end, at + MINUTE) - max(begin, at)
            counts[minute] += requests * inside / (end - begin)
    return Traffic(start, MINUTE, tuple(counts))


def of_minutes(points: Iterable[tuple[float, float]], start: float, end: float) -> Traffic:
    """Traffic out of datapoints of whole minutes; those that are missing had no requests."""
    begin = math.floor(start / MINUTE) * MINUTE
    counts = [0.0] * max(1, math.ceil((end - begin) / MINUTE))
    for at, value in points:
        place = int((at - begin) // MINUTE)
        if 0 <= place < len(counts):
            counts[place] += value
    return Traffic(begin, MINUTE, tuple(counts))


# Policies -----------------------------------------------------------------------------------------


def scaling_of(path: Path) -> Doc:
    """What a JSON file says: `policies` (rules), `MinCapacity` and `MaxCapacity` where it has them,
    and `actions` (scheduled ones).

    It holds a TargetTrackingScalingPolicyConfiguration, a request of PutScalingPolicy (of step
    scaling with its `Alarms`, as PutMetricAlarm takes them), a list of them, or all of it with the
    bounds: {"MinCapacity": 1, "MaxCapacity": 4, "Policies": […], "ScheduledActions": […]}. Raises
    CommandError.
    """
    try:
        found = json_of(path.read_text())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from error
    whole = found if isinstance(found, dict) and "Policies" in found else {"Policies": found}
    given = whole["Policies"] if isinstance(whole["Policies"], list) else [whole["Policies"]]
    if not all(isinstance(each, dict) for each in given):
        raise CommandError(f"{path}: it holds no policy in AWS's form")
    rules = tuple(rule(each, f"policy-{number}") for number, each in enumerate(given, 1))
    now = dt.datetime.fromtimestamp(0, dt.UTC)
    actions = [{"CreationTime": now, **_times(a)} for a in whole.get("ScheduledActions", ())]
    bounds = {m: whole[m] for m in ("MinCapacity", "MaxCapacity") if m in whole}
    return {"policies": rules, "actions": tuple(actions), **bounds}


def _times(action: Doc) -> Doc:
    moments = {m: dt.datetime.fromisoformat(action[m]) for m in ("StartTime", "EndTime")
               if m in action}  # fmt: skip
    return {**action, **moments}


def rule(given: Doc, name: str) -> Rule:
    """The policy of one document. Raises CommandError for one that AWS would refuse, or whose metric
    no simulation knows."""
    if "TargetValue" in given:
        given = {"PolicyType": TRACKING, CONFIGS[TRACKING]: given}
    kind = given.get("PolicyType") or (STEP if CONFIGS[STEP] in given else TRACKING)
    name = given.get("PolicyName", name)
    dimension = given.get("ScalableDimension") or _dimension(given)
    try:
        checks.check_policy(kind, given, resources.dimension_of("sagemaker", dimension))
        config = given[CONFIGS[kind]]
        alarms = _alarms(given, kind, dimension, name)
    except (AwsError, KeyError, TypeError) as error:
        raise CommandError(f"{name}: {getattr(error, 'message', error)}") from error
    for alarm in alarms:
        if alarm.get("MetricName") not in MODELLED:
            what = alarm.get("MetricName") or "metric maths"
            raise CommandError(
                f"{name}: {what} cannot be simulated out of traffic; known are"
                f" {', '.join(MODELLED)}"
            )
    return Rule(name, kind, config, tuple(alarms))


def _alarms(given: Doc, kind: str, dimension: str, name: str) -> list[Doc]:
    if kind == TRACKING:
        where = RESOURCES[dimension]
        made = tracking_alarms.alarms(given[CONFIGS[kind]], dimension, where, name, ("1", "2"))
        return [{**a, "AlarmName": f"{name}-{side}"} for a, side in zip(
            made, (tracking_alarms.HIGH, tracking_alarms.LOW), strict=False)]  # fmt: skip
    alarms = given.get("Alarms") or []
    needed = ("Threshold", "ComparisonOperator", "MetricName")
    if not alarms or not all(m in alarm for alarm in alarms for m in needed):
        raise CommandError(
            f"{name}: a step scaling policy needs its Alarms beside it, each with"
            f" {', '.join(needed)}"
        )
    defaults: Doc = {"Period": 60, "EvaluationPeriods": 1, "Statistic": "Average"}
    return [{"AlarmName": f"{name}-{n}", **defaults, **a} for n, a in enumerate(alarms, 1)]


def _dimension(given: Doc) -> str:
    spec = given.get(CONFIGS[TRACKING], {}).get("PredefinedMetricSpecification", {})
    metric = resources.PREDEFINED.get(spec.get("PredefinedMetricType", ""))
    return metric.dimensions[0] if metric else resources.INSTANCES
