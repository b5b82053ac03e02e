"""Variations of examples."""

from __future__ import annotations

import random

from sagebrush.nlp.spans import Span
from sagebrush.nlp.training import variations
from sagebrush.nlp.training.tasks import Example

EXAMPLE = Example(
    "hi Ada, is OSLO near @kim ?",
    spans=(Span(3, 6, "PERSON"), Span(11, 15, "LOCATION"), Span(21, 25, "PERSON")),
    known=frozenset(("PERSON", "LOCATION")),
    source="made",
)
NAMES = {"PERSON": ["Grace Hopper"], "LOCATION": ["Nis"]}


def told(example: Example) -> list[tuple[str, str]]:
    return [(example.text[each.begin : each.end], each.label) for each in example.spans]


def test_other_names_stand_where_names_stood() -> None:
    other = variations.swapped(EXAMPLE, NAMES, random.Random(0))
    assert other.text == "hi Grace Hopper, is NIS near @kim ?"
    assert told(other) == [("Grace Hopper", "PERSON"), ("NIS", "LOCATION"), ("@kim", "PERSON")]
    assert (other.known, other.source) == (EXAMPLE.known, EXAMPLE.source)


def test_capitals_change_and_offsets_stay() -> None:
    assert variations.cased(EXAMPLE, EXAMPLE.text.lower()).text == "hi ada, is oslo near @kim ?"
    turkish = Example("İzmir", spans=(Span(0, 5, "LOCATION"),))
    assert variations.cased(turkish, turkish.text.lower()) is turkish


def test_names_are_gathered_by_label_and_callers_are_none() -> None:
    names = variations.names_of([EXAMPLE])
    assert (names["PERSON"], names["LOCATION"]) == (["Ada"], ["OSLO"])
    assert names["COMMERCIAL_ITEM"] == list(variations.THINGS)


def test_every_variation_keeps_spans_on_names() -> None:
    chance = random.Random(1)
    made = [variations.varied(EXAMPLE, NAMES, chance) for _ in range(200)]
    assert len({each.text for each in made}) > 3
    for each in made:
        assert {name.lower() for name, _ in told(each)} <= {
            "ada",
            "grace hopper",
            "oslo",
            "nis",
            "@kim",
        }
