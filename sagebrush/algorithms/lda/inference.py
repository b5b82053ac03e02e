"""LDA's endpoint: documents in, topic mixtures out.

Sources: Amazon SageMaker AI Developer Guide, "Latent Dirichlet Allocation (LDA) Algorithm" and "Common data
formats for inference"; aws/amazon-sagemaker-examples, LDA-Introduction.ipynb:
`{"predictions": [{"topic_mixture": [...]}]}`.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("lda").__name__, None

import numpy as np
from contract import answers, bodies, matrices
from contract.errors import BadRequest

from . import documents, model
from .model import Model

NAME = "topic_mixture"


class Request(tuple):
    """(body, content type): it is read where the model, whose words it must have, is known."""


def model_fn(model_dir: str) -> Model:
    """The model in `model_dir`; raises ValueError where there is none."""
    found = model.load(Path(model_dir))
    # The first request finds the machine code loaded.
    documents.infer(np.ones((1, found.feature_dim), np.float32), found, 1)
    return found


def input_fn(body: bytes | str, content_type: str = bodies.JSON) -> Request:
    """The request, not yet read."""
    return Request((body, content_type))


def predict_fn(request: Request, loaded: Model) -> np.ndarray[Any, Any]:
    """(documents, topics): each document's mixture; raises BadRequest."""
    body, content_type = request
    found = matrices.parse(body, content_type, loaded.feature_dim)
    if found.shape[0] and found.min() < 0:
        raise BadRequest("A document holds a negative number: word counts must not be negative")
    return documents.infer(found, loaded, _threads())[0]


def output_fn(mixtures: np.ndarray[Any, Any], accept: str = bodies.JSON) -> tuple[bytes | str, str]:
    """The body and its content type; raises BadRequest (406)."""
    return answers.render([{NAME: row} for row in mixtures], accept)


def _threads() -> int:
    """The replica's share of the processors."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else 1
