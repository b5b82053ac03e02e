"""Examples with integer labels, and the part that is held back for validation.

Source: Amazon SageMaker AI Developer Guide, Input and output interface for the Text Classification -
TensorFlow algorithm.
"""

from __future__ import annotations

import re

from contract import hyperparameters, labelled_texts
from contract.channels import Channel

Examples = labelled_texts.Samples[int]

SEED = 7
"""Of the split: the same data is split alike in every job."""
_LABEL = re.compile(r"\s*[+-]?\d{1,18}\s*")


def read(channel: Channel) -> Examples:
    """The channel's data.csv; raises ClientError that names the line of the fault."""
    return labelled_texts.read(channel, _label)


def split(examples: Examples, ratio: float) -> tuple[Examples, Examples]:
    """(training, validation), split at random by a fixed seed; raises ClientError where nothing is
    left to train on. `ratio` 0 means no validation; otherwise it has one example at least."""
    held = max(int(len(examples) * ratio), 1) if ratio else 0
    if held >= len(examples):
        expects = f"a number that leaves some of the {len(examples)} examples for training"
        raise hyperparameters.invalid("validation_split_ratio", ratio, expects)
    return labelled_texts.split(examples, held, SEED)


def _label(text: str) -> int:
    """The label in a row's first column; raises ValueError that says what is wrong."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"the label {text[:100]!r} is not an integer")
    if int(text) < 0:
        raise ValueError(f"the label {int(text)} is negative: labels are integers from 0 on")
    return int(text)
