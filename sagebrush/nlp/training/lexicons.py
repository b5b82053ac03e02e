"""Words with their sentiment as the shortest of texts: what reviews and comments hold rarely or never.

The opinion lexicon (Hu and Liu 2004; CC BY 4.0) and VADER's, which has emoticons and the slang of posts
(Hutto and Gilbert 2014; MIT).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from .tasks import Example

CLEAR = 1.0
"""The least strength (of 4) by which a word of VADER's counts."""
WEIGHT = 0.3


def strengths(data: Path) -> dict[str, float]:
    """VADER's words, phrases and emoticons with their strength, from -4 to 4."""
    told: dict[str, float] = {}
    with zipfile.ZipFile(data / "nltk_data" / "sentiment" / "vader_lexicon.zip") as kept:
        for line in _lines(kept, "vader_lexicon.txt"):
            word, strength = line.split("\t")[:2]
            told[word] = float(strength)
    return told


def opinions(data: Path) -> dict[str, str]:
    """The opinion lexicon's words and phrases with their label."""
    told: dict[str, str] = {}
    with zipfile.ZipFile(data / "nltk_data" / "corpora" / "opinion_lexicon.zip") as kept:
        for label in ("POSITIVE", "NEGATIVE"):
            for line in _lines(kept, f"{label.lower()}-words.txt"):
                if not line.startswith(";"):
                    told[line.replace("-", " ")] = label
    return told


def clear(data: Path) -> dict[str, str]:
    """What VADER's lexicon is clear about, with its label."""
    return {
        word: "POSITIVE" if strength > 0 else "NEGATIVE"
        for word, strength in strengths(data).items()
        if abs(strength) >= CLEAR
    }


def examples(data: Path) -> list[Example]:
    """Each word, phrase and emoticon of both lexicons with its label, once."""
    found = clear(data) | opinions(data)
    return [
        Example(word, (label,), weight=WEIGHT, source="lexicons") for word, label in found.items()
    ]


def _lines(kept: zipfile.ZipFile, name: str) -> list[str]:
    file = next(each for each in kept.namelist() if each.endswith(name))
    text = kept.read(file).decode("latin-1")
    return [line.strip() for line in text.splitlines() if line.strip()]
