"""Events by rules."""

from __future__ import annotations

import time

import pytest

from sagebrush.nlp.events import events


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("He fell in the Battle of Gettysburg in 1863.", ["Battle of Gettysburg"]),
        ("After World War II and the Vietnam War", ["World War II", "Vietnam War"]),
        ("tickets for the 2024 Summer Olympics", ["2024 Summer Olympics"]),
        ("🏆 the FIFA World Cup 2022 was won", ["FIFA World Cup 2022"]),
        ("at the Cannes Film Festival", ["Cannes Film Festival"]),
        ("Hurricane Katrina came", ["Hurricane Katrina"]),
        ("a cold war of words, a battle of wits, a world cup of coffee", []),
        ("#WorldCup and @World Cup fan", []),
        ("", []),
    ],
)
def test_names_that_say_what_they_are(text: str, names: list[str]) -> None:
    found = events(text)
    assert [text[each.begin : each.end] for each in found] == names
    assert {each.label for each in found} <= {"EVENT"}


@pytest.mark.parametrize(
    "piece", ["Battle of ", "A ", "A-", "A'", "A’", "A-A", "A of the ", "2024 ", "World Cup "]
)
def test_long_text_costs_no_more_than_its_length(piece: str) -> None:
    costs = []
    for length in (5_000, 40_000):
        text = (piece * length)[:length]
        began = time.process_time()
        events(text)
        costs.append(time.process_time() - began)
    assert costs[1] < 0.05 + 24 * costs[0], "8 times the text takes no more than 24 times the time"
