"""The trainers: from training text and parameters to a model and its accuracy.

`fasttext` trains in C++ on all cores, but gives no result before it ends; `stopping_early` does the
same updates in NumPy and measures the accuracy on the validation text after each epoch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import ngrams
from .data import Text
from .fasttext_model import Arguments, Model
from .parameters import ClientError, Parameters

THREADS = 11
"""The least number of threads: fastText 0.9.2 fills its matrix in ten blocks and a remainder, one by
each of its *first eleven* threads. With fewer, the rest of the matrix is uninitialised memory: NaN."""

SPARSE = 2
"""Words of training text per bucket up to which it pays to look for buckets that are never hit."""


@dataclass(frozen=True)
class Trained:
    """A model that an engine made. `accuracy` is the share of a text's lines it labels rightly."""

    save: Callable[[Path], None]
    accuracy: Callable[[Text], float]
    words: int


def fasttext(train: Text, parameters: Parameters) -> Trained:
    """Trained by fastText's own C++; raises ClientError where it diverges."""
    # Imported here: a job with a wrong hyperparameter should not wait for it.
    import fasttext as library  # pyright: ignore[reportMissingImports]

    try:
        model = library.train_supervised(
            str(train.file),
            lr=parameters.learning_rate,
            dim=parameters.vector_dim,
            epoch=parameters.epochs,
            minCount=parameters.min_count,
            wordNgrams=parameters.word_ngrams,
            bucket=parameters.buckets if parameters.word_ngrams > 1 else 0,
            thread=max(THREADS, threads()),
            verbose=0,
        )
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        raise ClientError(
            f"Training diverged (NaN): lower learning_rate (it is {parameters.learning_rate})"
        ) from error
    if not model.words:
        raise ClientError(f"No word occurs at least min_count={parameters.min_count} times")
    converted = _without_noise(model, train, parameters)

    def accuracy(text: Text) -> float:
        # fastText does not count lines whose labels the training text lacks; here they are wrong.
        count, precision, _ = model.test(str(text.file))
        return count * precision / text.lines if count else 0.0

    return Trained(converted.save, accuracy, len(converted.words))


def _without_noise(model: Any, train: Text, parameters: Parameters) -> Model:
    """The model with zeros for the n-grams that the training text lacks, where those are many.

    fastText leaves random numbers there, which carry no information and make model.tar.gz with
    the defaults (2,000,000 buckets of 100) 740 MB instead of a few. Accuracy is the same (+-0.2
    points on banking77, sst2 and dbpedia14).
    """
    words, counts = model.get_words(include_freq=True)
    labels, label_counts = model.get_labels(include_freq=True)
    matrix = np.asarray(model.f.getInputMatrix())  # no copy: fastText's own memory
    bucket = len(matrix) - len(words)
    if bucket and train.words <= SPARSE * bucket:
        matrix[len(words) :][~ngrams.seen(train.file, parameters.word_ngrams, bucket)] = 0
    args = Arguments(
        dim=parameters.vector_dim,
        epoch=parameters.epochs,
        min_count=parameters.min_count,
        word_ngrams=parameters.word_ngrams,
        bucket=bucket,
    )
    output = np.asarray(model.f.getOutputMatrix())
    tokens = sum(counts.tolist()) + sum(label_counts.tolist())
    return Model(
        args, words, labels, counts.tolist(), label_counts.tolist(), tokens, matrix, output
    )


def stopping_early(train: Text, validation: Text, parameters: Parameters) -> Trained:
    """Trained until the accuracy on `validation`, measured from epoch `min_epochs` on, has not
    improved for `patience` epochs; the weights are those of the best epoch that was measured.
    """
    from .epochwise import Trainer

    trainer = Trainer(train.file, parameters)
    best, weights, stale = -1.0, None, 0
    for epoch in range(1, parameters.epochs + 1):
        trainer.epoch()
        print(f"-------------- End of epoch: {epoch}", flush=True)
        if epoch < parameters.min_epochs:
            continue
        accuracy = trainer.accuracy(validation.file)
        print(f"Validation accuracy: {accuracy:.6g}")
        if accuracy > best:
            print("Validation accuracy improved! Storing best weights...", flush=True)
            best, weights, stale = accuracy, trainer.weights(), 0
            continue
        stale += 1
        print(f"Validation accuracy has not improved for {stale} epochs.", flush=True)
        if stale == parameters.patience:
            print("Stopping early.", flush=True)
            break
    if weights is not None:
        trainer.input, trainer.output = weights
    return Trained(
        lambda file: trainer.model().save(file),
        lambda text: trainer.accuracy(None if text is train else text.file),
        len(trainer.vocabulary.words),
    )


def threads() -> int:
    """Processors that this job may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else os.cpu_count() or 1
