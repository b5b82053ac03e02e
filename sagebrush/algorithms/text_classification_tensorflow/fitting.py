"""Training: batches, the loss, early stopping, and the lines of the log that metrics are read from."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from contract.errors import ClientError

from . import optimizers
from .classifier import Classifier
from .parameters import Parameters

SEED = 7


@dataclass(frozen=True)
class Batches:
    """Inputs (strings, or embeddings that do not change) and the places of their classes."""

    inputs: Any
    """A NumPy array of bytes or of floats, one row an example."""
    classes: Any
    """A NumPy array of int32."""

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, size: int, order: Sequence[int] | None = None) -> Iterator[tuple[Any, Any]]:
        """The batches of `size` in that order."""
        rows = np.arange(len(self)) if order is None else np.asarray(order)
        for start in range(0, len(self), size):
            part = rows[start : start + size]
            inputs = self.inputs[part]
            texts = inputs.dtype == object
            yield tf.constant(inputs.tolist() if texts else inputs), tf.constant(self.classes[part])


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and how."""

    model: Classifier
    embed: Callable[[Any, bool], Any]
    """(inputs of a batch, training) -> embeddings."""
    variables: tuple[Any, ...]
    losses: tuple[Callable[[], Any], ...]
    """The base model's own, where it is fine-tuned."""
    wanted: Parameters
    dropout: float
    l2: float


@dataclass(frozen=True)
class Measured:
    """The mean loss and the accuracy over some examples."""

    loss: float
    accuracy: float


def fit(task: Task, training: Batches, validation: Batches, stopping: threading.Event) -> None:
    """The task's variables are trained, and the log has each epoch's measures.

    With early stopping they are those of the epoch with the best validation accuracy (training accuracy
    where there is no validation data). Returns at once after the step in which `stopping` is set.
    Raises ClientError where the loss is no longer a finite number.
    """
    wanted = task.wanted
    step = _Step(task)
    per_epoch = math.ceil(len(training) / wanted.batch_size)
    steps = per_epoch * wanted.epochs
    watch = _Watch(wanted)
    chance = random.Random(SEED)
    for epoch in range(wanted.epochs):
        _say(f"Epoch {epoch + 1}/{wanted.epochs}")
        started = time.monotonic()
        order = list(range(len(training)))
        chance.shuffle(order)
        step.reset()
        for done, (inputs, classes) in enumerate(training.of(wanted.batch_size, order)):
            if stopping.is_set():
                _say("The job is asked to stop: the model is saved as it is")
                return
            step.take(inputs, classes, optimizers.rate(wanted, epoch * per_epoch + done, steps))
        seen = step.measured(epoch)
        found = step.evaluate(validation) if len(validation) else None
        _report(per_epoch, time.monotonic() - started, seen, found)
        if wanted.early_stopping and watch.ends((found or seen).accuracy, task.variables):
            break
    watch.restore(task.variables, "val_accuracy" if len(validation) else "accuracy")


def embedded(texts: Batches, encoder: Any, size: int, stopping: threading.Event) -> Batches:
    """The batches with embeddings in place of texts; those after `stopping` is set are left out."""
    parts = []
    for inputs, _ in texts.of(size):
        if stopping.is_set():
            break
        parts.append(encoder(inputs, training=False).numpy())
    made = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    return Batches(made, texts.classes[: len(made)])


