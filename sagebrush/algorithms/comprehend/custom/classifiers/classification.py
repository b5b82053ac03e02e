"""A document classifier trained: logistic regression over the shared encoder's states and n-grams.

The same input and the same machine give the same model.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from ... import package
from ...program import Stopped, Stopping, say
from ...storage import Storage
from ..order import Order
from ..trained import Trained
from . import linear, metrics, sampling, thresholds, training_data, whitening
from .examples import Example
from .linear import Documents, Penalty, Weights
from .training_data import TrainingData

TUNING, TUNED = 0.15, 5_000
"""What is held out of the training documents, at first, for temperatures and thresholds."""
PENALTIES = (
    Penalty(1.0, 1.0),
    Penalty(0.3, 0.3),
    Penalty(0.05, 0.1),
    Penalty(0.01, 0.1),
    Penalty(0.01, 0.1),
)
"""Of which the best is found by the documents that were held out, from the strictest on."""
STEPS, AGAIN = (25, 15, 25, 30, 30), 25
"""Of the search with each penalty, which begins where the last one ended, and of that with all documents."""
BITS, WEIGHTS = 14, 5_500_000
"""At most 2 * 2**BITS buckets of n-grams, and so many weights of them."""
TOGETHER, THREADS = 64, 4
States = Callable[[Sequence[str]], numpy.ndarray]
"""[texts, features] (`nlp.custom.features`)."""


def train(order: Order, storage: Storage, models: Path, stopping: Stopping) -> Trained:
    """The classifier that the order asks for. Raises JobFailed, Stopped, and FileNotFoundError where there
    is no encoder."""
    several = order.mode == "MULTI_LABEL"
    data = training_data.read(storage, order.data, several)
    say(f"{len(data.train)} documents to train with, {len(data.test)} to test with")
    encoder = package.encoder(models)
    features = importlib.import_module("nlp.custom.features")

    def states(texts: Sequence[str]) -> numpy.ndarray:
        return features.states(encoder, texts)

    classifier = fitted(data, several, states, stopping)
    truth = _truth(data.test, data.labels).astype(bool)
    told = _told(classifier, data.test, states, stopping)
    settings = {
        "Kind": order.kind,
        "LanguageCode": order.language,
        "Mode": order.mode,
        "DocumentType": order.data.get("DocumentType", "PLAIN_TEXT_DOCUMENT"),
        "Labels": list(data.labels),
        "Encoder": encoder.identity,
    }
    matrix = metrics.confusion(truth, told, data.labels, several)
    outputs = {"output/confusion_matrix.json": json.dumps(matrix).encode()}
    warning = ""
    if data.skipped:
        outputs["output/skipped_documents.jsonl"] = _listed(data.skipped)
        warning = f"{len(data.skipped)} documents or pages could not be read and were skipped."
    return Trained(
        {
            "NumberOfLabels": len(data.labels),
            "NumberOfTrainedDocuments": len(data.train),
            "NumberOfTestDocuments": len(data.test),
            "EvaluationMetrics": metrics.evaluated(truth, told, several),
        },
        {"custom.json": json.dumps(settings).encode(), **classifier.files()},
        outputs,
        warning,
    )


def fitted(data: TrainingData, several: bool, states: States, stopping: Stopping) -> Any:
    """The trained `nlp.custom.classifier.Classifier`. Raises Stopped."""
    # they take a while to load, or lie elsewhere in a job
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

    ngrams = importlib.import_module("nlp.custom.ngrams")
    first, second = sampling.held_out(data.train, TUNING, TUNED)
    texts = [each.text for each in (*first, *second)]
    truth = _truth([*first, *second], data.labels)
    bits = _bits(len(data.labels))
    counted = ngrams.counted(texts, bits)
    rarity = ngrams.rarity(counted, bits)
    rows = ngrams.weighed(counted, rarity)
    sparse = csr_matrix((rows.values, rows.columns, rows.starts), shape=(len(texts), 2 << bits))
    say("The documents are being read")
    dense = _stacked(_encoded(texts, states, stopping), len(texts))
    white = whitening.of(dense)
    white.apply(dense)
    say("The classifier is being trained")
    given = Documents(dense, sparse, truth, several)
    found = _chosen(given.part(slice(0, len(first))), given.part(slice(len(first), None)), stopping)
    weights = found.weights
    if (
        not several
    ):  # thresholds do not hold for weights that have seen the documents they come from
        weights = linear.fit(given, found.penalty, AGAIN, weights, stopping)
    scale = found.scale
    turned, bias = white.undone(weights.dense, weights.bias)
    return importlib.import_module("nlp.custom.classifier").Classifier(
        data.labels,
        several,
        turned / scale,
        weights.sparse / scale,
        bias / scale - found.shift,
        rarity,
    )


@dataclass(frozen=True)
class _Found:
    """A penalty, the weights with it, and what makes their scores probabilities and decisions: they are
    divided by `scale`, then `shift` is taken from them."""

    penalty: Penalty
    weights: Weights
    scale: float
    shift: numpy.ndarray


def _chosen(given: Documents, held: Documents, stopping: Stopping) -> _Found:
    """What does best on the documents that were held out. Raises Stopped."""
    best: _Found | None = None
    weights, least = None, numpy.inf
    for penalty, steps in zip(PENALTIES, STEPS, strict=True):
        weights = linear.fit(given, penalty, steps, weights, stopping)
        scores = weights.scores(held)
        scale, loss = thresholds.temperature(scores, held.truth, held.several)
        if best is not None and loss >= least:
            break
        shift = numpy.zeros(scores.shape[1])
        if held.several:
            shift = thresholds.best(scores / scale, held.truth)
        best, least = _Found(penalty, weights, scale, shift), loss
    assert best is not None
    return best


def _bits(labels: int) -> int:
    return max(8, min(BITS, (WEIGHTS // (2 * labels)).bit_length() - 1))


def _truth(examples: Sequence[Example], labels: Sequence[str]) -> numpy.ndarray:
    """[examples, labels]: 1 where the label is one of the example's, else 0."""
    places = {label: place for place, label in enumerate(labels)}
    found = numpy.zeros((len(examples), len(labels)), numpy.float32)
    for row, example in enumerate(examples):
        found[row, [places[label] for label in example.labels]] = 1
    return found


