"""Short texts of well-known words."""

from __future__ import annotations

import pytest

from sagebrush.nlp.language.detect import KNOWN, Detector
from sagebrush.nlp.language.familiar import familiar
from tests.nlp.language.tiny_languages import model


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hi", "en"),
        ("OK!", "en"),
        ("Hola amigo", "es"),
        ("Servus", "de"),
        ("👋 Bonjour", "fr"),
        ("thank you very much", ""),
        ("hi servus", ""),
        ("Bonjour Ada", ""),
        ("tag", ""),
        ("no", ""),
        ("", ""),
        ("👍🏽", ""),
        ("hi" + " " * 50, ""),
    ],
)
def test_familiar(text: str, expected: str) -> None:
    assert familiar(text) == expected


def test_the_language_of_a_greeting() -> None:
    found = Detector(model()).detect(["servus", "hi", "hola"])
    assert [each[0][0] for each in found[:2]] == ["de", "en"]
    assert all(KNOWN <= each[0][1] <= 1 for each in found[:2])
    assert "es" not in dict(found[2]), "the model does not know it"
