"""A tagger's logits as spans with scores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest

from sagebrush.nlp import confidence, personal, tagging
from sagebrush.nlp.confidence import Confidence
from sagebrush.nlp.entities import HEAD, LABELS, entities
from sagebrush.nlp.spans import Span


@dataclass
class Tokens:
    """A window's tokens, as far as a tagger reads them."""

    begins: numpy.ndarray
    ends: numpy.ndarray
    words: numpy.ndarray


@dataclass
class Window:
    tokens: Tokens
    logits: dict[str, numpy.ndarray]


@dataclass
class Reading:
    text: str
    windows: list[Window]


def reading(text: str, **classes: str) -> Any:
    """The text in pieces of at most four letters, and logits that are sure of the classes of these words
    (B_PERSON="Ada")."""
    names = ["O", *(f"{part}_{label}" for label in LABELS for part in "BI")]
    begins, ends, words, rows = [], [], [], []
    for word, found in enumerate(re.finditer(r"\w+|[^\w\s]", text)):
        for begin in range(found.start(), found.end(), 4):
            row = numpy.zeros(len(names), numpy.float32)
            row[0] = 4
            if begin == found.start():
                for name, of in classes.items():
                    row[names.index(name)] = 8 * (found[0] in of.split())
            else:
                row[1:] = 50  # what is no word's first token is not read
            begins.append(begin)
            ends.append(min(begin + 4, found.end()))
            words.append(word)
            rows.append(row)
    arrays = (numpy.array(each, numpy.int32) for each in (begins, ends, words))
    logits = numpy.array(rows, numpy.float32).reshape(-1, len(names))
    return Reading(text, [Window(Tokens(*arrays), {HEAD: logits})])


def told(given: Any, sure: Confidence | None = None) -> list[tuple[str, str]]:
    found = tagging.told(given, HEAD, LABELS, sure or Confidence())
    return [(given.text[each.begin : each.end], each.label) for each in found]


def test_words_of_a_name_are_one_span() -> None:
    given = reading("👩🏽‍💻 Ada Lovelace met Babbage", B_PERSON="Ada Babbage", I_PERSON="Lovelace")
    assert told(given) == [("Ada Lovelace", "PERSON"), ("Babbage", "PERSON")]


def test_what_goes_on_without_a_beginning_is_begun_or_left_out() -> None:
    given = reading("in New York", I_LOCATION="York")
    given.windows[0].logits[HEAD][1, 3] = 2  # B-LOCATION, where O has 4
    assert told(given) == [("New York", "LOCATION")]
    given.windows[0].logits[HEAD][1, 3] = -9
    assert told(given) == []


def test_a_lower_logit_of_outside_finds_more() -> None:
    given = reading("so kim sang")
    given.windows[0].logits[HEAD][1, 1] = 3
    assert told(given) == []
    assert told(given, Confidence(outside=-2)) == [("kim", "PERSON")]


def test_punctuation_alone_is_no_name() -> None:
    assert told(reading("wow ! @ kim", B_PERSON="! @ kim")) == [("@", "PERSON"), ("kim", "PERSON")]


@pytest.mark.parametrize(
    ("text", "found", "whole"),
    [
        ("see @kim_2 now", ["kim"], ["kim_2"]),
        ("_kim_ sang", ["kim"], ["_kim_"]),
        ("love #Oslo!", ["Oslo"], ["#Oslo"]),
        ("love #Oslo!", ["#"], ["#Oslo"]),
        ("love #Oslo!", ["#", "Oslo"], ["#Oslo"]),
        ("Berlin's Ada", ["Berlin", "Ada"], ["Berlin", "Ada"]),
        ("at #", ["#"], ["#"]),
        ("北京大学 in Ōsaka", ["北京", "saka"], ["北京", "Ōsaka"]),
    ],
)
def test_spans_hold_whole_words(text: str, found: list[str], whole: list[str]) -> None:
    spans = [Span(text.index(each), text.index(each) + len(each), "LOCATION") for each in found]
    told = tagging.whole_words(text, spans)
    assert [text[each.begin : each.end] for each in told] == whole


def test_windows_follow_each_other() -> None:
    first, second = reading("Ada", B_PERSON="Ada"), reading("    Bob", B_PERSON="Bob")
    both: Any = Reading("Ada Bob", [first.windows[0], second.windows[0]])
    assert told(both) == [("Ada", "PERSON"), ("Bob", "PERSON")]


def test_texts_without_words_name_nothing() -> None:
    empty: Any = Reading(" \n ", [])
    assert entities([empty, reading("")], Confidence()) == [[], []]


def test_scores_grow_with_probabilities_and_stay_probabilities() -> None:
    sure = Confidence(slope=0.6, intercept=-0.4)
    scores = [sure.score(each / 1000) for each in range(1001)]
    assert scores == sorted(scores)
    assert 0 < scores[0] < 0.05
    assert 0.95 < scores[-1] < 1


