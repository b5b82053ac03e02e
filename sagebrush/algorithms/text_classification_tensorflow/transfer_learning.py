"""The training script: fine-tunes a text encoder, with a classification layer over it, on data.csv.

Source: Amazon SageMaker AI Developer Guide, Text Classification - TensorFlow, and How Text Classification -
TensorFlow Works.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false
# (TensorFlow is the job's environment's)

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # beside its packages in a job, one folder below them in the repository
    for _folder in Path(__file__).resolve().parents[:2]:
        if (_folder / "contract").is_dir():
            sys.path.insert(0, str(_folder))

from contract import channels, hyperparameters, job, labelled_texts, log
from contract.errors import ClientError
from contract.job import Job
from text_classification_tensorflow import artefact, data, parameters

if TYPE_CHECKING:
    from text_classification_tensorflow.base_model import Base
    from text_classification_tensorflow.classifier import Classifier
    from text_classification_tensorflow.data import Examples
    from text_classification_tensorflow.fitting import Batches, Task
    from text_classification_tensorflow.parameters import Parameters

CACHED = 0.25
"""The part of the memory that the embeddings of a frozen encoder may take; larger ones are made anew
in each epoch."""


def train(this: Job) -> None:
    """/opt/ml/model holds the trained classifier or, after SIGTERM, what there was of it by then."""
    wanted = parameters.read(this.hyperparameters)
    given = ("validation", "code", "sm_drivers")  # SDK 3 brings the script in the last two
    channels.check(this.channels, required=("training", "model"), optional=given)
    if len(this.hosts) > 1:
        raise ClientError(f"Training runs on one instance; this job has {len(this.hosts)}")
    examples = data.read(this.channel("training"))
    held_out = data.read(this.channel("validation")) if "validation" in this.channels else None
    _start_tensorflow(this)

    from text_classification_tensorflow import base_model, fitting  # seconds of TensorFlow

    with tempfile.TemporaryDirectory() as scratch:
        base = base_model.load(this.channel("model"), Path(scratch))
        labels = _labels(wanted, base, examples)
        if held_out is not None:
            labelled_texts.known(held_out, labels, "validation", "the training data")
        parts = _divided(examples, held_out, wanted)
        model, task, cached = _task(this, wanted, base, len(labels), len(examples))
        log.info(
            f"{len(parts[0])} training and {len(parts[1])} validation examples of {len(labels)}"
            f" classes; embeddings of {base.width} numbers; the classification layer is"
            f" {'kept' if _keeps(wanted, base) else 'new'}"
        )
        batches = [_batches(part, labels) for part in parts]
        if cached:
            batches = [fitting.embedded(each, base.encoder, 256, this.stopping) for each in batches]
        fitting.fit(task, *batches, this.stopping)
        model.save(this.model / artefact.VERSION)
    settings = {**dataclasses.asdict(wanted), "dropout_rate": task.dropout}
    settings["regularizers_l2"] = task.l2
    artefact.write(this.model, labels, settings, base.text_ops)
    log.info(f"The model is saved in {this.model}")


def _start_tensorflow(this: Job) -> None:
    """TensorFlow is imported, with the instance's processors, and takes a GPU's memory by need."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    processors, _ = this.resources()
    graphics = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # a process that has used TensorFlow before
        tf.config.threading.set_intra_op_parallelism_threads(processors)
        tf.config.threading.set_inter_op_parallelism_threads(min(processors, 4))
        for each in graphics:
            tf.config.experimental.set_memory_growth(each, True)
    tf.random.set_seed(data.SEED)
    log.info(f"TensorFlow {tf.__version__}, {processors} processors, {len(graphics)} GPUs")


def _keeps(wanted: Parameters, base: Base) -> bool:
    """Whether the classification layer of an earlier training goes on."""
    return base.top is not None and wanted.reinitialize_top_layer != "True"


def _labels(wanted: Parameters, base: Base, examples: Examples) -> tuple[int, ...]:
    """The labels of the classes, in the order of the model's probabilities; raises ClientError."""
    if base.top is None and wanted.reinitialize_top_layer == "False":
        expects = "'Auto' or 'True' where the base model has no classification layer of its own"
        raise hyperparameters.invalid("reinitialize_top_layer", "False", expects)
    if not _keeps(wanted, base):
        return labelled_texts.classes(examples)
    labelled_texts.known(examples, base.labels, "training", "the model that is trained further")
    return base.labels


def _divided(
    examples: Examples, held_out: Examples | None, wanted: Parameters
) -> tuple[Examples, Examples]:
    """(training, validation): by the channel, or else by validation_split_ratio."""
    if held_out is not None:
        return examples, held_out
    return data.split(examples, wanted.validation_split_ratio)


def _task(
    this: Job, wanted: Parameters, base: Base, classes: int, count: int
) -> tuple[Classifier, Task, bool]:
    """(the model, its training, whether embeddings are made once for all epochs)."""
    from text_classification_tensorflow import classifier, fitting

    kept = _keeps(wanted, base)
    top = base.top if kept and base.top else classifier.top_layer(base.width, classes)
    model = classifier.Classifier(base.encoder, *top)
    frozen = wanted.train_only_on_top_layer
    cached = frozen and count * base.width * 4 <= CACHED * this.resources()[1]

    def embed(inputs: Any, training: bool) -> Any:
        return inputs if cached else base.encoder(inputs, training=training and not frozen)

    # The guide: both hyperparameters are those of a new layer; a kept one has its own.
    earlier = base.earlier if kept and base.earlier else {}
    task = fitting.Task(
        model=model,
        embed=embed,
        variables=(*top, *(() if frozen else base.variables)),
        losses=() if frozen else base.losses,
        wanted=wanted,
        dropout=float(earlier.get("dropout_rate", wanted.dropout_rate)),
        l2=float(earlier.get("regularizers_l2", wanted.regularizers_l2)),
    )
    return model, task, cached


def _batches(examples: Examples, labels: tuple[int, ...]) -> Batches:
    """The examples as arrays; a class is its label's place."""
    import numpy as np
    from text_classification_tensorflow import fitting

    places = {label: place for place, label in enumerate(labels)}
    texts = np.empty(len(examples), dtype=object)
    texts[:] = [text.encode() for text in examples.texts]
    return fitting.Batches(texts, np.array([places[n] for n in examples.labels], dtype=np.int32))


if __name__ == "__main__":
    sys.exit(job.run(train))
