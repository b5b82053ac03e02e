"""Check digits: published examples, and one wrong digit at any place of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sagebrush.nlp.pii import checksums

VALID: list[tuple[Callable[[str], bool], str]] = [
    (checksums.luhn, "79927398713"),
    (checksums.card, "4111 1111 1111 1111"),
    (checksums.card, "3782-822463-10005"),
    (checksums.iban, "GB82 WEST 1234 5698 7654 32"),
    (checksums.iban, "de89370400440532013000"),
    (checksums.iban, "NO9386011117947"),
    (checksums.routing, "021000021"),
    (checksums.vehicle, "1M8GDM9AXKP042788"),
    (checksums.nhs, "943 476 5919"),
    (checksums.aadhaar, "2341 2341 2346"),
]


@pytest.mark.parametrize(("check", "identifier"), VALID)
def test_valid_and_one_digit_wrong(check: Callable[[str], bool], identifier: str) -> None:
    assert check(identifier)
    for place, char in enumerate(identifier):
        if char.isdigit():
            wrong = identifier[:place] + str((int(char) + 1) % 10) + identifier[place + 1 :]
            assert not check(wrong)


@pytest.mark.parametrize("check", {check for check, _ in VALID})
@pytest.mark.parametrize(
    "identifier", ["", "0", "x" * 40, "0" * 9, "0" * 12, "١" * 10, "👍" * 9, "1" * 10_000]
)
def test_what_has_not_the_form(check: Callable[[str], bool], identifier: str) -> None:
    assert not check(identifier)


def test_taxpayer_references() -> None:
    assert checksums.taxpayer_reference("1955839661")
    assert checksums.taxpayer_reference("19558 39661")
    assert not checksums.taxpayer_reference("2955839661")
    assert not checksums.taxpayer_reference("195583966")


def test_other_digits_count_as_ascii_ones() -> None:
    assert checksums.plain("४१११-١١١١ 1111 １１１１ab") == "4111111111111111AB"
    assert checksums.card("४१११-١١١١ 1111 １１１１")


def test_forms() -> None:
    assert checksums.bank_code("DEUTDEFF500")
    assert not checksums.bank_code("DEUTXXFF")
    assert checksums.social_security("078-05-1120")
    assert not checksums.social_security("900-05-1120")
    assert checksums.taxpayer("900-70-1120")
    assert not checksums.taxpayer("900-05-1120")


@pytest.mark.parametrize("middle", ["49", "66", "69", "89", "93"])
def test_middle_numbers_that_the_irs_does_not_give(middle: str) -> None:
    assert not checksums.taxpayer(f"912-{middle}-1234")
