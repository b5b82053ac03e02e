"""NTM's hyperparameters, with AWS's defaults and ranges.

Source: Amazon SageMaker AI Developer Guide, NTM Hyperparameters; ranges and values beyond the guide's
table are those of the SDK (github.com/aws/sagemaker-python-sdk, sagemaker/amazon/ntm.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from contract import hyperparameters
from contract.hyperparameters import Boolean, Choice, Integer, Number, Text

LARGEST = 2**31 - 1
MOST_LAYERS = 100
"""Of the encoder: a list of thousands would not learn and hardly end."""
ACTIVATIONS = ("sigmoid", "tanh", "relu")
OPTIMIZERS = ("sgd", "adam", "adagrad", "adadelta", "rmsprop")
TABLE: Mapping[str, hyperparameters.Kind] = {
    "feature_dim": Integer(least=1, most=1_000_000, required=True),
    "num_topics": Integer(least=2, most=1000, required=True),
    "batch_norm": Boolean(default=False),
    "clip_gradient": Number(least=1e-3, most=3e38, also=("Infinity", "inf"), default="Infinity"),
    "encoder_layers": Text(default="auto"),
    "encoder_layers_activation": Choice(ACTIVATIONS, default="sigmoid"),
    "epochs": Integer(default=50, least=1, most=LARGEST),
    "learning_rate": Number(default=0.001, least=1e-6, most=1.0),
    "mini_batch_size": Integer(default=256, least=1, most=10_000),
    "num_patience_epochs": Integer(default=3, least=1, most=LARGEST),
    "optimizer": Choice(OPTIMIZERS, default="adadelta"),
    "rescale_gradient": Number(default=1.0, least=1e-3, most=1.0),
    "sub_sample": Number(default=1.0, least=0.0, most=1.0),
    "tolerance": Number(default=0.001, least=1e-6, most=0.1),
    "weight_decay": Number(default=0.0, least=0.0, most=1.0),
}
_LAYERS = "a comma-separated list of positive integers, or 'auto'"


@dataclass(frozen=True)
class Parameters:
    """The hyperparameters of one job."""

    feature_dim: int
    num_topics: int
    batch_norm: bool
    clip_gradient: float
    """Infinity: no gradient is clipped."""
    encoder_layers: tuple[int, ...]
    encoder_layers_activation: str
    epochs: int
    learning_rate: float
    mini_batch_size: int
    num_patience_epochs: int
    optimizer: str
    rescale_gradient: float
    sub_sample: float
    tolerance: float
    weight_decay: float


def read(given: Mapping[str, str]) -> Parameters:
    """The parameters that `given` asks for; raises ClientError."""
    values = hyperparameters.read(given, TABLE)
    values["encoder_layers"] = _layers(values["encoder_layers"], values["num_topics"])
    values["clip_gradient"] = float(values["clip_gradient"])
    return Parameters(**values)


def _layers(text: str, topics: int) -> tuple[int, ...]:
    """The sizes of the encoder's layers, from "auto", "100,50" or, as the SDKs send lists, "[100, 50]"."""
    if text == "auto":
        return (3 * topics, 2 * topics)
    try:
        found = json.loads(text if text.startswith("[") else f"[{text}]")
    except (ValueError, RecursionError):
        found = None
    if len(found or ()) > MOST_LAYERS:
        raise hyperparameters.invalid("encoder_layers", text[:50], f"at most {MOST_LAYERS} sizes")
    sizes = [each for each in found or () if type(each) is int and 0 < each <= LARGEST]
    if not found or len(sizes) != len(found):
        raise hyperparameters.invalid("encoder_layers", text, _LAYERS)
    return tuple(sizes)
