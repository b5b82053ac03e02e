"""Codes of languages: those that Comprehend lists, and what the model's classes are called in them.

Amazon Comprehend identifies a language by its ISO 639-1 code, with a regional subtag if necessary, or
else by its ISO 639-2 code (Developer Guide, "Dominant language").
"""

from __future__ import annotations

LISTED = frozenset(
    [
        "af",
        "am",
        "ar",
        "as",
        "az",
        "ba",
        "be",
        "bg",
        "bn",
        "bs",
        "ca",
        "ceb",
        "cs",
        "cv",
        "cy",
        "da",
        "de",
        "el",
        "en",
        "eo",
        "es",
        "et",
        "eu",
        "fa",
        "fi",
        "fr",
        "ga",
        "gd",
        "gl",
        "gu",
        "ha",
        "he",
        "hi",
        "hr",
        "ht",
        "hu",
        "hy",
        "id",
        "ilo",
        "is",
        "it",
        "ja",
        "jv",
        "ka",
        "kk",
        "km",
        "kn",
        "ko",
        "ku",
        "ky",
        "la",
        "lb",
        "lo",
        "lt",
        "lv",
        "mg",
        "mk",
        "ml",
        "mn",
        "mr",
        "ms",
        "mt",
        "my",
        "ne",
        "new",
        "nl",
        "no",
        "om",
        "or",
        "pa",
        "pl",
        "ps",
        "pt",
        "qu",
        "ro",
        "ru",
        "sa",
        "sd",
        "si",
        "sk",
        "sl",
        "so",
        "sq",
        "sr",
        "su",
        "sv",
        "sw",
        "ta",
        "te",
        "tg",
        "th",
        "tk",
        "tl",
        "tr",
        "tt",
        "ug",
        "uk",
        "ur",
        "uz",
        "vi",
        "yi",
        "yo",
        "zh",
        "zh-TW",
    ]
)
"""The languages of the guide's table."""

UNKNOWN = frozenset({"ba", "new", "sd"})
"""Listed there, and not told by the model: no text of a free licence was at hand to learn them from."""

MOST_READ = frozenset(["ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "pt", "ru", "zh"])
"""What Comprehend's other operations take, and Russian."""

_CODES = {"nb": "no", "nn": "no", "kmr": "ku", "ckb": "ku"}

TRADITIONAL = "zh-TW"


def code(language: str) -> str:
    """What Comprehend calls a class of the model: both written forms of Norwegian are `no`, both
    Kurdish languages `ku`. A language that the guide does not list keeps its own code."""
    return _CODES.get(language, language)
