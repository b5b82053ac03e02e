"""Mode `supervised` as a training job: channels `train` and `validation` in, model.bin out.

Source: Amazon SageMaker AI Developer Guide, BlazingText algorithm, Input/Output Interface.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from contract import channels
from contract.channels import Channel
from contract.job import Job

from . import classifier_memory, engines, labelled_text, pipe, pretrained, word_training
from .classifier import Trainer
from .labelled_text import Sentences
from .parameters import ClientError, Parameters
from .pretrained import Vectors

UNDERFIT = 0.75
"""Accuracy on the training text below which the log warns: the defaults are for large texts."""


def train(this: Job, wanted: Parameters, scratch: Path) -> None:
    """model/model.bin is there; raises ClientError for whatever the user can correct."""
    # Nothing is saved of half a training: the job may end at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    word_training.single(wanted.mode, this.hosts)
    channels.check(this.channels, optional=("validation", pretrained.CHANNEL))
    if wanted.early_stopping and "validation" not in this.channels:
        raise ClientError("early_stopping=True needs the channel 'validation'")
    threads, available = this.resources()
    classifier_memory.check_file(wanted, available)
    print(f"Running single machine CPU BlazingText training using {wanted.mode} mode.", flush=True)
    found = {
        name: _files(this.channel(name), scratch)
        for name in ("train", "validation")
        if name in this.channels
    }
    size = sum(file.stat().st_size for files in found.values() for file in files)
    classifier_memory.check_text(size, wanted, available)
    texts = {name: labelled_text.content(files) for name, files in found.items()}
    vectors = _vectors(this, wanted, available)
    read = labelled_text.sentences(
        texts.pop("train"), texts.pop("validation", None), wanted, vectors.rows if vectors else ()
    )
    held = sum(each.nbytes for each in (read.rows, read.bounds, read.sizes, read.named))
    words = len(read.words)
    classifier_memory.check_matrix(words, read.rows_known - words, held, wanted, available)
    model = _fitted(read, wanted, threads, vectors)
    _save(model, read, this.model / "model.bin")


def _vectors(this: Job, wanted: Parameters, available: int) -> Vectors | None:
    """The vectors with which the words begin, where the job has a channel of them."""
    if pretrained.CHANNEL not in this.channels:
        return None
    found = pretrained.read(this.channel(pretrained.CHANNEL), wanted.vector_dim, available)
    print(f"Read {len(found.rows)} pretrained vectors", flush=True)
    return found


def _files(channel: Channel, scratch: Path) -> list[Path]:
    """The channel's files, which are named in the log.

    Augmented manifests come in Pipe mode on AWS; here they may lie in the channel's folder as well.
    """
    found = pipe.as_files(channel, scratch).paths()
    for file in found:
        print(f"Processing {file} . File size: {file.stat().st_size / 2**20} MB")
    return found


def _fitted(text: Sentences, wanted: Parameters, threads: int, vectors: Vectors | None) -> Trainer:
    """The model that has learnt the text; how much that was in the log."""
    print(f"Read {text.read / 1e6:.6g}M words")
    started = time.monotonic()
    model = engines.supervised(text, wanted, threads, vectors)
    seconds = time.monotonic() - started
    print(f"Number of words:  {len(text.words)}")
    print(f"Number of labels: {len(text.labels)}")
    print("Training finished.")
    print(f"Total training time in seconds: {seconds:.2f}\n", flush=True)
    return model


def _save(model: Trainer, text: Sentences, target: Path) -> None:
    """The model at `target`; its figures in the log, in the lines whose form the guide's metrics
    are read from (`#validation_accuracy: 0.97`).
    """
    model.save(target)
    reached = model.accuracy(learnt=True)
    print(f"#train_accuracy: {reached:.4g}")
    print(f"Number of train examples: {text.learnt}\n")
    if reached < UNDERFIT:
        print("The training text is not learnt yet: raise epochs or learning_rate (up to 0.5)")
    if text.count > text.learnt:
        print(f"#validation_accuracy: {model.accuracy(learnt=False):.4g}")
        print(f"Number of validation examples: {text.count - text.learnt}", flush=True)
