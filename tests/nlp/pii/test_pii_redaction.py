"""Redaction as the asynchronous job writes it."""

from __future__ import annotations

import pytest

from sagebrush.nlp.pii import Mode, find, redact
from sagebrush.nlp.spans import Span

GUIDE = (
    "Hello Paulo Santos. The latest statement for your credit card account 1111-0000-1111-0000 was mailed to"
    " 123 Any Street, Seattle, WA 98109."
)
SPANS = find([GUIDE])[0]


def test_masked_as_in_the_guide() -> None:
    assert redact(GUIDE, SPANS, Mode.MASK) == (
        "Hello ***** ******. The latest statement for your credit card account ******************* was mailed to"
        " *** *** ******* ******** ** *****."
    )


def test_replaced_by_types() -> None:
    assert redact(GUIDE, SPANS, Mode.REPLACE_WITH_PII_ENTITY_TYPE) == (
        "Hello [NAME]. The latest statement for your credit card account [CREDIT_DEBIT_NUMBER] was mailed to [ADDRESS]."
    )


def test_only_the_types_asked_for() -> None:
    redacted = redact(GUIDE, SPANS, Mode.MASK, "#", ("NAME",))
    assert redacted == GUIDE.replace("Paulo Santos", "##### ######")


def test_code_points_count_and_spans_may_overlap() -> None:
    text = "👩🏽‍🚀 José\nÀ 👍"
    spans = [Span(5, 11, "NAME", 1.0), Span(7, 9, "ADDRESS", 1.0), Span(10, 13, "ADDRESS", 1.0)]
    assert redact(text, spans, Mode.MASK) == "👩🏽‍🚀 ****\n* *"
    assert redact(text, [], Mode.MASK) == text


@pytest.mark.parametrize("character", ["", "**", "x", "é"])
def test_characters_that_aws_does_not_take(character: str) -> None:
    with pytest.raises(ValueError, match="mask character"):
        redact(GUIDE, SPANS, Mode.MASK, character)
