"""LDA's endpoint: documents in, topic mixtures out.

Sources: Amazon SageMaker AI Developer Guide, "Latent Dirichlet Allocation (LDA) Algorithm" and "Common data
formats for inference"; aws/amazon-sagemaker-examples, LDA-Introduction.ipynb:
`{"predictions": [{"topic_mixture": [...]}]}`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("lda").__name__, None

import numpy as np
from contract import answers, bodies, matrices
from contract.errors import BadRequest
from scipy.sparse import csr_matrix, vstack  # pyright: ignore[reportMissingImports]

from . import documents, model
from .model import Model

NAME = "topic_mixture"


class Request(NamedTuple):
    """It is read where the model, whose words it must have, is known."""

    body: bytes | str
    content_type: str


def model_fn(model_dir: str) -> Model:
    """The model in `model_dir`; raises ValueError where there is none."""
    found = model.load(Path(model_dir))
    # The first request finds the machine code loaded.
    documents.infer(np.ones((1, found.feature_dim), np.float32), found, 1)
    return found


def input_fn(body: bytes | str, content_type: str = bodies.JSON) -> Request:
    """The request, not yet read."""
    return Request(body, content_type)


def predict_fn(request: Request, loaded: Model) -> np.ndarray[Any, Any]:
    """(documents, topics): each document's mixture; raises BadRequest."""
    return documents.infer(_read(request, loaded), loaded, _threads())[0]


def predict_batch_fn(requests: Sequence[Request], loaded: Model) -> list[np.ndarray[Any, Any]]:
    """The answers to several requests: each document is answered by itself, so they are those that the
    requests get one by one."""
    found = [_read(request, loaded) for request in requests]
    mixtures = documents.infer(vstack([csr_matrix(each) for each in found]), loaded, _threads())[0]
    return np.split(mixtures, np.cumsum([each.shape[0] for each in found])[:-1])


def output_fn(mixtures: np.ndarray[Any, Any], accept: str = bodies.JSON) -> tuple[bytes | str, str]:
    """The body and its content type; raises BadRequest (406)."""
    return answers.render([{NAME: row} for row in mixtures], accept)


def _read(request: Request, loaded: Model) -> Any:
    """The request's documents; raises BadRequest."""
    body, content_type = request
    found = matrices.parse(body, content_type, loaded.feature_dim)
    if found.shape[0] and found.min() < 0:
        raise BadRequest("A document holds a negative number: word counts must not be negative")
    return found


def _threads() -> int:
    """The replica's share of the processors."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else 1
