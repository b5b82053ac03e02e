"""What Comprehend says of one text, asked through its API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sagebrush.commands.analysis.pieces import pieces

LONG, SHORT = 100_000, 5_000
"""Bytes of a text that an operation takes (developer guide, "Guidelines and quotas")."""
PARTS = {
    "entities": ("detect_entities", "Entities"),
    "pii": ("detect_pii_entities", "Entities"),
    "phrases": ("detect_key_phrases", "KeyPhrases"),
}
"""What is found at places of the text -> the client's method that finds it, and the answer's member."""
UNREAD = "UnsupportedLanguageException"
SURE, USUAL = 0.5, "en"
"""The score from which on a text is in its dominant language; below it, as of two words, and where it has no
language, as of digits, it is taken to be in this one."""


@dataclass(frozen=True)
class Found:
    """Something at a place of the text."""

    begin: int
    end: int
    label: str
    score: float


@dataclass
class Answers:
    """What is known of a text. Offsets are those of the whole text."""

    text: str
    languages: Sequence[tuple[str, float]] = ()
    sentiment: Mapping[str, float] = field(default_factory=dict)
    """Label -> score: the mean of the text's parts, each by its length."""
    sentiments: int = 0
    """How many parts were read for it."""
    places: dict[str, list[Found]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """What could not be told -> the server's words."""
    read_as: str = "en"
    """The code of the language that it was read in."""


def ask(client: Any, text: str, language: str, wanted: Sequence[str]) -> Answers:
    """What the server says of the text; in its dominant language where none is given.

    `wanted` are of `sentiment` and PARTS. Raises botocore's ClientError, but for a language that an
    operation does not read, which is told.
    """
    told = Answers(text)
    piece = next(each for _, each in pieces(text, LONG))
    found = client.detect_dominant_language(Text=piece)["Languages"]
    told.languages = [(each["LanguageCode"], each["Score"]) for each in found]
    sure = [code for code, score in told.languages[:1] if score >= SURE]
    code = told.read_as = language or (sure[0] if sure else USUAL)
    for part in wanted:
        try:
            if part == "sentiment":
                _sentiment(client, told, code)
            else:
                told.places[part] = _places(client, text, code, part)
        except client.exceptions.ClientError as error:
            said = error.response["Error"]
            # A language that AWS has not is an invalid value of a member.
            if said["Code"] != UNREAD and "languageCode" not in said["Message"]:
                raise
            told.refused[part] = f"not read in {code}"
    return told


def _sentiment(client: Any, told: Answers, code: str) -> None:
    total, sums = 0, dict[str, float]()
    for _, piece in pieces(told.text, SHORT):
        scores = client.detect_sentiment(Text=piece, LanguageCode=code)["SentimentScore"]
        for name, score in scores.items():
            sums[name] = sums.get(name, 0.0) + score * len(piece)
        total += len(piece)
        told.sentiments += 1
    told.sentiment = {name: each / total for name, each in sums.items()}


def _places(client: Any, text: str, code: str, part: str) -> list[Found]:
    method, member = PARTS[part]
    found: list[Found] = []
    for start, piece in pieces(text, LONG):
        for each in getattr(client, method)(Text=piece, LanguageCode=code)[member]:
            begin, end = start + each["BeginOffset"], start + each["EndOffset"]
            found.append(Found(begin, end, each.get("Type", "PHRASE"), each["Score"]))
    return found
