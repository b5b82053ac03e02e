"""A tagger's names with dates, quantities and events."""

from __future__ import annotations

import pytest

from sagebrush.nlp.entities import kept, merged
from sagebrush.nlp.spans import Span


def told(text: str, spans: list[Span]) -> list[tuple[str, str]]:
    return [(text[each.begin : each.end], each.label) for each in spans]


def place(text: str, part: str, label: str) -> Span:
    return Span(text.index(part), text.index(part) + len(part), label, 0.8)


@pytest.mark.parametrize(
    ("text", "tagger", "all_together"),
    [
        (
            "Ada called on Tuesday",
            [("Ada", "PERSON")],
            [("Ada", "PERSON"), ("Tuesday", "DATE")],
        ),
        (
            "see on 4 July 2019 there",
            [("July", "PERSON")],
            [("4 July 2019", "DATE")],
        ),
        (
            "the Immigration Act of 1924 passed",
            [("Immigration Act of 1924", "TITLE")],
            [("Immigration Act of 1924", "TITLE")],
        ),
        (
            "in World War II",
            [("World War", "TITLE")],
            [("World War II", "EVENT")],
        ),
        (
            "at the 2022 FIFA World Cup",
            [("FIFA World Cup", "EVENT")],
            [("2022 FIFA World Cup", "EVENT")],
        ),
        (
            "the Battle of Britain Memorial",
            [("Battle of Britain Memorial", "LOCATION")],
            [("Battle of Britain Memorial", "LOCATION")],
        ),
        (
            "maria@example.com, 206-555-0100, 1111-0000-1111-0008 and www.example.org/2019",
            [("maria", "PERSON"), ("example.org", "ORGANIZATION")],
            [
                ("maria@example.com", "OTHER"),
                ("206-555-0100", "OTHER"),
                ("www.example.org/2019", "OTHER"),
            ],
        ),
        (
            "he paid 500 dollars for 30 Seconds to Mars",
            [("30 Seconds to Mars", "ORGANIZATION")],
            [("500 dollars", "QUANTITY"), ("30 Seconds to Mars", "ORGANIZATION")],
        ),
    ],
)
def test_names_dates_quantities_and_events_do_not_overlap(
    text: str, tagger: list[tuple[str, str]], all_together: list[tuple[str, str]]
) -> None:
    found = merged(text, [place(text, part, label) for part, label in tagger])
    assert told(text, found) == all_together


@pytest.mark.parametrize(
    ("text", "part", "label", "score", "left"),
    [
        ("Hello Zhang Wei. Your", "Zhang Wei.", "PERSON", 0.6, "Zhang Wei"),
        ("and Sammy Davis Jr. sang", "Sammy Davis Jr.", "PERSON", 0.6, "Sammy Davis Jr."),
        ("in Washington D.C. today", "Washington D.C.", "LOCATION", 0.6, "Washington D.C."),
        ("by Acme Ltd. and", "Acme Ltd.", "ORGANIZATION", 0.6, "Acme Ltd."),
        ("card 1111-0000", "1111-0000", "LOCATION", 0.9, ""),
        ("hi @ kim", "@", "PERSON", 0.9, "@"),
        ("the Bake Off", "Bake Off", "EVENT", 0.4, ""),
        ("the Bake Off", "Bake Off", "EVENT", 0.6, "Bake Off"),
        ("the Bake Off", "Bake Off", "TITLE", 0.4, "Bake Off"),
        ("The family is happy", "The", "TITLE", 0.9, ""),
        ("They read It", "It", "TITLE", 0.9, ""),
        ("the IT of the WHO", "IT", "ORGANIZATION", 0.9, "IT"),
    ],
)
def test_what_is_told_of_a_taggers_names(
    text: str, part: str, label: str, score: float, left: str
) -> None:
    begin = text.index(part)
    found = kept(text, [Span(begin, begin + len(part), label, score)])
    assert "".join(text[each.begin : each.end] for each in found) == left


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.7, [("Super Bowl LVII", "EVENT")]),
        (0.9, [("LVII", "ORGANIZATION")]),
    ],
)
def test_an_event_by_rule_replaces_what_is_doubtful(
    score: float, expected: list[tuple[str, str]]
) -> None:
    text = "Super Bowl LVII"
    assert told(text, merged(text, [Span(11, 15, "ORGANIZATION", score)])) == expected


@pytest.mark.parametrize(
    ("text", "label", "expected"),
    [
        ("Dr.", "PERSON", []),
        ("Mr", "PERSON", []),
        ("Mr. Johnson", "PERSON", [("Mr. Johnson", "PERSON")]),
        ("CEO", "ORGANIZATION", []),
        ("IBM", "ORGANIZATION", [("IBM", "ORGANIZATION")]),
        ("Q3", "ORGANIZATION", [("Q3", "DATE")]),
        ("Q5", "ORGANIZATION", [("Q5", "ORGANIZATION")]),
        ("'Bob", "PERSON", [("Bob", "PERSON")]),
    ],
)
def test_what_is_no_name(text: str, label: str, expected: list[tuple[str, str]]) -> None:
    assert told(text, kept(text, [Span(0, len(text), label, 0.9)])) == expected


@pytest.mark.parametrize(
    ("text", "name", "label", "expected"),
    [
        ("Google's new phone", "Google's", "ORGANIZATION", "Google"),
        ("NAC’s program", "NAC’s", "ORGANIZATION", "NAC"),
        ("a McDonald's there", "McDonald's", "ORGANIZATION", "McDonald's"),
        ("Joe's house", "Joe's", "PERSON", "Joe"),
        ("Schindler's", "Schindler's", "TITLE", "Schindler's"),
    ],
)
def test_what_owns_is_named_without_its_ending(
    text: str, name: str, label: str, expected: str
) -> None:
    assert told(text, kept(text, [place(text, name, label)])) == [(expected, label)]


@pytest.mark.parametrize(
    ("text", "tagger", "expected"),
    [
        (
            "Amazon.com, Inc. is big",
            [("Amazon.com", "ORGANIZATION"), ("Inc.", "ORGANIZATION")],
            [("Amazon.com, Inc.", "ORGANIZATION")],
        ),
        ("by Booking.com", [("Booking.com", "ORGANIZATION")], [("Booking.com", "ORGANIZATION")]),
        ("see Booking.com", [], [("Booking.com", "OTHER")]),
        ("see example.org", [("example", "ORGANIZATION")], [("example.org", "OTHER")]),
    ],
)
def test_a_company_may_be_named_by_its_domain(
    text: str, tagger: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    found = merged(text, [place(text, part, label) for part, label in tagger])
    assert told(text, found) == expected


@pytest.mark.parametrize(
    ("text", "name", "label", "expected"),
    [
        ("sold 10 million Galaxy phones", "Galaxy", "COMMERCIAL_ITEM", ["10 million", "Galaxy"]),
        ("12 Angry Men won", "Angry Men", "TITLE", ["Angry Men"]),
        ("the iPhone 7 came", "iPhone 7", "COMMERCIAL_ITEM", ["iPhone 7"]),
    ],
)
def test_a_number_counts_what_a_name_follows(
    text: str, name: str, label: str, expected: list[str]
) -> None:
    assert [words for words, _ in told(text, merged(text, [place(text, name, label)]))] == expected