def _encoded(texts: Sequence[str], states: States, stopping: Stopping) -> Iterable[numpy.ndarray]:
    """The states of the texts, some at a time and in order. Raises Stopped."""

    def some(start: int) -> numpy.ndarray:
        if stopping():
            raise Stopped
        return states(texts[start : start + TOGETHER])

    with ThreadPoolExecutor(min(THREADS, _processors())) as pool:
        yield from pool.map(some, range(0, len(texts), TOGETHER))


def _processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS knows no affinity


def _stacked(parts: Iterable[numpy.ndarray], rows: int) -> numpy.ndarray:
    """The parts as one array; beside it no more is held than a part."""
    found, done = numpy.zeros((rows, 0), numpy.float32), 0
    for part in parts:
        if not done:
            found = numpy.zeros((rows, part.shape[1]), numpy.float32)
        found[done : done + len(part)] = part
        done += len(part)
    return found


def _told(
    classifier: Any, examples: Sequence[Example], states: States, stopping: Stopping
) -> numpy.ndarray:
    """bool [examples, labels]: what the classifier says."""
    features = importlib.import_module("nlp.custom.features")
    module = importlib.import_module("nlp.custom.classifier")
    texts = [each.text for each in examples]
    found = numpy.zeros((len(texts), len(classifier.labels)), bool)
    done = 0
    for part in _encoded(texts, states, stopping):
        grams = features.grams(texts[done : done + len(part)], classifier.rarity)
        chance = classifier.probabilities(part, grams)
        found[done : done + len(part)] = module.chosen(chance, classifier.several)
        done += len(part)
    return found


def _listed(skipped: Iterable[training_data.Skipped]) -> bytes:
    """A line of JSON for each."""
    lines = [
        {
            "File": each.file,
            "Page": each.page,
            "ErrorCode": each.code,
            "ErrorMessage": each.message,
        }
        for each in skipped
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()
