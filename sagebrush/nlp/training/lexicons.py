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


def examples(data: Path) -> list[Example]:
    """Each word, phrase and emoticon of both lexicons with its label, once."""
    folder = data / "nltk_data"
    found: dict[str, str] = {}
    with zipfile.ZipFile(folder / "sentiment" / "vader_lexicon.zip") as kept:
        for line in _lines(kept, "vader_lexicon.txt"):
            word, strength = line.split("\t")[:2]
            if abs(float(strength)) >= CLEAR:
                found[word] = "POSITIVE" if float(strength) > 0 else "NEGATIVE"
    with zipfile.ZipFile(folder / "corpora" / "opinion_lexicon.zip") as kept:
        for label in ("POSITIVE", "NEGATIVE"):
            for line in _lines(kept, f"{label.lower()}-words.txt"):
                if not line.startswith(";"):
                    found[line.replace("-", " ")] = label
    return [
        Example(word, (label,), weight=WEIGHT, source="lexicons") for word, label in found.items()
    ]


def _lines(kept: zipfile.ZipFile, name: str) -> list[str]:
    file = next(each for each in kept.namelist() if each.endswith(name))
    text = kept.read(file).decode("latin-1")
    return [line.strip() for line in text.splitlines() if line.strip()]
