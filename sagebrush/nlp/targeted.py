"""The sentiment towards spans of a text: what DetectTargetedSentiment says of each mention."""

from __future__ import annotations

from collections.abc import Sequence

from .calibration import softmax
from .encoder import Encoder, Reading
from .spans import Span

HEAD = "targeted"
LABELS = ("POSITIVE", "NEGATIVE", "NEUTRAL", "MIXED")


def scores(
    encoder: Encoder, readings: Sequence[Reading], targets: Sequence[Sequence[Span]]
) -> list[list[dict[str, float]]]:
    """For each target of each text the probabilities of LABELS.

    MIXED is always 0: no data set with it was there to learn from.
    """
    head = encoder.heads[HEAD]
    told = []
    for reading, spans in zip(readings, targets, strict=True):
        chances = softmax(encoder.towards(reading, spans, HEAD), head.temperature)
        told.append(
            [
                {
                    label: float(row[head.classes.index(label)]) if label in head.classes else 0.0
                    for label in LABELS
                }
                for row in chances
            ]
        )
    return told
