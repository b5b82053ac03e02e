"""The evaluation metrics that AWS's container has beside XGBoost's own.

Source: Amazon SageMaker AI Developer Guide, "Tune an XGBoost Model", and the names of
github.com/aws/sagemaker-xgboost-container (`metrics/custom_metrics.py`, which measures by
scikit-learn; here NumPy computes the same).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from contract.errors import ClientError

HALF = 0.5


def classes(predictions: np.ndarray, objective: str) -> np.ndarray:
    """The class of each prediction, as the objective's predictions are to be read."""
    if predictions.ndim > 1:
        return predictions.argmax(axis=1)
    if objective == "binary:logitraw":
        return (predictions > 0).astype(int)
    if objective in ("binary:logistic", "reg:logistic"):
        return (predictions > HALF).astype(int)
    return np.rint(predictions).astype(int)


def _counts(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """One row a class that occurs: (right, found, true)."""
    names = np.union1d(truth, found)
    return np.array(
        [((found == n) & (truth == n), found == n, truth == n) for n in names], float
    ).sum(axis=2)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _precision(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    counts = _counts(truth, found)
    return _share(counts[:, 0], counts[:, 1])


def _recall(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    counts = _counts(truth, found)
    return _share(counts[:, 0], counts[:, 2])


def _f1(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    counts = _counts(truth, found)
    return _share(2 * counts[:, 0], counts[:, 1] + counts[:, 2])


def _of_one(score: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., float]:
    """The score of class 1; raises ClientError where there are others than 0 and 1."""

    def binary(truth: np.ndarray, found: np.ndarray) -> float:
        names = np.union1d(truth, found)
        if not set(names.tolist()) <= {0, 1}:
            raise ClientError(
                "Target is multiclass but average='binary'. Please choose another average setting,"
                " one of [None, 'micro', 'macro', 'weighted']."
            )
        return float(score(truth, found)[names.tolist().index(1)]) if 1 in names else 0.0

    return binary


def _accuracy(truth: np.ndarray, found: np.ndarray) -> float:
    return float((truth == found).mean())


def _balanced(truth: np.ndarray, found: np.ndarray) -> float:
    there = np.isin(np.union1d(truth, found), truth)
    return float(_recall(truth, found)[there].mean())


OF_CLASSES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "f1": lambda truth, found: float(_f1(truth, found).mean()),
    "f1_macro": lambda truth, found: float(_f1(truth, found).mean()),
    "f1_binary": _of_one(_f1),
    "precision": _of_one(_precision),
    "precision_macro": lambda truth, found: float(_precision(truth, found).mean()),
    "precision_micro": _accuracy,
    "recall": _of_one(_recall),
    "recall_macro": lambda truth, found: float(_recall(truth, found).mean()),
    "recall_micro": _accuracy,
}
"""Name -> the score of (labels, classes)."""


def _mse(truth: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean((truth - found) ** 2))


def _r2(truth: np.ndarray, found: np.ndarray) -> float:
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return 1 - float(np.sum((truth - found) ** 2)) / spread if spread else 0.0


OF_NUMBERS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {"mse": _mse, "r2": _r2}
"""Name -> the score of (labels, predictions)."""
CUSTOM = {*OF_CLASSES, *OF_NUMBERS}


def score(name: str, labels: np.ndarray, predictions: np.ndarray, objective: str) -> float:
    """The metric of predictions. Raises ClientError where it does not fit them."""
    if name in OF_NUMBERS:
        if predictions.shape != labels.shape:
            raise ClientError(f"Metric '{name}' does not fit the objective {objective}.")
        return OF_NUMBERS[name](labels.astype(float), predictions.astype(float))
    return OF_CLASSES[name](labels.astype(int), classes(predictions, objective))
