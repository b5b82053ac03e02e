"""Personal data in documents: masked character by character, or replaced by its type."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.algorithms.comprehend.redaction import redact

GUIDE = (
    "Hello Paulo Santos. The latest statement for your credit card account 1111-0000-1111-0000 was"
    " mailed to 123 Any Street, Seattle, WA 98109."
)
"""The developer guide's example ("Redact PII entities"); so is the result."""


def span(begin: int, end: int, kind: str = "NAME") -> dict[str, Any]:
    return {"BeginOffset": begin, "EndOffset": end, "Type": kind, "Score": 1.0}


def of(text: str, kind: str) -> dict[str, Any]:
    begin = GUIDE.index(text)
    return span(begin, begin + len(text), kind)


FOUND = [
    of("Paulo Santos", "NAME"),
    of("1111-0000-1111-0000", "CREDIT_DEBIT_NUMBER"),
    of("123 Any Street, Seattle, WA 98109", "ADDRESS"),
]


def test_the_guides_example_is_masked_as_in_the_guide() -> None:
    assert redact(GUIDE, FOUND, {"PiiEntityTypes": ["ALL"], "MaskMode": "MASK"}) == (
        "Hello ***** ******. The latest statement for your credit card account ******************* was"
        " mailed to *** *** ******* ******** ** *****."
    )


def test_a_type_takes_the_place_of_its_entity() -> None:
    config = {"PiiEntityTypes": ["NAME"], "MaskMode": "REPLACE_WITH_PII_ENTITY_TYPE"}
    assert redact(GUIDE, FOUND, config) == GUIDE.replace("Paulo Santos", "[NAME]")


def test_the_mask_is_the_requests() -> None:
    config = {"PiiEntityTypes": ["NAME"], "MaskMode": "MASK", "MaskCharacter": "#"}
    assert redact("I am Al", [span(5, 7)], config) == "I am ##"


def test_offsets_are_code_points() -> None:
    text = "\U0001f469\u200d\U0001f4bb Zoë e\u0301 Zoë"
    begin = text.index("Zoë")
    config = {"PiiEntityTypes": ["ALL"]}
    assert redact(text, [span(begin, begin + 3)], config) == text.replace("Zoë", "***", 1)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([span(0, 4), span(2, 6)], "[NAME][NAME]gh"),
        ([span(0, 6), span(2, 4)], "[NAME]gh"),
        ([span(2, 4), span(0, 2)], "[NAME][NAME]efgh"),
        ([span(0, 2, "PIN"), span(0, 2, "SSN")], "[PIN]cdefgh"),
        ([], "abcdefgh"),
    ],
)
def test_what_overlaps_is_gone_as_a_whole(spans: list[dict[str, Any]], expected: str) -> None:
    config = {"PiiEntityTypes": ["ALL"], "MaskMode": "REPLACE_WITH_PII_ENTITY_TYPE"}
    assert redact("abcdefgh", spans, config) == expected
