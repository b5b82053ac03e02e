"""BlazingText's training job: /opt/ml in, model.bin or word vectors out. Run as `python -m blazingtext.train`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from contract.job import Job, run

from . import classifier_training, parameters, word_training
from .parameters import WordParameters


def train(this: Job) -> None:
    """The model is in the job's folder for it; raises ClientError for whatever the user can correct,
    AlgorithmError where another instance of the job has ended.
    """
    wanted = parameters.read(this.hyperparameters)
    with tempfile.TemporaryDirectory() as scratch:
        if isinstance(wanted, WordParameters):
            word_training.train(this, wanted, Path(scratch))
        else:
            classifier_training.train(this, wanted, Path(scratch))


if __name__ == "__main__":
    sys.exit(run(train))
