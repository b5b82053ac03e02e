"""BlazingText's training job: /opt/ml in, model.bin or word vectors out. Run as `python -m blazingtext.train`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import data, engines, parameters, pipe, word_training
from .data import Text
from .parameters import ClientError, Parameters, WordParameters
from .peers import PeerLost

UNDERFIT = 0.75
"""Accuracy on the training text below which the log warns: the defaults are for large texts."""


def main(environ: Mapping[str, str]) -> int:
    """The exit status: 0 with the model written, 1 with the cause in output/failure."""
    root = Path(environ.get("SAGEBRUSH_ML", "/opt/ml"))
    try:
        train(root)
    except ClientError as error:
        return fail(root, f"ClientError: {error}")
    except MemoryError:
        return fail(root, "ClientError: Out of memory: lower buckets, vector_dim or word_ngrams")
    except PeerLost as error:
        return fail(root, f"AlgorithmError: {error}: the training needs all of its instances")
    except Exception as error:
        traceback.print_exc()
        return fail(root, f"AlgorithmError: {type(error).__name__}: {error}")
    return 0


def fail(root: Path, reason: str) -> int:
    """1; the reason is in the log and in output/failure."""
    print(reason, file=sys.stderr, flush=True)
    (root / "output").mkdir(parents=True, exist_ok=True)
    (root / "output" / "failure").write_text(reason)
    return 1


def train(root: Path) -> None:
    """The model is in `root`/model; raises ClientError for whatever the user can correct, PeerLost
    where another instance of the job has ended.
    """
    given = _config(root, "hyperparameters")
    wanted = parameters.read(given)
    channels, resources = _config(root, "inputdataconfig"), _config(root, "resourceconfig")
    hosts = tuple(resources.get("hosts") or ("algo-1",))
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(wanted, WordParameters):
            word_training.train(
                word_training.Place(
                    root,
                    channels,
                    resources.get("current_host", hosts[0]),
                    hosts,
                    Path(folder),
                    str(given.get("_tuning_objective_metric", "")),
                ),
                wanted,
            )
            return
        _check(wanted, channels, hosts)
        print(f"Running single machine CPU BlazingText training using {wanted.mode} mode.", flush=True)
        texts = {
            name: _channel(root, name, channels[name], Path(folder))
            for name in ("train", "validation")
            if name in channels
        }
        data.shuffle(texts["train"])
        _fit(texts["train"], texts.get("validation"), wanted, root / "model" / "model.bin")


def _config(root: Path, name: str) -> dict[str, Any]:
    """The content of input/config's file of that name; {} where there is none."""
    file = root / "input" / "config" / f"{name}.json"
    return json.loads(file.read_text() or "{}") if file.exists() else {}


def _check(wanted: Parameters, channels: Mapping[str, object], hosts: Sequence[str]) -> None:
    if len(hosts) > 1:
        raise ClientError(
            f"Mode {wanted.mode} supports a single instance only, and the job has {len(hosts)}: "
            "multiple CPU instances are supported by batch_skipgram"
        )
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
    sys.exit(main(os.environ))
