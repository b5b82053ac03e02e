"""How well a model does on documents of which people have said what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..custom import span_metrics
from ..custom.annotated import Mention
from ..program import Stopping
from ..failures import JobFailed
from .pool import Labelled

BATCH = 64
"""Documents that are asked about together."""
NAMES = {
    "F1Score": "AverageF1Score",
    "Precision": "AveragePrecision",
    "Recall": "AverageRecall",
    "Accuracy": "AverageAccuracy",
}
"""Members of EvaluationMetrics -> those of FlywheelModelEvaluationMetrics; a recognizer has no accuracy."""


class Model(Protocol):
    """A custom model (`nlp.custom.model`)."""

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """One document in AWS's shape for each text."""
        ...


def averages(metrics: Mapping[str, float]) -> dict[str, float]:
    """The flywheel's metrics of a model."""
    return {ours: metrics[name] for name, ours in NAMES.items() if name in metrics}


def of_recognizer(
    model: Model, tested: Sequence[Labelled], stopping: Stopping
) -> Mapping[str, Any]:
    """EvaluationMetrics and EntityTypes, parts of 1: an entity is right where its offsets and type are."""
    found = [
        [
            (Mention(each["BeginOffset"], each["EndOffset"], each["Type"]), each["Score"])
            for each in answer["Entities"]
        ]
        for answer in _answers(model, tested, stopping)
    ]
    told = span_metrics.outcomes([each.mentions for each in tested], found)
    types = sorted({*told.there, *told.found})
    return span_metrics.metadata(told, types, {}, 1.0)


def _answers(
    model: Model, tested: Sequence[Labelled], stopping: Stopping
) -> Iterator[dict[str, Any]]:
    for start in range(0, len(tested), BATCH):
        if stopping():
            raise JobFailed("STOPPED: The job was stopped.")
        yield from model.answer([each.text for each in tested[start : start + BATCH]])
