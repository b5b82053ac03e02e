"""A document classifier trained: logistic regression over the shared encoder's states and n-grams.

The same input and the same machine give the same model.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy

from ..program import Stopped, Stopping, say
from ..storage import Storage
from . import linear, metrics, sampling, thresholds, training_data, whitening
from .examples import Example
from .order import Order
from .trained import Trained
from .training_data import TrainingData

TUNING, TUNED = 0.15, 5_000
"""What is held out of the training documents, at first, for temperatures and thresholds."""
AGAIN = 25
"""Steps of the search with these documents, which begins with the weights that were found without."""
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
    encoder = importlib.import_module("nlp.encoder").Encoder(models)
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
    begin, end = slice(0, len(first)), slice(len(first), None)
    given = (dense[begin], sparse[begin], truth[begin])
    weights = linear.fit(*given, several, stopping=stopping)
    scores = weights.scores(dense[end], sparse[end])
    scale, shift = 1.0, numpy.zeros(len(data.labels))
    if len(second):
        scale = thresholds.temperature(scores, truth[end], several)
        if several:
            shift = thresholds.best(scores / scale, truth[end])
    weights = linear.fit(dense, sparse, truth, several, weights, AGAIN, stopping=stopping)
    turned, bias = white.undone(weights.dense, weights.bias)
    return importlib.import_module("nlp.custom.classifier").Classifier(
        data.labels,
        several,
        turned / scale,
        weights.sparse / scale,
        bias / scale - shift,
        rarity,
    )


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

    with ThreadPoolExecutor(min(THREADS, len(os.sched_getaffinity(0)))) as pool:
        yield from pool.map(some, range(0, len(texts), TOGETHER))


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
