"""Rules of abuse: what they find, and what they leave alone."""

from __future__ import annotations

import pytest

from sagebrush.nlp.training import abuse


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("What the fuck is that", "PROFANITY"),
        ("you are such an idiot", "INSULT"),
        ("I will kill you", "VIOLENCE_OR_THREAT"),
        ("shut up and go away", "HARASSMENT_OR_ABUSE"),
        ("she sent me nudes", "SEXUAL"),
        ("blood everywhere around the mutilated corpse", "GRAPHIC"),
    ],
)
def test_what_is_found(text: str, label: str) -> None:
    assert label in abuse.kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "The film is bad and the acting is worse.",
        "A classic passage about the assassin of Scunthorpe.",
        "My blood pressure was fine.",
        "We shot a video in Essex.",
    ],
)
def test_what_is_not(text: str) -> None:
    assert abuse.kinds(text) == set()
