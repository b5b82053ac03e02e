"""Quantities in English text, as Amazon Comprehend marks them."""

from __future__ import annotations

import pytest

from sagebrush.nlp.grammar import dates, quantities
from sagebrush.nlp.spans import Span


def found(text: str) -> list[str]:
    return [text[span.begin : span.end] for span in quantities(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Published answers of the service.
        ("a minimum payment of $24.53 that is due by July 31st", ["$24.53"]),
        ("we reduced it by around 60% then", ["around 60%"]),
        ("complete within a period of less than two years", ["less than two years"]),
        ("the 44th president", ["44th president"]),
        ("upon 10 days written notice", ["10 days"]),
        ("on the FIRST day of every month", ["FIRST day", "every month"]),
        ("2. In order to", ["2"]),
        # Currency, percentages, numbers, bytes.
        ("£59.5 million, USD 1,000 or 1000 EUR", ["£59.5 million", "USD 1,000", "1000 EUR"]),
        ("5 to 10 percent; 16%; 0.5 per cent", ["5 to 10 percent", "16%", "0.5 per cent"]),
        ("5 GB of 512 bytes", ["5 GB", "512 bytes"]),
        ("7,000 m3/s along 8 km (5.0 mi)", ["7,000 m3/s", "8 km", "5.0 mi"]),
        ("more than 50 countries and 12 apples", ["more than 50 countries", "12 apples"]),
        (
            "over half a million, millions of dollars",
            ["over half a million", "millions of dollars"],
        ),
        (
            "60 miles per hour, 20 minutes per day, twice a week",
            ["60 miles per hour", "20 minutes per day", "twice a week"],
        ),
        ("a dozen eggs at -5 °C", ["a dozen eggs", "-5 °C"]),
        ("one of the best in one week", ["one", "one week"]),
        ("for $69B, about $3T or €3M–€5M; $20 bills", ["$69B", "about $3T", "€3M–€5M", "$20"]),
        ("it took 30 seconds before they came", ["30 seconds"]),
        ("return 10 items in (10) days", ["10 items", "10"]),
    ],
)
def test_quantities(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1313 Mockingbird Lane",
        "Windows 10, page 5, No. 7, room 12, #15",
        "call 206-555-0100 or 1111-0000-1111-0000",
        "10.0.0.1 and v1.2.3",
        "no one, the one; at first",
        "in 2012 on July 4th at 5:00",
        "1 1 1 1 1 1 1",
        "",
    ],
)
def test_no_quantities(text: str) -> None:
    assert found(text) == []


def test_known_dates_are_not_sought_again() -> None:
    text = "5 million in 2012"
    assert quantities(text, dates(text)) == quantities(text)
    assert quantities(text, [Span(0, len(text), "DATE", 1.0)]) == []


@pytest.mark.parametrize(
    "text", ["👩🏽‍🚀 5 kg 👍🏿", "\u202bשלום 5 kg مرحبا", "é́ 5 kg\r\n", "İ 5 kg"]
)
def test_offsets_are_code_points(text: str) -> None:
    (span,) = quantities(text)
    assert text[span.begin : span.end] == "5 kg"


@pytest.mark.parametrize(
    "text",
    [
        "if x == 0: return 10\nfor i in range(0, 10): print(i)",
        "the default is `10`",
        "lives at Hauptstr. 5a, 10115 Berlin",
        "Office\n10115 Berlin",
        "expires 09/27",
    ],
)
def test_numbers_of_code_and_addresses_and_dates_are_no_quantities(text: str) -> None:
    assert found(text) == []
