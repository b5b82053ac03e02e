"""Mentions of one entity are one group, others are not."""

from __future__ import annotations

import pytest

from sagebrush.nlp import mentions
from sagebrush.nlp.spans import Span


def spans(text: str, *named: tuple[str, str]) -> list[Span]:
    """Spans of these words, each looked for after the one before it."""
    found, at = list[Span](), 0
    for words, label in named:
        begin = text.index(words, at)
        at = begin + len(words)
        found.append(Span(begin, at, label, 0.9))
    return found


@pytest.mark.parametrize(
    ("text", "named", "expected"),
    [
        (
            "Merkel spoke. Angela Merkel left Berlin; MERKEL returned to Berlin.",
            [("Merkel", "PERSON"), ("Angela Merkel", "PERSON"), ("Berlin", "LOCATION"),
             ("MERKEL", "PERSON"), ("Berlin", "LOCATION")],
            [["Merkel", "Angela Merkel*", "MERKEL"], ["Berlin*", "Berlin*"]],
        ),
        (
            "Jordan is in Jordan.",
            [("Jordan", "PERSON"), ("Jordan", "LOCATION")],
            [["Jordan*"], ["Jordan*"]],
        ),
        (
            "New York Times, New York and York",
            [("New York Times", "ORGANIZATION"), ("New York", "LOCATION"), ("York", "LOCATION")],
            [["New York Times*"], ["New York*", "York"]],
        ),
        ("12 apples, 2 apples", [("12 apples", "QUANTITY"), ("2 apples", "QUANTITY")],
         [["12 apples*"], ["2 apples*"]]),
        ("👍🏽 and 👍🏽", [("👍🏽", "OTHER"), ("👍🏽", "OTHER")], [["👍🏽*"], ["👍🏽*"]]),
        ("nobody", [], []),
    ],
)  # fmt: skip
def test_groups(text: str, named: list[tuple[str, str]], expected: list[list[str]]):
    """Those that name their entity best are marked with a star."""
    found = mentions.groups(text, spans(text, *named))
    told = [
        [
            text[span.begin : span.end] + "*" * (place in group.names)
            for place, (span, _) in enumerate(group.mentions)
        ]
        for group in found
    ]
    assert told == expected


def test_shortened_names_are_less_sure():
    text = "Angela Merkel, or Merkel, or merkel"
    (group,) = mentions.groups(
        text,
        spans(text, ("Angela Merkel", "PERSON"), ("Merkel", "PERSON"), ("merkel", "PERSON")),
    )
    assert [belongs for _, belongs in group.mentions] == [1.0, 0.8, 0.8]
