"""Personal data that a tagger finds, in the types of DetectPiiEntities: what `pii.find` takes beside its
rules.

The tagger knows 17 types (those of Presidio's synthetic set). Organisations, titles and nationalities are
none of AWS's types and are left out.

https://docs.aws.amazon.com/comprehend/latest/dg/how-pii.html
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from . import grammar
from .confidence import Confidence
from .spans import Span
from .tagging import bare, on_one_line, told

if TYPE_CHECKING:  # it loads ONNX Runtime
    from .encoder import Reading

HEAD = "pii"
LABELS = (
    "PERSON", "STREET_ADDRESS", "GPE", "ORGANIZATION", "DATE_TIME", "AGE", "TITLE", "NRP", "ZIP_CODE",
    "PHONE_NUMBER", "CREDIT_CARD", "EMAIL_ADDRESS", "DOMAIN_NAME", "IBAN_CODE", "IP_ADDRESS", "US_SSN",
    "US_DRIVER_LICENSE",
)  # fmt: skip
"""What the tagger tells."""
AWS = {
    "PERSON": "NAME",
    "STREET_ADDRESS": "ADDRESS",
    "GPE": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "DATE_TIME": "DATE_TIME",
    "AGE": "AGE",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CREDIT_DEBIT_NUMBER",
    "EMAIL_ADDRESS": "EMAIL",
    "DOMAIN_NAME": "URL",
    "IBAN_CODE": "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
    "IP_ADDRESS": "IP_ADDRESS",
    "US_SSN": "SSN",
    "US_DRIVER_LICENSE": "DRIVER_ID",
}
"""AWS's type of each."""
_DIGITS = {
    "AGE": 1,
    "PHONE": 6,
    "CREDIT_DEBIT_NUMBER": 12,
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": 10,
    "IP_ADDRESS": 4,
    "SSN": 9,
    "DRIVER_ID": 4,
}
"""Digits that a number of each of these types has at least."""
_UNIT = re.compile(r"[ -]?(?:years?|yrs?|months?|weeks?)\b", re.IGNORECASE)


def personal(readings: Sequence[Reading], confidence: Confidence) -> list[list[Span]]:
    """The personal data of each text that the tagger finds, in AWS's types, from left to right."""
    return [in_aws(each.text, told(each, HEAD, LABELS, confidence)) for each in readings]


def in_aws(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans that are of one of AWS's types and have its form, in that type."""
    named = [replace(each, label=AWS[each.label]) for each in spans if each.label in AWS]
    named = [on_one_line(text, each) if each.label == "NAME" else each for each in named]
    named = [bare(text, each) if each.label in ("NAME", "ADDRESS") else each for each in named]
    named = [each for each in named if _has_form(text[each.begin : each.end], each.label)]
    return [with_unit(text, each) for each in _without_amounts(text, named)]


def _without_amounts(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans without ages that are a part of an amount: "8" of "8,849 m", "14" of "14-inch"."""
    if not any(each.label == "AGE" for each in spans):
        return list(spans)
    amounts = [(each.begin, each.end) for each in grammar.quantities(text)]
    kept = []
    for each in spans:
        begin, end = amounts[at - 1] if (at := bisect_right(amounts, (each.end, 0))) else (0, 0)
        counted = begin <= each.begin and each.end < end and text[each.end : end]
        if each.label != "AGE" or not counted or _OF_AGES.match(counted):
            kept.append(each)
    return kept


_OF_AGES = re.compile(
    r"[ -]?(?:years?|yrs?|yo|months?|weeks?|days?)\b| ?[-–] ?\d| (?:to|or|and) \d", re.IGNORECASE
)
"""What follows a number that is an age's, within an amount."""


def _has_form(words: str, label: str) -> bool:
    """Whether the words can be of the type: the tagger sees what stands around, and little of digits."""
    if label == "IP_ADDRESS" and words.count(".") != 3 and ":" not in words:
        return False
    if label == "AGE" and any(each in "°%$€£" for each in words):
        return False
    digits = sum(each.isdigit() for each in words)
    if label in _DIGITS:
        return digits >= _DIGITS[label]
    if label == "DATE_TIME":
        return digits > 0 or bool(grammar.dates(words))
    if label in ("EMAIL", "URL"):
        return ("@" if label == "EMAIL" else ".") in words
    if label == "ADDRESS":
        return any(each.isalnum() for each in words) and not _measured(words)
    return label != "NAME" or any(each.isalpha() for each in words)


def _measured(words: str) -> bool:
    """Whether all of the words are an amount with its unit ("35°C")."""
    found = grammar.quantities(words)
    return len(found) == 1 and found[0].score > 0.95 and len(words) == found[0].end - found[0].begin


def with_unit(text: str, span: Span) -> Span:
    """The span; an age with the unit of time behind it, as AWS tells it ("40 years" of "40 years old")."""
    unit = _UNIT.match(text, span.end) if span.label == "AGE" else None
    return span if unit is None else replace(span, end=unit.end())
