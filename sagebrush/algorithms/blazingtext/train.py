"""BlazingText's training job: /opt/ml in, model.bin or word vectors out. Run as `python -m blazingtext.train`."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from contract.job import Job, run

from . import data, engines, parameters, pipe, word_training
from .data import Text
from .parameters import ClientError, Parameters, WordParameters

UNDERFIT = 0.75
"""Accuracy on the training text below which the log warns: the defaults are for large texts."""


def train(this: Job) -> None:
    """The model is in the job's folder for it; raises ClientError for whatever the user can correct,
    AlgorithmError where another instance of the job has ended.
    """
    wanted = parameters.read(this.hyperparameters)
    with tempfile.TemporaryDirectory() as scratch:
        if isinstance(wanted, WordParameters):
            word_training.train(this, wanted, Path(scratch))
        else:
            _supervised(this, wanted, Path(scratch))


def _supervised(this: Job, wanted: Parameters, scratch: Path) -> None:
    """model/model.bin is there."""
    # Nothing is saved of half a training: the job may end at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    root = this.root
    channels = json.loads((root / "input" / "config" / "inputdataconfig.json").read_text() or "{}")
    word_training.single(wanted.mode, this.hosts)
    _check(wanted, channels)
    print(f"Running single machine CPU BlazingText training using {wanted.mode} mode.", flush=True)
    texts = {
        name: _channel(root, name, channels[name], scratch)
        for name in ("train", "validation")
        if name in channels
    }
    data.shuffle(texts["train"])
    _fit(texts["train"], texts.get("validation"), wanted, root / "model" / "model.bin")


def _check(wanted: Parameters, channels: Mapping[str, object]) -> None:
    if "train" not in channels:
        raise ClientError("The channel 'train' is required")
    if unknown := sorted(set(channels) - {"train", "validation"}):
        raise ClientError(
            f"Unknown channel {', '.join(map(repr, unknown))}: "
            "supervised mode reads 'train' and 'validation'"
        )
    if wanted.early_stopping and "validation" not in channels:
        raise ClientError("early_stopping=True needs the channel 'validation'")


def _channel(root: Path, name: str, config: Mapping[str, str], scratch: Path) -> Text:
    """The channel's text, read into `scratch`; its files are named in the log.

    Augmented manifests come in Pipe mode on AWS; here they may lie in the channel's folder as well.
    """
    folder = pipe.folder(root / "input" / "data", name, config, scratch)
    for file in data.files(folder, name):
        print(f"Processing {file} . File size: {file.stat().st_size / 2**20} MB")
    return data.read(folder, name, scratch / name)


def _fit(train: Text, validation: Text | None, wanted: Parameters, target: Path) -> None:
    """The model at `target`; its figures in the log, in the lines whose form the guide's metrics
    are read from (`#validation_accuracy: 0.97`).
    """
    print(f"Read {train.words / 1e6:.6g}M words")
    started = time.monotonic()
    if wanted.early_stopping and validation is not None:
        model = engines.stopping_early(train, validation, wanted)
    else:
        model = engines.fasttext(train, wanted)
    seconds = time.monotonic() - started
    print(f"Number of words:  {model.words}")
    print(f"Number of labels: {len(train.labels)}")
    print("Training finished.")
    print(f"Total training time in seconds: {seconds:.2f}\n", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    model.save(target)
    reached = model.accuracy(train)
    print(f"#train_accuracy: {reached:.4g}")
    print(f"Number of train examples: {train.lines}\n")
    if reached < UNDERFIT:
        print("The training text is not learnt yet: raise epochs or learning_rate (up to 0.5)")
    if validation is not None:
        print(f"#validation_accuracy: {model.accuracy(validation):.4g}")
        print(f"Number of validation examples: {validation.lines}", flush=True)


if __name__ == "__main__":
    sys.exit(run(train))
