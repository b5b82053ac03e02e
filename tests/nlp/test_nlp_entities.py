"""A tagger's names with dates, quantities and events."""

from __future__ import annotations

import pytest

from sagebrush.nlp.entities import merged
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
            "the Battle of Britain Memorial",
            [("Battle of Britain Memorial", "LOCATION")],
            [("Battle of Britain Memorial", "LOCATION")],
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
