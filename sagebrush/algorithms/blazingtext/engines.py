"""The training of a text classifier: from the channels' texts to a model and its accuracy."""

from __future__ import annotations

from .classifier import Trainer
from .labelled_text import Sentences
from .parameters import Parameters
from .pretrained import Vectors


def supervised(
    text: Sentences, parameters: Parameters, threads: int, vectors: Vectors | None = None
) -> Trainer:
    """A classifier trained over all epochs, from `vectors` on where they are given; with `early_stopping`, until the accuracy on the
    validation text, measured from epoch `min_epochs` on, has not improved for `patience` epochs: its
    weights are then those of the best epoch that was measured. Raises ClientError for divergence.
    """
    trainer = Trainer(text, parameters, threads, vectors)
    if parameters.early_stopping:
        _stopping_early(trainer, parameters)
    else:
        for _ in range(parameters.epochs):
            trainer.epoch()
    return trainer


def _stopping_early(trainer: Trainer, parameters: Parameters) -> None:
    best, weights, stale = -1.0, None, 0
    for epoch in range(1, parameters.epochs + 1):
        trainer.epoch()
        print(f"-------------- End of epoch: {epoch}", flush=True)
        if epoch < parameters.min_epochs:
            continue
        accuracy = trainer.accuracy(learnt=False)
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
        trainer.entry, trainer.output = weights
