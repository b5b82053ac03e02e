"""The languages of texts: which AWS accepts for an operation, and which its models here read; pure.

Source: Amazon Comprehend developer guide, "Languages supported in Amazon Comprehend".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.errors import AwsError

NAMES: Mapping[str, str] = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "pt": "Portuguese",
    "zh": "Chinese (simplified)",
    "zh-TW": "Chinese (traditional)",
}
"""Language code -> what the guide calls it: all that some operation accepts at AWS."""
EVERY = tuple(NAMES)
ENGLISH = ("en",)


@dataclass(frozen=True)
class Reading:
    """Which languages an operation reads."""

    aws: tuple[str, ...]
    """Those that AWS accepts."""
    here: tuple[str, ...]
    """Those that it is answered in here."""
    lacks: str
    """What there is no model of in the others."""


PII = Reading(("en", "es"), ("en", "es"), "personal data")
READ: Mapping[str, Reading] = {
    "DetectEntities": Reading(EVERY, ENGLISH, "entities"),
    "DetectKeyPhrases": Reading(EVERY, ENGLISH, "key phrases"),
    "DetectSentiment": Reading(EVERY, ENGLISH, "sentiment"),
    "DetectSyntax": Reading(("de", "en", "es", "fr", "it", "pt"), ENGLISH, "syntax"),
    "DetectTargetedSentiment": Reading(ENGLISH, ENGLISH, "targeted sentiment"),
    "DetectPiiEntities": PII,
    "ContainsPiiEntities": PII,
    "DetectToxicContent": Reading(ENGLISH, ENGLISH, "toxicity"),
}
"""Operation -> what it reads; DetectDominantLanguage is asked for the language instead."""


def check(task: str, code: str) -> None:
    """Returns where texts of that language are read here by the task: an operation on one document.

    Raises UnsupportedLanguageException, which says whether AWS has the language or only this server
    lacks it.
    """
    reading = READ[task]
    if code in reading.here:
        return
    known = ", ".join(reading.here)
    if code in reading.aws:
        words = (
            f"{task} is not answered here for the language code {code}: there is no model of"
            f" {reading.lacks} in {NAMES[code]} on this server. Supported here: {known}."
        )
    else:
        words = f"{task} does not support the language code {code}. Supported: {known}."
    raise AwsError("UnsupportedLanguageException", words)
