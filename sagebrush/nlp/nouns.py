"""Common nouns and the type that DetectTargetedSentiment gives what they stand for: a pizza is a COMMERCIAL_ITEM.

The types are those of each noun's first sense in a WordNet (`training/nouns.py`, `models/nouns.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = "nouns.txt"
"""In the folder of models: a line for each type, with its nouns."""


@dataclass(frozen=True)
class Nouns:
    """Nouns in the singular, and irregular plurals, in small letters -> type."""

    types: Mapping[str, str]

    def type_of(self, word: str) -> str:
        """The type of what the word, as it stands in a text, is about; "" for one that is not known."""
        small = word.casefold()
        for form in _singulars(small):
            if form in self.types:
                return self.types[form]
        return ""


def _singulars(word: str) -> list[str]:
    """The word, and what it is the regular plural of."""
    told = [word]
    if word.endswith("ies") and len(word) > 4:
        told.append(word[:-3] + "y")
    if word.endswith("es") and len(word) > 3:
        told.append(word[:-2])
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        told.append(word[:-1])
    return told


def load(file: Path) -> Nouns:
    """The nouns of a file. Raises FileNotFoundError."""
    types: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        kind, *words = line.split()
        types |= dict.fromkeys(words, kind)
    return Nouns(types)


def save(file: Path, nouns: Nouns) -> None:
    """The file holds the nouns."""
    by_type: dict[str, list[str]] = {}
    for word, kind in sorted(nouns.types.items()):
        by_type.setdefault(kind, []).append(word)
    lines = [" ".join((kind, *words)) for kind, words in sorted(by_type.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
