"""StateReason and StateReasonData of metric alarms, in AWS's words (as its answers show them)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

from sagebrush.errors import Doc
from sagebrush.services.cloudwatch.alarms.evaluation import (
    ALARM,
    INSUFFICIENT,
    Condition,
    Datapoint,
    Verdict,
)

LONGEST, MOST_DATA = 1023, 4000
"""Characters of a StateReason, and of a StateReasonData, at most."""
WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


def stamp(seconds: float) -> str:
    """`2026-01-01T00:00:00.000+0000`, as times are in CloudWatch's JSON."""
    moment = dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def reason(verdict: Verdict, condition: Condition) -> str:
    """Why the alarm is in the state of the verdict."""
    missing = [p for p in verdict.evaluated if p.value is None]
    if verdict.state == INSUFFICIENT:
        return f"Insufficient Data: {_counted(len(missing), 'datapoint')} {_was(missing)} unknown."
    alarm = verdict.state == ALARM
    shown = [
        p for p in verdict.evaluated if p.value is not None and condition.breaches(p.value) == alarm
    ]
    filled = ""
    if missing and condition.missing in ("breaching", "notBreaching"):
        way = "Breaching" if condition.missing == "breaching" else "NonBreaching"
        filled = f"{_counted(len(missing), 'missing datapoint')} {_was(missing)} treated as [{way}]"
    if not shown:
        return _without(verdict, condition, filled)
    least = condition.datapoints if alarm else condition.periods - condition.datapoints + 1
    total = f" out of the last {condition.periods} datapoints" if condition.explicit else ""
    count = f"{len(shown)}{total}" if total else _counted(len(shown), "datapoint")
    way = "" if alarm else "not "
    tail = f"{_was(shown)} {way}{WORDS[condition.operator]} the threshold ({condition.threshold})"
    if filled:
        tail += f" and {filled}"
    if condition.explicit:
        arrow = "OK -> ALARM" if alarm else "ALARM -> OK"
        tail += f" (minimum {_counted(least, 'datapoint')} for {arrow} transition)"
    head = f"Threshold Crossed: {count} ["
    room = LONGEST - len(head) - len(tail) - 3
    return f"{head}{_list(shown, room)}] {tail}."


def _without(verdict: Verdict, condition: Condition, filled: str) -> str:
    """The words where no real datapoint gave the state, but those that were filled in."""
    there = sum(p.value is not None for p in verdict.evaluated)
    counted = f"{_counted(there, 'datapoint')} {'was' if there == 1 else 'were'}"
    begin = counted if there else "no datapoints were"
    periods = _counted(condition.periods, "period")
    return f"Threshold Crossed: {begin} received for {periods} and {filled}."


def _list(points: Sequence[Datapoint], room: int) -> str:
    """`value (day/month/year hour:minute:second)` of each, as many as there is room for."""
    text = ""
    for point in points:
        at = dt.datetime.fromtimestamp(point.at, dt.UTC).strftime("%d/%m/%y %H:%M:%S")
        more = f"{', ' if text else ''}{point.value} ({at})"
        if len(text) + len(more) > room:
            break
        text += more
    return text


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _was(points: Sequence[Datapoint]) -> str:
    return "was" if len(points) == 1 else "were"


def reason_data(verdict: Verdict, doc: Doc, period: int, now: float) -> str:
    """The JSON of StateReasonData; the oldest datapoints are left out where it would be too long."""
    evaluated = list(verdict.evaluated)
    while True:
        text = json.dumps(_data(evaluated, doc, period, now), separators=(",", ":"))
        if len(text) <= MOST_DATA or not evaluated:
            return text
        evaluated = evaluated[: len(evaluated) * 3 // 4]


def _data(evaluated: Sequence[Datapoint], doc: Doc, period: int, now: float) -> Doc:
    real = [p for p in reversed(evaluated) if p.value is not None]
    statistic = doc.get("Statistic") or doc.get("ExtendedStatistic")
    return {
        "version": "1.0",
        "queryDate": stamp(now),
        **({"startDate": stamp(real[0].at)} if real else {}),
        **({"unit": doc["Unit"]} if "Unit" in doc else {}),
        **({"statistic": statistic} if statistic else {}),
        "period": period,
        "recentDatapoints": [p.value for p in real],
        "threshold": doc["Threshold"],
        "evaluatedDatapoints": [_point(p) for p in evaluated],
    }


def _point(point: Datapoint) -> Doc:
    found: Doc = {"timestamp": stamp(point.at)}
    if point.value is not None:
        if point.samples is not None:
            found["sampleCount"] = point.samples
        found["value"] = point.value
    return found
