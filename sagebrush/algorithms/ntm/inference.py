"""NTM's endpoint: word counts in, topic weights out. NumPy and SciPy alone: no PyTorch is loaded.

Source: Amazon SageMaker AI Developer Guide, NTM Response Formats, and Common Data Formats for Inference.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("ntm").__name__, None

from contract import answers, matrices
from contract.errors import BadRequest

from . import artefact
from .artefact import Floats, Model

NAME = "topic_weights"


@dataclass(frozen=True)
class Request:
    """A request as it came: how wide its documents must be is the model's to say."""

    body: bytes | str
    content_type: str


def model_fn(model_dir: str) -> Model:
    """The model in `model_dir`; raises ValueError where there is none."""
    return artefact.load(artefact.find(Path(model_dir)))


def input_fn(body: bytes | str, content_type: str = "text/csv") -> Request:
    """The request, unread."""
    return Request(body, content_type)


def predict_fn(request: Request, model: Model) -> Sequence[Mapping[str, Floats]]:
    """The topic weights of each document of the request, in order; raises BadRequest."""
    counts = matrices.parse(request.body, request.content_type, model.words)
    if (counts < 0).sum():
        raise BadRequest("The documents must be word counts: a negative number is none")
    return [{NAME: weights} for weights in model.mixtures(counts)]


def output_fn(
    predictions: Sequence[Mapping[str, Floats]], accept: str = "application/json"
) -> tuple[bytes | str, str]:
    """The body and its content type; raises BadRequest (406)."""
    return answers.render(predictions, accept)
