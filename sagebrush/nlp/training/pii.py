"""Personal data that patterns cannot find: names, addresses, ages, and what else context tells.

The head tells the 17 types of Presidio's synthetic set (Microsoft, presidio-research; MIT), which is
1,004 sentences from 139 templates. Others are made up (`fictions`), and names, places and organisations
in WikiGold and the Broad Twitter Corpus (CC BY 4.0) show what they look like in running text.
"""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

from ..personal import HEAD, LABELS
from ..spans import Span
from . import entities, fictions, mixtures, sets
from .tasks import Example, Kind, Task

RUNNING = {"PERSON": "PERSON", "LOCATION": "GPE", "ORGANIZATION": "ORGANIZATION"}
VALIDATION = 5
"""Templates whose number is 2 beyond a multiple of this are for validation: no template is in both parts."""


NAMELESS = 1000
"""Texts with two opinions and without personal data."""


def task(data: Path) -> Task:
    """The task with its sets below `data`."""
    first = [*presidio(data, "train"), *made(data, 3500), *running(data)]
    plain = [Example(text, source=mixtures.SOURCE) for text in mixtures.nameless(NAMELESS, 16)]
    valid = presidio(data, "valid")
    return Task(HEAD, Kind.TOKENS, LABELS, [*first, *plain], valid, sampling=2.0, first=first)


def presidio(data: Path, part: str) -> list[Example]:
    """Sentences from templates."""
    rows = sets.lines(data / "pii_presidio" / "train.jsonl")
    return [
        Example(
            row["text"],
            spans=tuple(Span(begin, end, label) for begin, end, label in sorted(row["entities"])),
            source="pii_presidio",
        )
        for row in rows
        if (row["template_id"] % VALIDATION == 2) == (part == "valid")
    ]


def made(data: Path, count: int) -> list[Example]:
    """Made-up texts, the same each time."""
    drawer = fictions.Drawer(random.Random(5), given_names(data))
    return [
        Example(text, spans=spans, source="fictions")
        for text, spans in (drawer.text() for _ in range(count))
    ]


def given_names(data: Path) -> list[str]:
    """Given names in English-speaking countries (Kantrowitz, in NLTK's data)."""
    with zipfile.ZipFile(data / "nltk_data" / "corpora" / "names.zip") as kept:
        told = [kept.read(f"names/{each}.txt").decode("utf-8") for each in ("female", "male")]
    return sorted({name.strip() for each in told for name in each.split("\n") if name.strip()})


def running(data: Path, tweets: int = 1500) -> list[Example]:
    """WikiGold and some tweets; of personal data they tell names, places and organisations alone."""
    known = frozenset(RUNNING.values())
    chosen = entities.btc(data, "train", natural=True)
    random.Random(2).shuffle(chosen)
    return [
        Example(
            each.text,
            spans=tuple(
                Span(span.begin, span.end, RUNNING[span.label])
                for span in each.spans
                if span.label in RUNNING
            ),
            known=known,
            weight=0.5,
            source=each.source,
        )
        for each in [*entities.wikigold(data, "train", natural=True), *chosen[:tweets]]
    ]