def test_numbers_are_kept_in_a_file(tmp_path: Path) -> None:
    fitted = {"entities": Confidence(-1.5, 0.7, 0.1), "pii": Confidence()}
    confidence.save(tmp_path / confidence.FILE, fitted)
    assert confidence.load(tmp_path / confidence.FILE) == fitted
    with pytest.raises(FileNotFoundError):
        confidence.load(tmp_path / "none.json")


def test_personal_data_is_told_in_types_of_the_service() -> None:
    text = "Ada is Greek in Rome"
    spans = [Span(0, 3, "PERSON", 0.9), Span(7, 12, "NRP", 0.9), Span(16, 20, "GPE", 0.5)]
    assert personal.in_aws(text, spans) == [Span(0, 3, "NAME", 0.9), Span(16, 20, "ADDRESS", 0.5)]
    assert set(personal.AWS) < set(personal.LABELS)


@pytest.mark.parametrize(
    ("words", "label", "kept"),
    [
        ("iPhone 7", "IBAN_CODE", False),
        ("GB33BUKB20201555555555", "IBAN_CODE", True),
        ("24.53", "PHONE_NUMBER", False),
        ("555-0100", "PHONE_NUMBER", True),
        ("World War II", "DATE_TIME", False),
        ("Tuesday", "DATE_TIME", True),
        ("1987", "DATE_TIME", True),
        ("35°C", "GPE", False),
        ("35°C", "AGE", False),
        ("5 km", "STREET_ADDRESS", False),
        ("98109", "ZIP_CODE", True),
        ("10 Downing Street", "STREET_ADDRESS", True),
        ("🗼", "GPE", False),
        ("北京", "GPE", True),
        ("ada at example", "EMAIL_ADDRESS", False),
        ("12", "PERSON", False),
        ("499.99", "IP_ADDRESS", False),
        ("10.0.0.1", "IP_ADDRESS", True),
        ("20789", "STREET_ADDRESS", True),
    ],
)
def test_what_has_not_the_form_of_its_type_is_left_out(words: str, label: str, kept: bool) -> None:
    assert bool(personal.in_aws(words, [Span(0, len(words), label)])) is kept


def test_an_age_goes_with_its_unit() -> None:
    text = "I am 40 years old, my cat is 9"
    assert personal.with_unit(text, Span(5, 7, "AGE")) == Span(5, 13, "AGE")
    assert personal.with_unit(text, Span(29, 30, "AGE")) == Span(29, 30, "AGE")
    assert personal.with_unit(text, Span(5, 7, "DATE_TIME")) == Span(5, 7, "DATE_TIME")


def test_a_name_ends_with_its_line_and_an_address_does_not() -> None:
    text = "Bob\r\nRoe, 1 Oak St\nBath"
    spans = [Span(0, 8, "PERSON"), Span(10, 23, "STREET_ADDRESS")]
    assert personal.in_aws(text, spans) == [Span(0, 3, "NAME"), Span(10, 23, "ADDRESS")]
    assert tagging.on_one_line("Ada \0 Bo", Span(0, 8, "PERSON")) == Span(0, 3, "PERSON")


@pytest.mark.parametrize(
    ("text", "found", "name"),
    [
        ("name = 'Bob';", "'Bob", "Bob"),
        ("the (Bob Jones) here", "(Bob Jones)", "Bob Jones"),
        ("“Ada”", "“Ada”", "Ada"),
        ("Hello, I am John.", "John.", "John"),
        ("in Washington D.C. He", "Washington D.C", "Washington D.C."),
        ("in Washington D.C.", "Washington D.C.", "Washington D.C."),
        ("Sammy Davis Jr. sang", "Sammy Davis Jr", "Sammy Davis Jr."),
        ("Sammy Davis Jr. sang", "Sammy Davis Jr.", "Sammy Davis Jr."),
        ("Missoula, MT. We", "MT.", "MT"),
        ("Missoula, MT. We", "MT", "MT"),
        ("it was O'Neil. He", "O'Neil", "O'Neil"),
        ("'n' Roll", "'n' Roll", "'n' Roll"),
        ("'", "'", "'"),
        ("''", "''", "''"),
    ],
)
def test_a_name_is_without_the_sentence_s_marks(text: str, found: str, name: str) -> None:
    begin = text.index(found)
    told = tagging.bare(text, Span(begin, begin + len(found), "PERSON"))
    assert text[told.begin : told.end] == name
    begin = text.index(found)
    both = personal.in_aws(text, [Span(begin, begin + len(found), "PERSON")])
    assert [text[each.begin : each.end] for each in both] == ([name] if name.strip("'") else [])


@pytest.mark.parametrize(
    ("text", "number", "kept"),
    [
        ("it is 8,849 m high", "8", False),
        ("a 14-inch display", "14", False),
        ("with 16 GB", "16", False),
        ("for 12 apples", "12", False),
        ("I am 40 years old", "40", True),
        ("Tom, 45, of Ohio", "45", True),
        ("aged 45 to 50", "45", True),
    ],
)
def test_a_part_of_an_amount_is_no_age(text: str, number: str, kept: bool) -> None:
    begin = text.index(number)
    found = personal.in_aws(text, [Span(begin, begin + len(number), "AGE", 0.5)])
    assert bool(found) is kept
