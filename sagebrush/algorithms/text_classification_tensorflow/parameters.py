"""The hyperparameters, their ranges and defaults.

Sources: Amazon SageMaker AI Developer Guide, Text Classification - TensorFlow Hyperparameters, and Tune a
Text Classification - TensorFlow model (which calls epsilon `eps`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contract import hyperparameters, log
from contract.hyperparameters import Boolean, Choice, Integer, Number

OPTIMIZERS = ("adamw", "adam", "sgd", "nesterov", "rmsprop", "adagrad", "adadelta")
TABLE: Mapping[str, hyperparameters.Kind] = {
    "batch_size": Integer(32, least=1),
    "beta_1": Number(0.9, least=0.0, most=1.0),
    "beta_2": Number(0.999, least=0.0, most=1.0),
    "dropout_rate": Number(0.2, least=0.0, most=1.0),
    "early_stopping": Boolean(False),
    "early_stopping_min_delta": Number(0.0, least=0.0, most=1.0),
    "early_stopping_patience": Integer(5, least=1),
    "epochs": Integer(10, least=1),
    "epsilon": Number(1e-7, least=0.0, most=1.0),
    "initial_accumulator_value": Number(0.0001, least=0.0, most=1.0),
    "learning_rate": Number(0.001, least=0.0, most=1.0),
    "momentum": Number(0.9, least=0.0, most=1.0),
    "optimizer": Choice(OPTIMIZERS, "adam"),
    "regularizers_l2": Number(0.0001, least=0.0, most=1.0),
    "reinitialize_top_layer": Choice(("Auto", "True", "False"), "Auto"),
    "rho": Number(0.95, least=0.0, most=1.0),
    "train_only_on_top_layer": Boolean(False),
    "validation_split_ratio": Number(0.2, least=0.0, most=1.0),
    "warmup_steps_fraction": Number(0.1, least=0.0, most=1.0),
}
ALIASES = {
    "eps": "epsilon",
    "adam_learning_rate": "learning_rate",
    "train_only_top_layer": "train_only_on_top_layer",
}
"""The tuning page's name, and those of AWS's earlier scripts and of its sister algorithms."""
PLATFORM = ("model_dir",)
"""What the SDK's TensorFlow estimator adds to every job."""


@dataclass(frozen=True)
class Parameters:
    """The hyperparameters of one job, typed; the guide says what each means."""

    batch_size: int
    beta_1: float
    beta_2: float
    dropout_rate: float
    early_stopping: bool
    early_stopping_min_delta: float
    early_stopping_patience: int
    epochs: int
    epsilon: float
    initial_accumulator_value: float
    learning_rate: float
    momentum: float
    optimizer: str
    regularizers_l2: float
    reinitialize_top_layer: str
    rho: float
    train_only_on_top_layer: bool
    validation_split_ratio: float
    warmup_steps_fraction: float


def read(given: Mapping[str, str]) -> Parameters:
    """The hyperparameters of a job; raises ClientError in AWS's words.

    AWS's notebook sets `batch-size` beside the default `batch_size` that the catalogue gave: a name
    with hyphens, and an alias, are a person's, so they hold where both are there.
    """
    plain: dict[str, str] = {}
    other: dict[str, str] = {}
    for name, value in given.items():
        if name in PLATFORM:
            continue
        known = name.replace("-", "_")
        known = ALIASES.get(known, known)
        if known == name or known not in TABLE:
            plain[name] = value
        else:
            other[known] = value
            if known in given and given[known] != value:
                log.info(f"The hyperparameter {name}={value} holds, not {known}={given[known]}")
    values = {**plain, **other}
    if "reinitialize_top_layer" in values:  # SDKs write Python's True as JSON's true
        values["reinitialize_top_layer"] = str(values["reinitialize_top_layer"]).strip('" ').title()
    return Parameters(**hyperparameters.read(values, TABLE))
