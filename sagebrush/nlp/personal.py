"""Personal data that a tagger finds, in the types of DetectPiiEntities: what `pii.find` takes beside its
rules.

The tagger knows 17 types (those of Presidio's synthetic set). Organisations, titles and nationalities are
none of AWS's types and are left out.

https://docs.aws.amazon.com/comprehend/latest/dg/how-pii.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .confidence import Confidence
from .spans import Span
from .tagging import told

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
_UNIT = re.compile(r"[ -]?(?:years?|yrs?|months?|weeks?)\b", re.IGNORECASE)


def personal(readings: Sequence[Reading], confidence: Confidence) -> list[list[Span]]:
    """The personal data of each text that the tagger finds, in AWS's types, from left to right."""
    return [
        [with_unit(each.text, span) for span in in_aws(told(each, HEAD, LABELS, confidence))]
        for each in readings
    ]


def in_aws(spans: Sequence[Span]) -> list[Span]:
    """The spans that are of one of AWS's types, in that type."""
    return [replace(each, label=AWS[each.label]) for each in spans if each.label in AWS]


def with_unit(text: str, span: Span) -> Span:
    """The span; an age with the unit of time behind it, as AWS tells it ("40 years" of "40 years old")."""
    unit = _UNIT.match(text, span.end) if span.label == "AGE" else None
    return span if unit is None else replace(span, end=unit.end())
