"""Sentences of product reviews with opinions about features (Hu and Liu 2004; Ding et al. 2008; CC BY 4.0).

A line is `camera[+2], battery life[-1]##the text`: features with the strength of the opinion, marked
[u] or [p] where the feature itself is not in the sentence.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..spans import Span
from .tasks import Example

_FEATURE = re.compile(r"([^,\[\]]+?)\s*\[([+-])\s*(\d)?\]((?:\s*\[[a-z]+\])*)")


@dataclass(frozen=True)
class Sentence:
    """A sentence with its features: name, +1 or -1, and whether the sentence names it."""

    text: str
    features: tuple[tuple[str, int, bool], ...]


def sentences(data: Path) -> Iterator[Sentence]:
    """All sentences of both collections that have three words at least."""
    for name in ("product_reviews_1", "product_reviews_2"):
        with zipfile.ZipFile(data / "nltk_data" / "corpora" / f"{name}.zip") as kept:
            for file in sorted(kept.namelist()):
                if file.endswith(".txt") and not file.endswith("README.txt"):
                    yield from _read(kept.read(file).decode("utf-8", errors="replace"))


def _read(text: str) -> Iterator[Sentence]:
    for line in text.splitlines():
        told, mark, sentence = line.partition("##")
        if mark and len(sentence.split()) > 2:
            yield Sentence(
                sentence.strip(),
                tuple(
                    (name.strip(), 1 if sign == "+" else -1, not re.search(r"\[[up]\]", marks))
                    for name, sign, _, marks in _FEATURE.findall(told)
                ),
            )


def opinions(data: Path) -> list[Example]:
    """Each sentence with its sentiment; MIXED where features are liked and disliked. Those without an
    opinion weigh less: annotators looked for features alone."""
    told = []
    for each in sentences(data):
        signs = {sign for _, sign, _ in each.features}
        label = {0: "NEUTRAL", 2: "MIXED"}.get(len(signs), "POSITIVE" if 1 in signs else "NEGATIVE")
        told.append(
            Example(each.text, (label,), weight=1.0 if signs else 0.3, source="product_reviews")
        )
    return told


def targets(data: Path) -> list[Example]:
    """Each feature that its sentence names once, with the sentiment towards it."""
    told = []
    for each in sentences(data):
        for name, sign, named in each.features:
            found = list(re.finditer(rf"\b{re.escape(name)}s?\b", each.text, re.IGNORECASE))
            if named and len(found) == 1:
                span = Span(*found[0].span(), "TARGET")
                label = "POSITIVE" if sign > 0 else "NEGATIVE"
                told.append(Example(each.text, (label,), (span,), source="product_reviews"))
    return told
