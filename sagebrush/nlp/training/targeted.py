"""The sentiment towards a span of a text: persons in news (NewsMTSC, Hamborg and Donnay 2021; MIT) and
features of products (`products`).

The sets know no mixed sentiment: the head has three labels.
"""

from __future__ import annotations

from pathlib import Path

from ..spans import Span
from . import products, sets
from .tasks import Example, Kind, Task

LABELS = ("POSITIVE", "NEGATIVE", "NEUTRAL")


def task(data: Path) -> Task:
    """The task with its sets below `data`."""
    folder = data / "newsmtsc"
    train = mentions(folder / "train.jsonl.gz", "newsmtsc") + products.targets(data)
    valid = [
        each
        for part in ("mt", "rw")
        for each in mentions(folder / f"valid_{part}.jsonl", f"newsmtsc_{part}")
    ]
    return Task("targeted", Kind.TARGET, LABELS, train, valid, smoothing=0.05)


def mentions(file: Path, source: str) -> list[Example]:
    """The rows of a file, one for each mention of a person."""
    return [
        Example(
            row["sentence"],
            (row["polarity"].upper(),),
            (Span(row["from"], row["to"], "TARGET"),),
            source=source,
        )
        for row in sets.lines(file)
    ]
