"""Metrics and confusion matrices of classifiers, by the guide's own examples and by hand."""

from __future__ import annotations

import numpy
import pytest

from sagebrush.algorithms.comprehend.custom.classifiers import metrics


def hot(labels: list[int], count: int) -> numpy.ndarray:
    return numpy.eye(count, dtype=bool)[labels]


def test_the_accuracy_of_the_guide() -> None:
    truth, told = hot([1, 0, 2, 3, 2, 1, 3], 4), hot([1, 1, 3, 3, 2, 1, 3], 4)
    found = metrics.evaluated(truth, told, False)
    assert found["Accuracy"] == pytest.approx(5 / 7)
    assert found["HammingLoss"] == pytest.approx(2 / 7)
    assert found["MicroPrecision"] == found["MicroRecall"] == found["MicroF1Score"]
    assert found["MicroF1Score"] == pytest.approx(5 / 7)
    # of the labels: 0/0, 2/3, 1/1, 2/3 of those told, and 0/1, 2/2, 1/2, 2/2 of those there
    assert found["Precision"] == pytest.approx((0 + 2 / 3 + 1 + 2 / 3) / 4)
    assert found["Recall"] == pytest.approx((0 + 1 + 1 / 2 + 1) / 4)
    assert found["F1Score"] == pytest.approx((0 + 4 / 5 + 2 / 3 + 4 / 5) / 4)


def test_the_confusion_matrix_of_the_guide() -> None:
    rows = [[1, 2, 0, 4], [0, 3, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1]]
    pairs = [(i, j) for i, row in enumerate(rows) for j, n in enumerate(row) for _ in range(n)]
    truth, told = hot([i for i, _ in pairs], 4), hot([j for _, j in pairs], 4)
    assert metrics.confusion(truth, told, ["A", "B", "X", "Y"], False) == {
        "type": "multi_class",
        "confusion_matrix": rows,
        "labels": ["A", "B", "X", "Y"],
        "all_labels": ["A", "B", "X", "Y"],
    }


SEVERAL = (
    numpy.array([[1, 0], [1, 1], [0, 1], [0, 0]], bool),
    numpy.array([[1, 0], [0, 1], [1, 1], [0, 0]], bool),
)


def test_the_matrices_of_several_labels() -> None:
    found = metrics.confusion(*SEVERAL, ["Comedy", "Drama"], True)
    assert found["type"] == "multi_label"
    assert found["confusion_matrix"] == [[[1, 1], [1, 1]], [[2, 0], [0, 2]]]


def test_the_metrics_of_several_labels() -> None:
    found = metrics.evaluated(*SEVERAL, True)
    assert found["Accuracy"] == 0.5
    assert found["HammingLoss"] == 2 / 8
    assert found["Precision"] == found["Recall"] == found["F1Score"] == 0.75
    assert found["MicroF1Score"] == pytest.approx(3 / 4)


def test_labels_that_are_nowhere_count_for_nothing() -> None:
    truth = hot([0, 0], 3)
    assert metrics.evaluated(truth, truth, False)["F1Score"] == 1


def test_no_test_documents_have_no_metrics_but_zeros() -> None:
    nothing = numpy.zeros((0, 2), bool)
    assert set(metrics.evaluated(nothing, nothing, True).values()) == {0.0}
    assert metrics.confusion(nothing, nothing, ["A", "B"], False)["confusion_matrix"] == [
        [0, 0],
        [0, 0],
    ]
