"""How toxic texts are, and in which ways: what DetectToxicContent says of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from .calibration import sigmoid
from .encoder import Reading

HEAD = "toxicity"
OVERALL = "TOXICITY"
LABELS = (
    "PROFANITY", "HATE_SPEECH", "INSULT", "GRAPHIC", "HARASSMENT_OR_ABUSE", "SEXUAL",
    "VIOLENCE_OR_THREAT",
)  # fmt: skip


def scores(readings: Sequence[Reading]) -> list[dict[str, float]]:
    """For each text the probability of each of LABELS and of OVERALL: those of its worst window."""
    return [_scores(reading) for reading in readings]


def _scores(reading: Reading) -> dict[str, float]:
    if not reading.windows:
        return dict.fromkeys((*LABELS, OVERALL), 0.0)
    head = reading.heads[HEAD]
    logits = numpy.stack([each.logits[HEAD] for each in reading.windows]).max(0)
    chances = sigmoid(logits, head.temperature)
    return {label: float(chances[head.classes.index(label)]) for label in (*LABELS, OVERALL)}
