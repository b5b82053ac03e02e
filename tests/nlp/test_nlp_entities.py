"""A tagger's logits as entities, with dates, quantities and events."""

from __future__ import annotations

import re

import numpy
import pytest
from sagebrush.nlp.spans import Span

from sagebrush.nlp.confidence import Confidence
from sagebrush.nlp.entities import LABELS, entities, merged, names


def answer(text: str, **tagged: str) -> tuple[numpy.ndarray, list[tuple[int, int]]]:
    """Words of the text, and logits that are sure of these words' classes (B-PERSON="Ada")."""
    words = [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]
    classes = ["O", *(f"{part}_{label}" for label in LABELS for part in "BI")]
    logits = numpy.zeros((len(words), len(classes)), numpy.float32)
    logits[:, 0] = 4
    for name, of in tagged.items():
        for at, (begin, end) in enumerate(words):
            if text[begin:end] in of.split():
                logits[at, classes.index(name)] = 8
    return logits, words


def told(text: str, spans: list[Span]) -> list[tuple[str, str]]:
    return [(text[each.begin : each.end], each.label) for each in spans]


def test_words_of_a_name_are_one_span() -> None:
    text = "👩🏽‍💻 Ada Lovelace met Babbage"
    logits, words = answer(text, B_PERSON="Ada Babbage", I_PERSON="Lovelace")
    assert told(text, names(text, logits, words, Confidence())) == [
        ("Ada Lovelace", "PERSON"),
        ("Babbage", "PERSON"),
    ]


def test_what_goes_on_without_a_beginning_is_begun_or_left_out() -> None:
    text = "in New York"
    logits, words = answer(text, I_LOCATION="York")
    logits[1, 3] = 2  # B-LOCATION, where O has 4
    assert told(text, names(text, logits, words, Confidence())) == [("New York", "LOCATION")]
    logits[1, 3] = -9
    assert names(text, logits, words, Confidence()) == []


def test_a_lower_logit_of_outside_finds_more() -> None:
    text = "so kenny sang"
    logits, words = answer(text)
    logits[1, 1] = 3
    assert names(text, logits, words, Confidence()) == []
    assert told(text, names(text, logits, words, Confidence(outside=-2))) == [("kenny", "PERSON")]


def test_punctuation_alone_is_no_name() -> None:
    text = "wow ! @ kim"
    logits, words = answer(text, B_PERSON="! @ kim")
    assert told(text, names(text, logits, words, Confidence())) == [
        ("@", "PERSON"),
        ("kim", "PERSON"),
    ]


def test_scores_grow_with_probabilities_and_stay_probabilities() -> None:
    sure = Confidence(slope=0.6, intercept=-0.4)
    scores = [sure.score(each / 1000) for each in range(1001)]
    assert scores == sorted(scores)
    assert 0 < scores[0] < 0.05
    assert 0.95 < scores[-1] < 1


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


def test_a_text_without_words() -> None:
    assert entities(" \n ", numpy.zeros((0, 1 + 2 * len(LABELS))), [], Confidence()) == []
