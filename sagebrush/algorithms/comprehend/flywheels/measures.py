"""How well a model does on documents of which people have said what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy

from ..custom.classifiers import metrics
from ..custom.recognizers import span_metrics
from ..custom.recognizers.annotated import Mention
from ..program import Stopped, Stopping
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


def averages(found: Mapping[str, float]) -> dict[str, float]:
    """The flywheel's metrics of a model, given its EvaluationMetrics."""
    return {ours: found[name] for name, ours in NAMES.items() if name in found}


def of_classifier(
    model: Model, mode: str, tested: Sequence[Labelled], stopping: Stopping
) -> Mapping[str, Any]:
    """EvaluationMetrics, and the confusion matrix as training has it."""
    several = mode == "MULTI_LABEL"
    found = [_told(answer, several) for answer in _answers(model, tested, stopping)]
    truth = [each.labels for each in tested]
    names = sorted({name for labels in (*truth, *found) for name in labels})
    true, given = _table(truth, names), _table(found, names)
    return {
        "EvaluationMetrics": metrics.evaluated(true, given, several),
        "ConfusionMatrix": metrics.confusion(true, given, names, several),
    }


def _table(labels: Sequence[Sequence[str]], names: Sequence[str]) -> numpy.ndarray:
    """bool [documents, labels]: which has which."""
    return numpy.array([[name in each for name in names] for each in labels], bool)


def _told(answer: Mapping[str, Any], several: bool) -> list[str]:
    """The labels that the model gives a document: of a multi-label one's answer every one."""
    told = answer["Labels"] if several else answer["Classes"][:1]
    return [each["Name"] for each in told]


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
            raise Stopped
        yield from model.answer([each.text for each in tested[start : start + BATCH]])
