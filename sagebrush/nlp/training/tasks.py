"""What the encoder is taught: a task, its examples, and what of a text they tell.

A task is a head over the shared encoder. Its module (`training/NAME.py`) offers

    def task(data: Path) -> Task        # reads its sets below `data`, the folder SAGEBRUSH_EVAL_DATA

and is named in `training/__main__.py`. The trainer mixes batches of all tasks; each batch is of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from ..spans import Span


class Kind(Enum):
    """What a head answers."""

    SINGLE = "sentence-single-label"
    """A distribution over labels for a text (softmax)."""
    MULTIPLE = "sentence-multi-label"
    """A probability of each label for a text (sigmoid)."""
    TOKENS = "token-labels"
    """A distribution over O, B-label and I-label for each word of a text."""
    TARGET = "target-labels"
    """A distribution over labels for a span of a text, which token types mark."""


@dataclass(frozen=True)
class Example:
    """One text of a data set, with what is known about it."""

    text: str
    labels: tuple[str, ...] = ()
    """SINGLE and TARGET: the label. MULTIPLE: those that hold. TOKENS: unused."""
    spans: tuple[Span, ...] = ()
    """TOKENS: what is named in the text, without overlaps. TARGET: the one target (its label unused)."""
    known: frozenset[str] | None = None
    """The labels that the set tells about; None for all. MULTIPLE: others are not trained. TOKENS: a
    word outside of spans may be any label that is not known. SINGLE: one of these labels holds, where
    `labels` is empty."""
    weight: float = 1.0
    """What the loss of the example is multiplied with."""
    source: str = ""
    """The data set, by which figures are told apart."""


@dataclass(frozen=True)
class Task:
    """A head with what it is taught.

    `sampling` is the number of passes over `train` in one training, so that sets of different size may
    be seen equally often. `smoothing` is the part of a SINGLE or TARGET label that goes to all labels.
    `first` is what the first of the two learnings is given instead of `train`, where it is given
    (`joint.learn`): the same without texts that rules and patterns made.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    train: Sequence[Example] = field(repr=False)
    valid: Sequence[Example] = field(repr=False)
    loss: float = 1.0
    sampling: float = 3.0
    smoothing: float = 0.0
    first: Sequence[Example] = field(default=(), repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the head's outputs: for tokens O, then B- and I- of each label."""
        if self.kind is not Kind.TOKENS:
            return self.labels
        return ("O", *(f"{part}-{label}" for label in self.labels for part in "BI"))
