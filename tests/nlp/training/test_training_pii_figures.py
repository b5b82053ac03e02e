"""Figures of personal data."""

from __future__ import annotations

import pytest

from sagebrush.nlp.spans import Span
from sagebrush.nlp.training import pii_figures

TEXT = "Dr. Ada Lovelace, 12 Oak St, Bath, works for Acme"
TRUTH = [
    Span(0, 3, "TITLE"),
    Span(4, 16, "PERSON"),
    Span(18, 27, "STREET_ADDRESS"),
    Span(29, 33, "GPE"),
    Span(45, 49, "ORGANIZATION"),
]


def test_parts_of_an_address_are_one() -> None:
    told = [Span(4, 16, "NAME"), Span(18, 33, "ADDRESS")]
    assert pii_figures.exact([TEXT], [TRUTH], [told]) == {"ADDRESS": 1, "NAME": 1, "all": 1}


def test_what_the_service_has_no_type_for_is_no_miss() -> None:
    told = [Span(4, 16, "NAME"), Span(18, 27, "ADDRESS"), Span(29, 33, "ADDRESS")]
    assert pii_figures.words([TEXT], [TRUTH], [told])["F1"] == 1
    every = pii_figures.words([TEXT], [TRUTH], [told], all_types=True)
    assert (every["precision"], every["recall"]) == (1, pytest.approx(6 / 8))


def test_a_part_of_a_name_touches_and_is_not_exact() -> None:
    told = [Span(4, 7, "NAME"), Span(18, 33, "ADDRESS")]
    assert pii_figures.touching([TRUTH], [told]) == 1
    assert pii_figures.exact([TEXT], [TRUTH], [told])["NAME"] == 0


def test_nothing_told() -> None:
    assert pii_figures.touching([TRUTH], [[]]) == 0
    assert pii_figures.words([TEXT], [TRUTH], [[]])["F2"] == 0
