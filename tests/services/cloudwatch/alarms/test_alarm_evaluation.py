"""The state of an alarm: the tables of AWS's guide, M of N, samples, ranges, and times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sagebrush.services.cloudwatch.alarms import evaluation, reasons
from sagebrush.services.cloudwatch.alarms.evaluation import Condition, Datapoint, Verdict

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
OK, ALARM, NONE, KEPT = "OK", "ALARM", "INSUFFICIENT_DATA", None
THREE = Condition("GreaterThanThreshold", 3.0, 3, 3)
TWO = replace(THREE, datapoints=2, explicit=True)

# User Guide, "Configuring how CloudWatch alarms treat missing data": (points, the states for
# missing, ignore, breaching and notBreaching), newest at the right.
THREE_OF_THREE = [
    ("0 - X - X", OK, OK, OK, OK),
    ("0 - - - -", OK, OK, OK, OK),
    ("- - - - -", NONE, KEPT, ALARM, OK),
    ("0 X X - X", ALARM, ALARM, ALARM, ALARM),
    ("- - X - -", ALARM, KEPT, ALARM, OK),
]
TWO_OF_THREE = [
    ("0 - X - X", ALARM, ALARM, ALARM, ALARM),
    ("0 0 X 0 X", ALARM, ALARM, ALARM, ALARM),
    ("0 - X - -", OK, OK, ALARM, OK),
    ("- - - - 0", OK, OK, ALARM, OK),
    ("- - - X -", ALARM, KEPT, ALARM, OK),
]
# "Avoiding premature transitions to alarm state", and the rows of the guide's earlier table.
PREMATURE = [
    ("- - - - X", NONE, KEPT, ALARM, OK),
    ("- - - X -", NONE, KEPT, ALARM, OK),
    ("- - - X 0", OK, OK, OK, OK),
    ("- - X - 0", OK, OK, OK, OK),
    ("X - - - -", ALARM, KEPT, ALARM, OK),
    ("0 0 X X X", ALARM, ALARM, ALARM, ALARM),
    ("X X X X 0", OK, OK, OK, OK),
]
CASES = [
    *((THREE, points, *states) for points, *states in (*THREE_OF_THREE, *PREMATURE)),
    *((TWO, points, *states) for points, *states in TWO_OF_THREE),
]


def points(text: str) -> list[Datapoint]:
    """`0` is within a threshold of 3, `X` above it, `-` is missing; one a minute."""
    values = {"0": 1.0, "X": 5.0, "-": None}
    return [Datapoint(60.0 * i, values[mark], 1.0) for i, mark in enumerate(text.split())]


@pytest.mark.parametrize(("condition", "text", "missing", "ignore", "breaching", "within"), CASES)
def test_the_tables_of_the_guide(
    condition: Condition, text: str, missing: str, ignore: str, breaching: str, within: str
) -> None:
    found = [
        evaluation.evaluate(points(text), replace(condition, missing=way)).state
        for way in TREATMENTS
    ]
    assert found == [missing, ignore, breaching, within]


@pytest.mark.parametrize(
    ("operator", "value", "breaches"),
    [
        ("GreaterThanThreshold", 3.0, False),
        ("GreaterThanThreshold", 3.1, True),
        ("GreaterThanOrEqualToThreshold", 3.0, True),
        ("LessThanThreshold", 3.0, False),
        ("LessThanThreshold", 2.9, True),
        ("LessThanOrEqualToThreshold", 3.0, True),
    ],
)
def test_operators(operator: str, value: float, breaches: bool) -> None:
    condition = Condition(operator, 3.0, 1, 1)
    found = evaluation.evaluate([Datapoint(0.0, value)], condition).state
    assert found == (ALARM if breaches else OK)


def test_a_percentile_of_few_samples_keeps_the_state() -> None:
    doc = {
        "ExtendedStatistic": "p90",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 3.0,
        "EvaluationPeriods": 1,
        "EvaluateLowSampleCountPercentile": "ignore",
    }
    condition = evaluation.condition_of(doc)
    assert condition.samples == 100  # 10 / (1 - 0.9)
    few, enough = [Datapoint(0.0, 5.0, 99.0)], [Datapoint(0.0, 5.0, 100.0)]
    assert evaluation.evaluate(few, condition).state is None
    assert evaluation.evaluate(enough, condition).state == ALARM
    low = evaluation.condition_of({**doc, "ExtendedStatistic": "p10"})
    assert low.samples == 100
    plain = {**doc, "EvaluateLowSampleCountPercentile": "evaluate"}
    assert evaluation.evaluate(few, evaluation.condition_of(plain)).state == ALARM


def test_metrics_of_dynamodb_ignore_what_is_missing() -> None:
    doc = {"ComparisonOperator": "LessThanThreshold", "Threshold": 1.0, "EvaluationPeriods": 1}
    assert evaluation.condition_of(doc).missing == "missing"
    assert evaluation.condition_of({**doc, "Namespace": "AWS/DynamoDB"}).missing == "ignore"


def test_the_range_ends_with_the_last_whole_minute() -> None:
    found = evaluation.range_at(1_000_000_059.0, 300, 2)  # 01:47:39 UTC
    assert (found.end, found.count) == (1_000_000_020.0, 4)
    assert found.start == found.end - 4 * 300
    high = evaluation.range_at(1_000_000_059.0, 30, 1)
    assert (high.end, high.count) == (1_000_000_050.0, 3)


def test_alarms_are_evaluated_by_the_minute_and_spread_within_it() -> None:
    assert evaluation.interval(10, 3) == 10
    assert evaluation.interval(300, 3) == 60
    assert evaluation.interval(86400, 2) == 3600
    phases = set()
    for identity in range(100):
        now = 1_000_000_000.0 + identity
        due = now + evaluation.next_due(now, 60, identity)
        assert now < due <= now + 60
        after = due + evaluation.next_due(due, 60, identity)
        assert after - due == pytest.approx(60)
        phases.add(round(due % 60, 3))
    assert len(phases) == 100
    assert max(phases) < 28


# -- reasons, in AWS's words (as alarms' histories show them)


def said(text: str, condition: Condition) -> str:
    return reasons.reason(evaluation.evaluate(points(text), condition), condition)


BREACHING = replace(THREE, missing="breaching")


@pytest.mark.parametrize(
    ("text", "condition", "words"),
    [
        (
            "0 0 X",
            Condition("GreaterThanThreshold", 3.0, 1, 1),
            "Threshold Crossed: 1 datapoint [5.0 (01/01/70 00:02:00)] was greater than the threshold"
            " (3.0).",
        ),
        (
            "X X X",
            THREE,
            "Threshold Crossed: 3 datapoints [5.0 (01/01/70 00:02:00), 5.0 (01/01/70 00:01:00), 5.0"
            " (01/01/70 00:00:00)] were greater than the threshold (3.0).",
        ),
        (
            "X X 0",
            THREE,
            "Threshold Crossed: 1 datapoint [1.0 (01/01/70 00:02:00)] was not greater than the"
            " threshold (3.0).",
        ),
        (
            "0 X X",
            TWO,
            "Threshold Crossed: 2 out of the last 3 datapoints [5.0 (01/01/70 00:02:00), 5.0"
            " (01/01/70 00:01:00)] were greater than the threshold (3.0) (minimum 2 datapoints for"
            " OK -> ALARM transition).",
        ),
        (
            "X 0 0",
            replace(TWO, datapoints=3),
            "Threshold Crossed: 2 out of the last 3 datapoints [1.0 (01/01/70 00:02:00), 1.0"
            " (01/01/70 00:01:00)] were not greater than the threshold (3.0) (minimum 1 datapoint"
            " for ALARM -> OK transition).",
        ),
        ("- - -", THREE, "Insufficient Data: 3 datapoints were unknown."),
        (
            "- - -",
            BREACHING,
            "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints"
            " were treated as [Breaching].",
        ),
        (
            "-",
            Condition("GreaterThanThreshold", 3.0, 1, 1, "notBreaching"),
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was"
            " treated as [NonBreaching].",
        ),
        (
            "- - 0",
            BREACHING,
            "Threshold Crossed: 1 datapoint [1.0 (01/01/70 00:02:00)] was not greater than the"
            " threshold (3.0) and 2 missing datapoints were treated as [Breaching].",
        ),
        (
            "- - 0",
            replace(TWO, explicit=False, missing="breaching"),
            "Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were"
            " treated as [Breaching].",
        ),
        (
            "- - X",
            replace(TWO, datapoints=1, missing="notBreaching"),
            "Threshold Crossed: 1 out of the last 3 datapoints [5.0 (01/01/70 00:02:00)] was greater"
            " than the threshold (3.0) and 2 missing datapoints were treated as [NonBreaching]"
            " (minimum 1 datapoint for OK -> ALARM transition).",
        ),
    ],
)
def test_reasons(text: str, condition: Condition, words: str) -> None:
    assert said(text, condition) == words


def test_the_reason_data_shows_what_was_evaluated() -> None:
    verdict = evaluation.evaluate(points("0 - X"), replace(TWO, missing="breaching"))
    doc = {"Threshold": 3.0, "Statistic": "Average", "Unit": "Seconds"}
    assert reasons.reason_data(verdict, doc, 60, 180.5) == (
        '{"version":"1.0","queryDate":"1970-01-01T00:03:00.500+0000",'
        '"startDate":"1970-01-01T00:00:00.000+0000","unit":"Seconds","statistic":"Average",'
        '"period":60,"recentDatapoints":[1.0,5.0],"threshold":3.0,"evaluatedDatapoints":['
        '{"timestamp":"1970-01-01T00:02:00.000+0000","sampleCount":1.0,"value":5.0},'
        '{"timestamp":"1970-01-01T00:01:00.000+0000"},'
        '{"timestamp":"1970-01-01T00:00:00.000+0000","sampleCount":1.0,"value":1.0}]}'
    )


def test_long_ranges_fit_the_shapes() -> None:
    many = tuple(Datapoint(60.0 * i, 5.0 + i / 3) for i in reversed(range(1440)))
    condition = Condition("GreaterThanThreshold", 3.0, 1440, 1440)
    verdict = Verdict(ALARM, many)
    assert len(reasons.reason(verdict, condition)) <= reasons.LONGEST
    data = reasons.reason_data(verdict, {"Threshold": 3.0, "Statistic": "Sum"}, 60, 0.0)
    assert len(data) <= reasons.MOST_DATA
