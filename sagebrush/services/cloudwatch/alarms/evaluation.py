"""What state an alarm's datapoints give: values and configuration in, state out.

Source: CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat
missing data" (whose tables are the tests).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sagebrush.errors import Doc

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
EXTRA = 2
"""Datapoints that are retrieved beside the evaluation periods: the guide's tables retrieve 5 for 3.
AWS says that the number depends on the period and the resolution, and not how."""
MINUTE, HOUR, DAY = 60, 3600, 86400

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


@dataclass(frozen=True)
class Datapoint:
    """One period: its start in seconds since the epoch, its value (None: missing), its samples."""

    at: float
    value: float | None = None
    samples: float | None = None


@dataclass(frozen=True)
class Condition:
    """When datapoints breach, and how many must."""

    operator: str
    threshold: float
    periods: int
    """N: as many datapoints are evaluated."""
    datapoints: int
    """M: as many must breach."""
    missing: str = "missing"
    """missing, ignore, breaching or notBreaching."""
    explicit: bool = False
    """Whether M was given (the reasons are worded by it)."""
    samples: float = 0.0
    """The fewest samples that are evaluated (EvaluateLowSampleCountPercentile `ignore`)."""

    def breaches(self, value: float) -> bool:
        """Whether a datapoint of that value breaches the threshold."""
        return COMPARISONS[self.operator](value, self.threshold)


@dataclass(frozen=True)
class Verdict:
    """The state that follows (None: it stays as it is) and the datapoints that were evaluated."""

    state: str | None
    evaluated: tuple[Datapoint, ...] = ()
    """Newest first; missing ones among them were filled in."""


def evaluate(points: Sequence[Datapoint], condition: Condition) -> Verdict:
    """The state of an alarm whose evaluation range holds `points`, oldest first, one a period.

    Real datapoints are used as far as there are any, missing ones only for the rest.
    """
    newest = tuple(reversed(points))
    real = [p for p in newest if p.value is not None][: condition.periods]
    lacking = condition.periods - len(real)
    gaps = [p for p in newest if p.value is None][:lacking]
    evaluated = tuple(sorted((*real, *gaps), key=lambda p: -p.at))
    if condition.samples and real and sum(p.samples or 0 for p in real) < condition.samples:
        return Verdict(None, evaluated)
    return Verdict(_state(newest, real, lacking, condition), evaluated)


def _state(
    newest: Sequence[Datapoint], real: Sequence[Datapoint], lacking: int, condition: Condition
) -> str | None:
    breaching = sum(condition.breaches(p.value) for p in real if p.value is not None)
    if lacking and condition.missing == "breaching":
        breaching += lacking
    if breaching >= condition.datapoints:
        return ALARM
    if not lacking or condition.missing in ("breaching", "notBreaching"):
        return OK
    if breaching < len(real):
        return OK  # one that does not breach, and not enough that do
    # Only breaching ones, too few, or none at all: what was missing may have been within.
    if condition.missing == "ignore":
        return None
    if not real:
        return INSUFFICIENT
    # "Avoiding premature transitions": the oldest must have been there for M periods
    age = next(i for i, p in enumerate(reversed(newest)) if p.value is not None)
    return ALARM if len(newest) - age >= condition.datapoints else INSUFFICIENT


def condition_of(doc: Doc) -> Condition:
    """The condition of a metric alarm's document."""
    periods = doc["EvaluationPeriods"]
    default = "ignore" if doc.get("Namespace") == "AWS/DynamoDB" else "missing"
    return Condition(
        operator=doc["ComparisonOperator"],
        threshold=doc["Threshold"],
        periods=periods,
        datapoints=doc.get("DatapointsToAlarm", periods),
        missing=doc.get("TreatMissingData", default),
        explicit="DatapointsToAlarm" in doc,
        samples=_fewest(doc),
    )


def _fewest(doc: Doc) -> float:
    """The samples that a percentile needs to be significant: 10 / (1 - percentile) above the
    median, 10 / percentile below (User Guide, "Percentile-based alarms and low data samples")."""
    found = re.fullmatch(r"p(\d+(?:\.\d+)?)", doc.get("ExtendedStatistic", ""))
    if doc.get("EvaluateLowSampleCountPercentile") != "ignore" or not found:
        return 0.0
    share = float(found[1]) / 100
    edge = 1 - share if share >= 0.5 else share
    return round(10 / edge, 6) if edge > 0 else 0.0


@dataclass(frozen=True)
class Range:
    """The periods that an evaluation looks at: `count` of `period` seconds, from `start` on."""

    start: float
    period: int
    count: int

    @property
    def end(self) -> float:
        return self.start + self.period * self.count


def range_at(now: float, period: int, periods: int) -> Range:
    """The evaluation range at `now`. It ends with the last whole minute (of a high-resolution alarm:
    ten seconds), whichever period the alarm has: it slides, as AWS's reasons show."""
    step = MINUTE if period >= MINUTE else 10
    end = now // step * step
    count = periods + EXTRA
    return Range(end - count * period, period, count)


def interval(period: int, periods: int) -> int:
    """Seconds between two evaluations (User Guide, "Alarm evaluation")."""
    if period < MINUTE:
        return 10
    return HOUR if period * periods > DAY else MINUTE


def next_due(now: float, every: int, identity: int) -> float:
    """Seconds from `now` to the next evaluation, a tick of `every` seconds and then some.

    Alarms (`identity` is the row's id) are spread over the first half of the tick: many of them
    are not evaluated at one moment, and each soon after its data is complete.
    """
    phase = every * (0.05 + 0.4 * (identity * 619 % 1000) / 1000)
    return phase + every * ((now - phase) // every + 1) - now