class _Step:
    """One update of the variables, the sums of an epoch, and the measures without dropout."""

    def __init__(self, task: Task) -> None:
        self._size = task.wanted.batch_size
        self._optimizer = optimizers.create(task.wanted)
        self._optimizer.build(list(task.variables))
        self._sums = [tf.Variable(tf.zeros([]), trainable=False) for _ in range(3)]
        self._update = self._updating(task)
        self._measure = _measuring(task)

    def reset(self) -> None:
        """An epoch begins."""
        for each in self._sums:
            each.assign(0.0)

    def take(self, inputs: Any, classes: Any, rate: float) -> None:
        """The variables are updated by a batch."""
        self._optimizer.learning_rate = rate
        self._update(inputs, classes)

    def measured(self, epoch: int) -> Measured:
        """The epoch's measures; raises ClientError where the loss is not finite."""
        loss, right, count = (float(each) for each in self._sums)
        if not math.isfinite(loss):
            raise ClientError(
                f"The loss is not a finite number in epoch {epoch + 1}: please use a smaller"
                " learning_rate, or other values for the optimizer's hyperparameters."
            )
        return Measured(loss / count, right / count)

    def evaluate(self, data: Batches) -> Measured:
        """The measures over the data."""
        loss = right = 0.0
        for inputs, classes in data.of(self._size):
            losses, correct = self._measure(inputs, classes)
            loss += float(losses)
            right += float(correct)
        return Measured(loss / len(data), right / len(data))

    def _updating(self, task: Task) -> Callable[[Any, Any], None]:
        variables, sums, model = list(task.variables), self._sums, task.model
        clipped = task.wanted.optimizer == "adamw"

        @tf.function(reduce_retracing=True)
        def update(inputs: Any, classes: Any) -> None:
            with tf.GradientTape() as tape:
                features = _dropped(task.embed(inputs, True), task.dropout)
                logits = model.logits(features)
                losses = _losses(classes, logits)
                total = tf.reduce_mean(losses) + task.l2 * tf.reduce_sum(tf.square(model.kernel))
                for own in task.losses:
                    total += tf.cast(own(), tf.float32)
            gradients = tape.gradient(total, variables)
            pairs = [(g, v) for g, v in zip(gradients, variables) if g is not None]
            if clipped:
                cut, _ = tf.clip_by_global_norm([g for g, _ in pairs], optimizers.CLIP)
                pairs = [(g, v) for g, (_, v) in zip(cut, pairs)]
            self._optimizer.apply_gradients(pairs)
            sums[0].assign_add(tf.reduce_sum(losses))
            sums[1].assign_add(_right(classes, logits))
            sums[2].assign_add(tf.cast(tf.size(classes), tf.float32))

        return update


class _Watch:
    """Early stopping: the best accuracy, the variables that gave it, and the epochs since."""

    def __init__(self, wanted: Parameters) -> None:
        self._wanted = wanted
        self._best = -math.inf
        self._kept: list[Any] = []
        self._since = 0

    def ends(self, accuracy: float, variables: Sequence[Any]) -> bool:
        """Whether training ends after this epoch."""
        if accuracy > self._best + self._wanted.early_stopping_min_delta:
            self._best, self._since = accuracy, 0
            self._kept = [each.numpy() for each in variables]
            return False
        self._since += 1
        return self._since >= self._wanted.early_stopping_patience

    def restore(self, variables: Sequence[Any], metric: str) -> None:
        """The variables are those of the best epoch, if any but the last was it."""
        if not self._since:
            return
        for each, value in zip(variables, self._kept):
            each.assign(value)
        _say(f"The model is that of the best epoch: {metric}: {self._best:.4f}")
        _say(f"{metric}={self._best:.4f}")


def _measuring(task: Task) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The function that sums losses and right answers over a batch."""
    model = task.model

    @tf.function(reduce_retracing=True)
    def measure(inputs: Any, classes: Any) -> tuple[Any, Any]:
        logits = model.logits(task.embed(inputs, False))
        return tf.reduce_sum(_losses(classes, logits)), _right(classes, logits)

    return measure


def _dropped(features: Any, rate: float) -> Any:
    if rate >= 1:  # TensorFlow takes rates below 1; Keras drops everything
        return tf.zeros_like(features)
    return tf.nn.dropout(features, rate) if rate else features


def _losses(classes: Any, logits: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)


def _right(classes: Any, logits: Any) -> Any:
    best = tf.argmax(logits, axis=-1, output_type=classes.dtype)
    return tf.reduce_sum(tf.cast(best == classes, tf.float32))


def _report(steps: int, seconds: float, seen: Measured, found: Measured | None) -> None:
    """The epoch's line in Keras's form, and the one of the guide's regular expression."""
    line = (
        f"{steps}/{steps} - {seconds:.0f}s - loss: {seen.loss:.4f} - accuracy: {seen.accuracy:.4f}"
    )
    if found is None:
        _say(line)
        return
    _say(f"{line} - val_loss: {found.loss:.4f} - val_accuracy: {found.accuracy:.4f}")
    _say(f"val_accuracy={found.accuracy:.4f}")


def _say(text: str) -> None:
    print(text, flush=True)
