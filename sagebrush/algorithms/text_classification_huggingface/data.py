"""Labelled sentences: the names of their labels, and the part that is held back for validation.

Source: AWS's notebook Amazon_JumpStart_HuggingFace_Text_Classification.
"""

from __future__ import annotations

from contract import labelled_texts
from contract.channels import Channel

Samples = labelled_texts.Samples[str]


def read(channel: Channel) -> Samples:
    """The samples of the channel's data.csv; raises ClientError with the line."""
    return labelled_texts.read(channel, _label)


def classes(samples: Samples) -> tuple[str, ...]:
    """The labels that occur, whole numbers by value; raises ClientError where there is but one."""
    found = labelled_texts.classes(samples)
    if all(_number(label) is not None for label in found):
        return tuple(sorted(found, key=int))
    return found


def shown(label: str) -> str:
    """The label as predictions name it: `LABEL_3` for the number 3, as Transformers does; others as
    they are in the data."""
    return f"LABEL_{int(label)}" if _number(label) is not None else label


def split(samples: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """(training, validation): `share` of the samples, drawn at random, are held back."""
    held = min(max(1, round(share * len(samples))), len(samples) - 1) if share else 0
    return labelled_texts.split(samples, held, seed)


def _label(text: str) -> str:
    """The label in a row's first column; raises ValueError where it is missing."""
    if not text.strip():
        raise ValueError("the label is missing")
    return text.strip()


def _number(label: str) -> int | None:
    """The whole number that the label is, written plainly; else None."""
    return int(label) if label.isascii() and label.isdigit() and str(int(label)) == label else None
