"""The hyperparameters of fine-tuning, checked.

Names, as far as they are public: AWS's notebook Amazon_JumpStart_HuggingFace_Text_Classification
(`batch_size`, `learning_rate`, `hub_key`), and the guide's page "Text Classification - TensorFlow
Hyperparameters" for those that both variants share. The others are named as Transformers'
TrainingArguments names them. `sagebrush/samples/jumpstart/huggingface.json` tells SDKs the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contract import hyperparameters
from contract.hyperparameters import Boolean, Choice, Integer, Kind, Number, Text

TABLE: dict[str, Kind] = {
    "epochs": Integer(3, least=1, most=1000),
    "max_steps": Integer(-1, least=-1),
    "learning_rate": Number(5e-5, above=0, most=1),
    "batch_size": Integer(32, least=1, most=1024),
    "eval_batch_size": Integer(64, least=1, most=1024),
    "gradient_accumulation_steps": Integer(1, least=1),
    "warmup_steps": Integer(0, least=0),
    "warmup_ratio": Number(0.1, least=0, most=1),
    "weight_decay": Number(0.01, least=0, most=1),
    "adam_beta1": Number(0.9, least=0, below=1),
    "adam_beta2": Number(0.999, least=0, below=1),
    "adam_epsilon": Number(1e-8, above=0, most=1),
    "max_grad_norm": Number(1.0, above=0),
    "lr_scheduler_type": Choice(("linear", "cosine", "constant"), "linear"),
    "label_smoothing_factor": Number(0.0, least=0, below=1),
    "max_seq_length": Integer(128, least=2, most=4096),
    "train_only_top_layer": Boolean(False),
    "reinitialize_top_layer": Choice(("Auto", "True", "False"), "Auto"),
    "validation_split_ratio": Number(0.2, least=0, below=1),
    "early_stopping": Boolean(False),
    "early_stopping_patience": Integer(5, least=1),
    "early_stopping_min_delta": Number(0.0, least=0, most=1),
    "seed": Integer(42, least=0, most=2**32 - 1),
    "hub_key": Text(""),
}


@dataclass(frozen=True)
class Parameters:
    """One job's hyperparameters; the fields are those of `TABLE`."""

    epochs: int
    max_steps: int
    """Updates after which training ends; -1: the epochs decide."""
    learning_rate: float
    batch_size: int
    eval_batch_size: int
    gradient_accumulation_steps: int
    warmup_steps: int
    """Updates until the learning rate is reached; 0: `warmup_ratio` of all."""
    warmup_ratio: float
    weight_decay: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    max_grad_norm: float
    lr_scheduler_type: str
    label_smoothing_factor: float
    max_seq_length: int
    """Tokens of a text that count; no more than the model takes."""
    train_only_top_layer: bool
    reinitialize_top_layer: str
    """Auto: new on a base model, kept on a model that was trained here; True; False."""
    validation_split_ratio: float
    """The part of the training data that is held back where there is no channel `validation`."""
    early_stopping: bool
    early_stopping_patience: int
    """Epochs without a better accuracy until training stops."""
    early_stopping_min_delta: float
    seed: int
    hub_key: str
    """The model's id on the hub, where there is no channel `model`; "" for none."""


def read(given: Mapping[str, str]) -> Parameters:
    """The job's hyperparameters with their defaults; raises ClientError."""
    return Parameters(**hyperparameters.read(given, TABLE))
