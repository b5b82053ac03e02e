"""The training of a custom model: `python -m comprehend.custom.train ARGUMENTS` (`order`) in a processing job.

It runs as the model's data access role, which reads the training data and takes the user's results. The
model itself goes to Comprehend's own bucket, by URLs that the server signed. The model's metadata are
stored last: where they are, all is.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from .. import package, program, storage
from ..failures import JobFailed
from ..program import Stopped, Stopping, say
from ..storage import Storage
from . import archive, order, uploads
from .order import Order
from .trained import Trained

TRAINERS = {
    "document-classifier": "classifiers.classification",
    "entity-recognizer": "recognizers.recognition",
}
"""Kind -> the module whose `train(order, storage, models, stopping) -> Trained` trains it. It may raise Stopped
once `stopping()`."""
Train = Callable[[Order, Storage, Path, Stopping], Trained]
Upload = Callable[[str, Path], None]
"""(signed URL, file): the file is what the URL names."""


def work(arguments: list[str], folder: Path, stopping: Stopping) -> None:
    """The model that the arguments tell of is trained and stored. Raises JobFailed and Stopped."""
    asked = order.read(arguments)
    package.nlp()
    train: Train = importlib.import_module(f".{TRAINERS[asked.kind]}", __package__).train
    done(asked, train, storage.connect(), folder, stopping)


def done(
    asked: Order,
    train: Train,
    given: Storage,
    folder: Path,
    stopping: Stopping,
    upload: Upload = uploads.put,
) -> None:
    """The model is trained and stored. Raises JobFailed, and Stopped where nothing was stored as the
    training was stopped."""
    try:
        trained = train(asked, given, package.models(), stopping)
    except FileNotFoundError as error:
        name = Path(error.filename or "").name
        words = f"MODEL_NOT_AVAILABLE: The model file {name} is not installed."
        raise JobFailed(words) from error
    if stopping():
        raise Stopped
    store(asked, trained, given, folder, upload)
    say("The model is stored")


def store(asked: Order, trained: Trained, given: Storage, folder: Path, upload: Upload) -> None:
    """The user's output, the model and its metadata are stored, in this order. Raises JobFailed."""
    if asked.output is not None:
        given.put(*asked.output, archive.packed(trained.outputs, folder / "output.tar.gz"))
    upload(asked.model, archive.packed(trained.model, folder / "model.tar.gz"))
    metadata = dict(trained.metadata)
    if trained.warning:
        metadata["Warning"] = trained.warning
    file = folder / "metadata.json"
    file.write_text(json.dumps(metadata), encoding="utf-8")
    upload(asked.metadata, file)


if __name__ == "__main__":
    sys.exit(program.framed(lambda folder, stopping: work(sys.argv[1:], folder, stopping)))
