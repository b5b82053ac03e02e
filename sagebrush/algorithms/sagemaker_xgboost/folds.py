"""Cross validation (`_kfold`): one model for each fold, and the predictions of the rows left out.

Source: github.com/aws/sagemaker-xgboost-container (`train.py`, `prediction_utils.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from contract.errors import ClientError

from . import log, metrics

PREDICTIONS = "predictions.csv"


def folds(
    labels: np.ndarray, count: int, repeats: int, stratified: bool, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows to train on, rows to test on), `count` times `repeats` pairs; `stratified` has each class
    in each fold as often as in the whole."""
    for repeat in range(repeats):
        order = np.random.default_rng([seed, repeat]).permutation(len(labels))
        if stratified:
            order = order[np.argsort(labels[order], kind="stable")]
        fold = np.empty(len(labels), int)
        fold[order] = np.arange(len(labels)) % count
        for number in range(count):
            yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def check(labels: np.ndarray, count: int, stratified: bool, ranked: bool) -> None:
    """Raises ClientError, in scikit-learn's words, where the rows cannot be parted into that many folds,
    and where they are `ranked` within queries."""
    if ranked:
        raise ClientError("_kfold: rows that belong to queries (qid) cannot be parted into folds")
    if count > len(labels):
        raise ClientError(
            f"Cannot have number of splits n_splits={count} greater than the number of samples:"
            f" n_samples={len(labels)}."
        )
    if stratified and count > int(np.unique(labels, return_counts=True)[1].max()):
        raise ClientError(
            f"n_splits={count} cannot be greater than the number of members in each class."
        )


class Predictions:
    """What the models predict for the rows that they were not trained on."""

    def __init__(self, labels: np.ndarray, repeats: int, objective: str) -> None:
        self._labels = labels
        self._objective = objective
        self._seen = np.zeros(len(labels), int)
        self._numbers = np.zeros((len(labels), repeats))
        self._classes = np.zeros((len(labels), repeats))
        self.classifies = objective.startswith(("binary:", "multi:"))

    def add(self, rows: np.ndarray, found: np.ndarray) -> None:
        """The predictions of these rows are kept."""
        places = self._seen[rows]
        if self.classifies:
            self._classes[rows, places] = metrics.classes(found, self._objective)
            found = found.max(axis=1) if found.ndim > 1 else found
        self._numbers[rows, places] = found
        self._seen[rows] += 1

    def save(self, folder: Path) -> None:
        """predictions.csv is in the folder: the label, the mean probability (or prediction) and, of a
        classification, the most frequent class."""
        folder.mkdir(parents=True, exist_ok=True)
        columns = [self._labels, self._numbers.mean(axis=1)]
        if self.classifies:
            columns.append(np.array([_most_frequent(row) for row in self._classes]))
        log.info(f"Storing predictions on validation set(s) in {folder / PREDICTIONS}")
        np.savetxt(folder / PREDICTIONS, np.column_stack(columns), delimiter=",", fmt="%f")


def _most_frequent(row: np.ndarray) -> float:
    names, counts = np.unique(row, return_counts=True)
    return float(names[counts.argmax()])


def report(rounds: int, results: list[dict[tuple[str, str], float]]) -> str:
    """The line of the means over folds, in the form of a round's."""
    names = list(dict.fromkeys(metric for _, metric in results[0]))
    parts = [
        f"{name}-{metric}:{np.mean([result[name, metric] for result in results]):.5f}"
        for metric in names
        for name in ("train", "validation")
    ]
    return log.TAB.join([f"[{rounds}]", *parts])


def run(
    whole: Any,
    labels: np.ndarray,
    asked: tuple[int, int],
    kept: Predictions,
    train: Callable[[Any, Any, int], tuple[Any, dict[tuple[str, str], float]]],
    rounds: int,
    seed: int = 0,
) -> list[Any]:
    """The models of all folds; `asked` are folds and repeats, `train(train, test, number)` makes one.
    The means are in the log, the predictions in `kept`."""
    count, repeats = asked
    log.info(f"Run {repeats}-round of {count}-fold cross validation with {whole.num_row()} rows")
    models, results = [], []
    for number, (inside, outside) in enumerate(
        folds(labels, count, repeats, kept.classifies, seed)
    ):
        log.info(f"Train cross validation fold {number % count + 1}")
        test = whole.slice(outside)
        model, scores = train(whole.slice(inside), test, number)
        kept.add(outside, np.asarray(model.predict(test)))
        models.append(model)
        results.append(scores)
        if len(models) % count == 0:
            log.info(f"The metrics of round {len(models) // count} cross validation")
            print(report(rounds, results[-count:]), flush=True)
    if repeats > 1:
        log.info(f"The overall metrics of {repeats}-round cross validation")
        print(report(rounds, results), flush=True)
    return models
