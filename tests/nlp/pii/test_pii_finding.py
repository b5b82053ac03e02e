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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user admin password hunter2", [("admin", "USERNAME"), ("hunter2", "PASSWORD")]),
        ("Login jdoe / pw: s3cret", [("jdoe", "USERNAME"), ("s3cret", "PASSWORD")]),
        ("password: s3cret!", [("s3cret!", "PASSWORD")]),
        ("login: admin pass: 12345", [("admin", "USERNAME"), ("12345", "PASSWORD")]),
        ("boarding pass: A12345", []),
        ("(password: abc(1)).", [("abc(1)", "PASSWORD")]),
        ("user forgot password 3 times", []),
        ("a user guide password: see below", []),
        ("the password is required!", []),
        ("a password 12-character long or password sha256", []),
    ],
)
def test_secrets_that_follow_their_word(text: str, expected: list[tuple[str, str]]) -> None:
    found = [(text[span.begin : span.end], span.label) for span in find([text])[0]]
    assert [each for each in found if each[1] in ("USERNAME", "PASSWORD")] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Passport number A12345678, driver's license D1234567",
            ["PASSPORT_NUMBER", "DRIVER_ID"],
        ),
        (
            "passport A12345678 and bank account 12345678",
            ["PASSPORT_NUMBER", "BANK_ACCOUNT_NUMBER"],
        ),
        (
            "license plate is 7ABC123, VIN 1HGCM82633A004352",
            ["LICENSE_PLATE", "VEHICLE_IDENTIFICATION_NUMBER"],
        ),
        ("call me, arn:aws:iam::123456789012:role/Admin", []),
        ("my AWS account is 123456789012", []),
        ("call Kevin 0490 75 40 81", ["PHONE"]),
    ],
)
def test_a_number_is_of_the_nearest_word(text: str, expected: list[str]) -> None:
    assert [span.label for span in find([text])[0]] == expected


@pytest.mark.parametrize(
    ("text", "part", "label"),
    [
        ("My Aadhaar is here", "Aadhaar", "NAME"),
        ("SWIFT and IBAN", "SWIFT", "ADDRESS"),
        ("arn:aws:s3:::photos", "arn", "NAME"),
        ("our EIN is 12-3456789", "12-3456789", "PHONE"),
        ("sort code 12-34-56", "12-34-56", "PHONE"),
    ],
)
def test_the_model_s_mistakes_that_are_known(text: str, part: str, label: str) -> None:
    begin = text.index(part)
    assert find([text], [[Span(begin, begin + len(part), label, 0.8)]]) == [[]]


def test_names_that_are_terms_in_capitals_stay() -> None:
    assert find(["Taylor Swift"], [[Span(7, 12, "NAME", 0.8)]]) == [[Span(7, 12, "NAME", 0.8)]]
    assert find(["Martin 206-555-0100"])[0][-1].label == "PHONE"


def test_an_address_is_as_likely_as_its_town() -> None:
    text = "Calle Mayor 5, Madrid"
    assert find([text], [[Span(15, 21, "LOCATION", 0.94)]]) == [[Span(0, 21, "ADDRESS", 0.94)]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vivo en Calle Mayor 5, Madrid.", "Calle Mayor 5, Madrid"),
        ("C/ Mayor 5, Palma de Mallorca, y más", "C/ Mayor 5, Palma de Mallorca"),
        ("Calle Mayor 5, Juan vive", "Calle Mayor 5"),
        ("Calle Mayor 5, 28013 Madrid.", "Calle Mayor 5, 28013 Madrid"),
    ],
)
def test_a_spanish_street_with_its_town(text: str, expected: str) -> None:
    assert [text[span.begin : span.end] for span in find([text])[0]] == [expected]


@pytest.mark.parametrize("said", ["Hi, my order", "Good morning", "Sure, it is late"])
def test_who_speaks_is_followed_by_no_name(said: str) -> None:
    assert find([f"Customer: {said}"]) == [[]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pay ES9121000418450200051332 from now", "ES9121000418450200051332"),
        ("send ES91 2100 0418 4502 0005 1332 from it", "ES91 2100 0418 4502 0005 1332"),
        ("AT611904300234573201 with it", "AT611904300234573201"),
        ("Norway NO9386011117947 now", "NO9386011117947"),
        ("write to 'maria@example.com' now", "maria@example.com"),
        ("write to o'brien@example.com", "o'brien@example.com"),
        ("Unit 2050 Box 4190, APO AP 96278", "Unit 2050 Box 4190, APO AP 96278"),
    ],
)
def test_what_stands_beside_is_no_part(text: str, expected: str) -> None:
    assert [text[each.begin : each.end] for each in find([text])[0]] == [expected]


def test_an_address_ends_where_a_proven_number_begins() -> None:
    text = "I live at Hauptstrasse 12, Berlin 555-234-5678"
    assert [(text[each.begin : each.end], each.label) for each in find([text])[0]] == [
        ("Hauptstrasse 12, Berlin", "ADDRESS"),
        ("555-234-5678", "PHONE"),
    ]
