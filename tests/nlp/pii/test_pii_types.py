"""Each type of DetectPiiEntities: found as it should be, wherever it stands, and not elsewhere."""

from __future__ import annotations

import pytest

from sagebrush.nlp.pii import TYPES, find

# One text for each type, of which the piece between the marks is of that type.
VALID = {
    "ADDRESS": "was mailed to ⟦123 Any Street, Seattle, WA 98109⟧",
    "AGE": "I am ⟦40 years⟧ old",
    "AWS_ACCESS_KEY": "the key ⟦AKIAIOSFODNN7EXAMPLE⟧",
    "AWS_SECRET_KEY": "aws_secret_access_key=⟦wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY⟧",
    "CREDIT_DEBIT_CVV": "the CVV is ⟦123⟧",
    "CREDIT_DEBIT_EXPIRY": "my card expires ⟦01/2031⟧",
    "CREDIT_DEBIT_NUMBER": "charge ⟦4111 1111 1111 1111⟧",
    "DATE_TIME": "it was ⟦January 19, 2020⟧",
    "DRIVER_ID": "my driver's license number is ⟦F162823540116⟧",
    "EMAIL": "write to ⟦marymajor@email.com⟧",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": "the IBAN ⟦GB82 WEST 1234 5698 7654 32⟧",
    "IP_ADDRESS": "from ⟦198.51.100.0⟧",
    "LICENSE_PLATE": "license plate ⟦7ABC123⟧",
    "MAC_ADDRESS": "device ⟦00:1B:44:11:3A:B7⟧",
    "NAME": "my name is ⟦Paulo Santos⟧",
    "PASSWORD": "password: ⟦*very20special#pass*⟧",
    "PHONE": "call ⟦206-555-0100⟧",
    "PIN": "my PIN is ⟦9274⟧",
    "SWIFT_CODE": "SWIFT ⟦DEUTDEFF500⟧",
    "URL": "see ⟦www.example.com⟧",
    "USERNAME": "username: ⟦mmajor77⟧",
    "VEHICLE_IDENTIFICATION_NUMBER": "a car, ⟦1M8GDM9AXKP042788⟧",
    "CA_HEALTH_NUMBER": "health card ⟦9876-543-217⟧",
    "CA_SOCIAL_INSURANCE_NUMBER": "social insurance number ⟦046 454 286⟧",
    "IN_AADHAAR": "Aadhaar ⟦2341 2341 2346⟧",
    "IN_NREGA": "job card ⟦RJ-08-001-002-003/123⟧",
    "IN_PERMANENT_ACCOUNT_NUMBER": "PAN ⟦ABCPE1234F⟧",
    "IN_VOTER_NUMBER": "voter ID ⟦ABC1234567⟧",
    "UK_NATIONAL_HEALTH_SERVICE_NUMBER": "NHS number ⟦943 476 5919⟧",
    "UK_NATIONAL_INSURANCE_NUMBER": "NINO ⟦AB 12 34 56 C⟧",
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER": "UTR ⟦1955839661⟧",
    "BANK_ACCOUNT_NUMBER": "bank account ⟦123456789012⟧",
    "BANK_ROUTING": "routing number ⟦021000021⟧",
    "PASSPORT_NUMBER": "passport ⟦C03005988⟧",
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": "my ITIN, ⟦912-78-1234⟧",
    "SSN": "SSN ⟦078-05-1120⟧",
}


def marked(text: str) -> tuple[str, str]:
    begin, end = text.index("⟦"), text.index("⟧")
    return text.replace("⟦", "").replace("⟧", ""), text[begin + 1 : end]


def pieces(text: str, label: str) -> list[str]:
    (spans,) = find([text])
    return [text[span.begin : span.end] for span in spans if span.label == label]


def test_every_type_has_an_example() -> None:
    assert set(VALID) == set(TYPES)
    assert len(TYPES) == len(set(TYPES)) == 36


@pytest.mark.parametrize("label", TYPES)
def test_found_with_its_offsets(label: str) -> None:
    text, piece = marked(VALID[label])
    (span,) = find([text])[0]
    assert (span.label, text[span.begin : span.end]) == (label, piece)
    assert 0.5 < span.score <= 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("Yes: ", "."),
        ("👩🏽‍🚀👨‍👩‍👧 ", " 👍🏿"),
        ("\u202eשלום مرحبا\u202c ", " שלום"),
        ("e\u0301\u200b\ufeff ", "\r\nok"),
        ("İİİ ", ""),
        ("\x00 ", " \x00"),
    ],
    ids=["alone", "in a sentence", "emoji", "right to left", "marks", "longer lower case", "NUL"],
)
@pytest.mark.parametrize("label", TYPES)
def test_found_beside_anything(label: str, before: str, after: str) -> None:
    text, piece = marked(before + VALID[label] + after)
    assert pieces(text, label) == [piece]


