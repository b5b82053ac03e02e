"""Rules and a model's spans together, and the labels of a whole document."""

from __future__ import annotations

import itertools

import pytest

from sagebrush.nlp.pii import find
from sagebrush.nlp.spans import Span


def test_the_model_adds_what_no_rule_knows() -> None:
    text = "Leif lives in Oslo, call 206-555-0100"
    model = [
        Span(0, 4, "NAME", 0.8),
        Span(14, 18, "LOCATION", 0.7),
        Span(5, 10, "ORGANIZATION", 0.9),
    ]
    assert [(span.label, span.score) for span in find([text], [model])[0]] == [
        ("NAME", 0.8),
        ("ADDRESS", 0.7),
        ("PHONE", 0.97),
    ]


def test_what_is_proven_goes_before_the_model() -> None:
    text = "write to mary.major@email.com"
    assert [span.label for span in find([text], [[Span(9, 19, "NAME", 0.99)]])[0]] == ["EMAIL"]


def test_rules_say_where_an_age_ends() -> None:
    text = "I am 40 years old since Tuesday morning"
    model = [Span(5, 7, "AGE", 0.99), Span(24, 31, "DATE", 0.99)]
    pieces = [text[span.begin : span.end] for span in find([text], [model])[0]]
    assert pieces == ["40 years", "Tuesday morning"]


def test_pieces_of_an_address_become_one() -> None:
    text = "12 Rua do Arenque, Goiânia, Brazil"
    model = [
        Span(0, 17, "ADDRESS", 0.8),
        Span(19, 26, "ADDRESS", 0.9),
        Span(28, 34, "ADDRESS", 0.7),
    ]
    assert find([text], [model]) == [[Span(0, 34, "ADDRESS", 0.9)]]


def test_a_part_of_a_date_is_no_name() -> None:
    text = "the parade of St. Patrick's Day in Paris"
    model = [Span(14, 25, "NAME", 0.9), Span(35, 40, "ADDRESS", 0.9)]
    told = [(text[span.begin : span.end], span.label) for span in find([text], [model])[0]]
    assert told == [("St. Patrick's Day", "DATE_TIME"), ("Paris", "ADDRESS")]
    march = [Span(0, 5, "NAME", 0.9)]
    assert [span.label for span in find(["March"], [march])[0]] == ["NAME"]


def test_the_younger_s_full_stop_is_a_part_of_the_name() -> None:
    text = "Dr. Martin Luther King Jr. spoke"
    assert [text[span.begin : span.end] for span in find([text])[0]] == ["Martin Luther King Jr."]


def test_spans_never_overlap_and_are_in_order() -> None:
    text = "Dear Mr. John Smith, card 4111 1111 1111 1111 exp 01/30 cvv 123, john@smith.com https://smith.com/j?x=1.2.3.4"
    model = [Span(begin, begin + 15, "NAME", 0.5) for begin in range(0, len(text) - 15, 7)]
    (spans,) = find([text], [model])
    assert all(one.end <= other.begin for one, other in itertools.pairwise(spans))
    assert {"CREDIT_DEBIT_NUMBER", "CREDIT_DEBIT_EXPIRY", "CREDIT_DEBIT_CVV", "EMAIL", "URL"} <= {
        span.label for span in spans
    }


def test_as_many_lists_of_spans_as_texts() -> None:
    with pytest.raises(ValueError, match="shorter"):
        find(["a", "b"], [[]])
