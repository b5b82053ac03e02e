"""How well a classifier does on test documents: AWS's metrics and confusion matrix.

Source: Amazon Comprehend Developer Guide, "Custom classifier metrics", which refers to scikit-learn's
definitions: macro averages are over the labels that the test documents have or were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy


def evaluated(truth: numpy.ndarray, told: numpy.ndarray, several: bool) -> dict[str, float]:
    """ClassifierEvaluationMetrics. Both arrays are bool [documents, labels]; with one label for each
    document unless `several`. Accuracy is the share of documents whose labels are exactly right."""
    right = (truth & told).sum(0).astype(float)
    given, there = told.sum(0), truth.sum(0)
    seen = (given + there) > 0
    precision = _ratio(right, given)[seen]
    recall = _ratio(right, there)[seen]
    score = _ratio(2 * right, given + there)[seen]
    micro = [_ratio(right.sum(), total.sum()) for total in (given, there)]
    accuracy = float((truth == told).all(1).mean()) if len(truth) else 0.0
    wrong = float((truth != told).mean()) if truth.size else 0.0
    return {
        "Accuracy": accuracy,
        "Precision": _mean(precision),
        "Recall": _mean(recall),
        "F1Score": _mean(score),
        "MicroPrecision": float(micro[0]),
        "MicroRecall": float(micro[1]),
        "MicroF1Score": float(_ratio(2 * right.sum(), given.sum() + there.sum())),
        "HammingLoss": wrong if several else 1 - accuracy,
    }


def confusion(
    truth: numpy.ndarray, told: numpy.ndarray, labels: Sequence[str], several: bool
) -> dict[str, Any]:
    """The document in `confusion_matrix.json`: rows are actual labels, columns predicted ones; for several
    labels one matrix each, whose rows and columns are No and Yes."""
    one, two = truth.astype(int), told.astype(int)
    if several:
        both, missed, wrong = (one & two).sum(0), (one & ~told).sum(0), (two & ~truth).sum(0)
        neither = len(one) - both - missed - wrong
        matrix = numpy.stack([neither, wrong, missed, both], 1).reshape(-1, 2, 2)
    else:
        matrix = one.T @ two
    return {
        "type": "multi_label" if several else "multi_class",
        "confusion_matrix": matrix.tolist(),
        "labels": list(labels),
        "all_labels": list(labels),
    }


def _ratio(part: Any, whole: Any) -> Any:
    """0 where the whole is."""
    return numpy.divide(
        part, whole, out=numpy.zeros_like(part, float), where=numpy.asarray(whole) > 0
    )


def _mean(values: numpy.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