WRONG_CHECK = {
    "CREDIT_DEBIT_NUMBER": "charge 4111 1111 1111 1112",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": "to GB82 WEST 1234 5698 7654 33",
    "VEHICLE_IDENTIFICATION_NUMBER": "a car, 1M8GDM9A1KP042788",
    "UK_NATIONAL_INSURANCE_NUMBER": "number GB 12 34 56 C",
    "IN_AADHAAR": "number 2341 2341 2347",
    "SSN": "number 000-12-3456",
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": "my ITIN, 912-12-1234",
    "SWIFT_CODE": "SWIFT DEUTXXFF",
    "IP_ADDRESS": "from 198.51.100.256",
    "AWS_SECRET_KEY": "secret aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
}


@pytest.mark.parametrize("label", WRONG_CHECK)
def test_not_found_with_a_wrong_check(label: str) -> None:
    assert pieces(WRONG_CHECK[label], label) == []


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("BANK_ROUTING", "routing number 021000022"),
        ("CREDIT_DEBIT_NUMBER", "credit card account 1111-0000-1111-0000"),
        ("CA_SOCIAL_INSURANCE_NUMBER", "SIN 123-456-789"),
        ("UK_NATIONAL_HEALTH_SERVICE_NUMBER", "NHS 485 777 3456"),
        ("UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER", "UTR 2955839661"),
        ("VEHICLE_IDENTIFICATION_NUMBER", "VIN WVWZZZ1JZXW000001"),
    ],
)
def test_a_telling_word_makes_up_for_a_wrong_check_at_a_lower_score(label: str, text: str) -> None:
    valid, _ = marked(VALID[label])
    told = [span.score for span in find([text])[0] if span.label == label]
    checked = [span.score for span in find([valid])[0] if span.label == label]
    assert told
    assert told[0] < max(checked[0], 0.95)


OF_DIGITS = {
    label: piece
    for label, (_, piece) in ((label, marked(text)) for label, text in VALID.items())
    if label not in ("ADDRESS", "AGE", "NAME", "PASSWORD", "USERNAME", "URL", "EMAIL", "DATE_TIME")
}


@pytest.mark.parametrize("label", OF_DIGITS)
@pytest.mark.parametrize(
    ("before", "after"), [("7", ""), ("", "7"), ("77", "77"), ("x", ""), ("", "x_")]
)
def test_not_found_within_something_longer(label: str, before: str, after: str) -> None:
    text, piece = marked(VALID[label])
    assert piece not in pieces(text.replace(piece, before + piece + after), label)


@pytest.mark.parametrize(
    "digits", ["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "０１２３４５６７８９"]
)
@pytest.mark.parametrize(
    "label",
    [
        "CREDIT_DEBIT_NUMBER",
        "SSN",
        "IN_AADHAAR",
        "PHONE",
        "BANK_ROUTING",
        "PIN",
        "CREDIT_DEBIT_CVV",
    ],
)
def test_found_in_other_digits(label: str, digits: str) -> None:
    text, piece = marked(VALID[label])
    table = {ord(str(value)): digit for value, digit in enumerate(digits)}
    assert pieces(text.translate(table), label) == [piece.translate(table)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The developer guide's own examples.
        (
            "Hello Paulo Santos. The latest statement for your credit card account 1111-0000-1111-0000 was mailed to"
            " 123 Any Street, Seattle, WA 98109.",
            [(6, 18, "NAME"), (70, 89, "CREDIT_DEBIT_NUMBER"), (104, 137, "ADDRESS")],
        ),
        (
            "from your bank account XXXXXX1111 with the routing number XXXXX0000",
            [(23, 33, "BANK_ACCOUNT_NUMBER"), (58, 67, "BANK_ROUTING")],
        ),
        # Spanish.
        (
            "Me llamo Ana María de la Cruz, tengo 40 años y nací el 5 de mayo de 1980.",
            [(9, 29, "NAME"), (37, 44, "AGE"), (55, 72, "DATE_TIME")],
        ),
        ("Mi contraseña es hola1234 y el PIN es 4711", [(17, 25, "PASSWORD"), (38, 42, "PIN")]),
        ("tarjeta terminada en 1234, llame al 555 123 456", [(21, 25, "CREDIT_DEBIT_NUMBER"), (36, 47, "PHONE")]),
        # Cut to the last digits.
        ("my SSN ending in 1234", [(17, 21, "SSN")]),
        ("the last four of my social security number are 1234", [(47, 51, "SSN")]),
        ("SSN XXX-XX-1234", [(4, 15, "SSN")]),
        # The nearest word tells which of two numbers is what.
        ("passport number 123456789 and SSN 078051120", [(16, 25, "PASSPORT_NUMBER"), (34, 43, "SSN")]),
    ],
)  # fmt: skip
def test_examples(text: str, expected: list[tuple[int, int, str]]) -> None:
    (spans,) = find([text])
    assert [(span.begin, span.end, span.label) for span in spans] == expected


@pytest.mark.parametrize(
    "text",
    [
        "How can I request a new credit card pin?",
        "Your password is required, and the user is unknown.",
        "Version 1.2.3.4 of the library, section 10.1.1.1",
        "The population of 12 345 678 grew by 1 234 567.",
        "3... 2... 1... liftoff!",
        "In chapter 123456789 of the INTEREST tables",
        "I will be travelling next week.",
        "well done.Es and so on",
        "12345678901234567890",
        "",
        " \t\r\n",
    ],
)
def test_nothing_is_claimed(text: str) -> None:
    assert find([text]) == [[]]
