"""The rules of composite alarms: what they mean, what is none."""

from __future__ import annotations

import pytest

from sagebrush.services.cloudwatch.alarms import rule

STATES = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA", "with space": "ALARM", "arn:x": "OK"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("TRUE", True),
        ("false", False),
        ("ALARM(a)", True),
        ('ALARM("a")', True),
        ('ALARM("with space")', True),
        ("ALARM( with space )", True),
        ("OK(arn:x)", True),
        ("INSUFFICIENT_DATA(c)", True),
        ("ALARM(b)", False),
        ("NOT ALARM(b)", True),
        ("NOT NOT ALARM(b)", False),
        ("ALARM(a) AND ALARM(b)", False),
        ("ALARM(a) OR ALARM(b)", True),
        ("ALARM(b) AND ALARM(b) OR ALARM(a)", True),
        ("ALARM(b) AND (ALARM(b) OR ALARM(a))", False),
        ("ALARM(a) AND NOT ALARM(b)", True),
        ("(ALARM(a) OR ALARM(c)) AND OK(b)", True),
        ("NOT (ALARM(a) AND OK(b))", False),
        ("AT_LEAST(1, ALARM, (a, b, c))", True),
        ("AT_LEAST(2, ALARM, (a, b, c))", False),
        ('AT_LEAST(2, NOT ALARM, (a, "b", c))', True),
        ("AT_LEAST(50%, ALARM, (a, b))", True),
        ("AT_LEAST(50%, ALARM, (a, b, c))", False),
        ("TRUE AND\n  ALARM(a)", True),
    ],
)
def test_what_a_rule_means(text: str, holds: bool) -> None:
    assert rule.holds(rule.parse(text), STATES.__getitem__) is holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must not contain leading or trailing whitespace or be null"),
        (" ALARM(a)", "must not contain leading or trailing whitespace or be null"),
        ("ALARM", "ends too early"),
        ("ALARM(", "ends too early"),
        ("ALARM()", "position 6"),
        ('ALARM("a)', "position 6"),
        ("ALARM(a) ALARM(b)", "position 9: unexpected 'ALARM(b)'"),
        ("ALARM(a) AND", "ends too early"),
        ("(ALARM(a)", "ends too early"),
        ("ALARM(a))", "position 8"),
        ("BROKEN(a)", "position 0"),
        ("AT_LEAST(ALARM, (a))", "position 9"),
        ("AT_LEAST(3, ALARM, (a))", "more than it lists"),
        ("AT_LEAST(1, BAD, (a))", "unexpected"),
        ("(" * 200 + "TRUE" + ")" * 200, "nested too deeply"),
        ("NOT " * 200 + "TRUE", "nested too deeply"),
        (" OR ".join(f"ALARM(a{i})" for i in range(101)), "more than 100 alarms"),
        (" OR ".join(["TRUE"] * 501), "more than 500 elements"),
    ],
)
def test_what_is_no_rule(text: str, words: str) -> None:
    with pytest.raises(rule.RuleError, match=words.replace("(", r"\(").replace(")", r"\)")):
        rule.parse(text)


def test_the_alarms_of_a_rule() -> None:
    found = rule.parse('ALARM(a) OR AT_LEAST(1, OK, (b, "c d")) AND NOT OK(a) OR TRUE')
    assert list(rule.alarms(found)) == ["a", "b", "c d", "a"]


def test_a_number_beyond_all_numbers_is_no_rule() -> None:
    with pytest.raises(rule.RuleError, match="position 9"):
        rule.parse(f"AT_LEAST({'9' * 5000}, ALARM, (a))")
