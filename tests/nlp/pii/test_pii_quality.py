"""The rules on real and synthetic texts: what they find, and what they claim where nothing is. Needs SAGEBRUSH_EVAL_DATA."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from sagebrush.nlp.pii import find
from tests.needs import eval_data

pytestmark = pytest.mark.costs("reads thousands of sentences")

TYPES = {
    "CREDIT_CARD": "CREDIT_DEBIT_NUMBER",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "DOMAIN_NAME": "URL",
    "US_SSN": "SSN",
    "IBAN_CODE": "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
    "IP_ADDRESS": "IP_ADDRESS",
    "US_DRIVER_LICENSE": "DRIVER_ID",
}
"""Presidio's types that have a form, as AWS's."""
IN_RUNNING_TEXT = {"ADDRESS", "AGE", "DATE_TIME", "EMAIL", "NAME", "PHONE", "URL", "USERNAME"}


def test_types_with_a_form() -> None:
    """All 258 of Presidio's visible sentences are found with their offsets, and nothing else of these types."""
    lines = (eval_data("pii_presidio") / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    truth = {
        (number, begin, end, TYPES[label])
        for number, row in enumerate(rows)
        for begin, end, label in row["entities"]
        if label in TYPES
    }
    found = {
        (number, span.begin, span.end, span.label)
        for number, spans in enumerate(find([row["text"] for row in rows]))
        for span in spans
        if span.label in TYPES.values()
    }
    assert len(truth) == 258
    assert found == truth


def test_spoken_requests_hold_no_identifiers() -> None:
    """13,102 requests to a voice assistant hold numbers, times and names of songs, and not one identifier."""
    with gzip.open(eval_data("snips") / "train.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    claimed = {span.label for spans in find(texts) for span in spans}
    assert claimed <= IN_RUNNING_TEXT
