"""Object2Vec's hyperparameters: read from their strings, checked one by one and together.

Source: Amazon SageMaker AI Developer Guide, Object2Vec Hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract import hyperparameters
from contract.errors import ClientError
from contract.hyperparameters import Boolean, Choice, Integer, Number, Text

COMPARATORS = ("hadamard", "concat", "abs_diff")
NETWORKS = ("hcnn", "bilstm", "pooled_embedding")
SPARSE_OPTIMIZERS = ("adagrad", "adam", "sgd")
"""Those that the guide allows with `row_sparse`."""
AUTO_LAYERS = {"hcnn": 4, "bilstm": 1, "pooled_embedding": 0}
"""What `auto` means."""
FILE = r"[A-Za-z0-9._-]*"
"""The guide's names of files have no hyphen, but its own notebook uses glove.840B-trim.txt."""


def _encoder_table(which: str) -> dict[str, Any]:
    first = which == "enc0"
    return {
        f"{which}_network": Choice(NETWORKS, default="hcnn")
        if first
        else Choice(("enc0", *NETWORKS), default="enc0"),
        f"{which}_max_seq_len": Integer(least=1, most=5000, required=first),
        f"{which}_vocab_size": Integer(least=2, most=3_000_000, required=first),
        f"{which}_cnn_filter_width": Integer(3, least=1, most=9),
        f"{which}_freeze_pretrained_embedding": Boolean(True),
        f"{which}_layers": Integer(None, least=1, most=4, also=("auto",)),
        f"{which}_pretrained_embedding_file": Text("", pattern=FILE),
        f"{which}_token_embedding_dim": Integer(300, least=2, most=1000),
        f"{which}_vocab_file": Text("", pattern=FILE),
    }


TABLE = {
    **_encoder_table("enc0"),
    **_encoder_table("enc1"),
    "bucket_width": Integer(0, least=0, most=100),
    "comparator_list": Text(", ".join(COMPARATORS)),
    "dropout": Number(0.0, least=0.0, most=1.0),
    "early_stopping_patience": Integer(3, least=1, most=5),
    "early_stopping_tolerance": Number(0.01, least=1e-6, most=0.1),
    "enc_dim": Integer(4096, least=4, most=10000),
    "epochs": Integer(30, least=1, most=100),
    "learning_rate": Number(0.0004, least=1e-6, most=1.0),
    "mini_batch_size": Integer(32, least=1, most=10000),
    "mlp_activation": Choice(("tanh", "relu", "linear"), default="linear"),
    "mlp_dim": Integer(512, least=2, most=10000),
    "mlp_layers": Integer(2, least=0, most=10),
    "negative_sampling_rate": Integer(0, least=0),
    "num_classes": Integer(2, least=2, most=30),
    "optimizer": Choice(("adadelta", "adagrad", "adam", "sgd", "rmsprop"), default="adam"),
    "output_layer": Choice(("softmax", "mean_squared_error"), default="softmax"),
    "tied_token_embedding_weight": Boolean(False),
    "token_embedding_storage_type": Choice(("dense", "row_sparse"), default="dense"),
    "weight_decay": Number(0.0, least=0.0, most=10000.0),
}


@dataclass(frozen=True)
class Encoder:
    """What one encoder is made of."""

    network: str
    max_seq_len: int
    vocab_size: int
    cnn_filter_width: int
    freeze_pretrained_embedding: bool
    layers: int
    """0 for `pooled_embedding`, which has none."""
    pretrained_embedding_file: str
    token_embedding_dim: int
    vocab_file: str


@dataclass(frozen=True)
class Parameters:
    """The hyperparameters, consistent with each other."""

    encoders: tuple[Encoder, Encoder]
    bucket_width: int
    comparators: tuple[str, ...]
    dropout: float
    early_stopping_patience: int
    early_stopping_tolerance: float
    enc_dim: int
    epochs: int
    learning_rate: float
    mini_batch_size: int
    mlp_activation: str
    mlp_dim: int
    mlp_layers: int
    negative_sampling_rate: int
    num_classes: int
    optimizer: str
    output_layer: str
    tied_token_embedding_weight: bool
    token_embedding_storage_type: str
    weight_decay: float

    @property
    def regression(self) -> bool:
        """Whether labels are numbers, not classes."""
        return self.output_layer == "mean_squared_error"

    @property
    def outputs(self) -> int:
        """How many scores a pair has."""
        return 1 if self.regression else self.num_classes


def read(given: Mapping[str, str]) -> Parameters:
    """The parameters that `given` (names to strings) asks for; raises ClientError."""
    values = hyperparameters.read(given, TABLE)
    first = _encoder("enc0", values)
    second = first if values["enc1_network"] == "enc0" else _encoder("enc1", values)
    others = {
        name: value for name, value in values.items() if not name.startswith(("enc0", "enc1"))
    }
    comparators = _comparators(str(others.pop("comparator_list")))
    wanted = Parameters(encoders=(first, second), comparators=comparators, **others)
    _check(wanted)
    return wanted


def _encoder(which: str, values: Mapping[str, Any]) -> Encoder:
    """The encoder that the hyperparameters of that prefix describe; raises ClientError."""
    own = {name[5:]: value for name, value in values.items() if name.startswith(f"{which}_")}
    for name in ("max_seq_len", "vocab_size"):
        if own[name] is None:
            raise ClientError(
                f"{which}_{name} is required where {which}_network is {own['network']!r}, not 'enc0'"
            )
    if own["layers"] in (None, "auto") or own["network"] == "pooled_embedding":
        own["layers"] = AUTO_LAYERS[own["network"]]
    if own["pretrained_embedding_file"] and not own["vocab_file"]:
        raise ClientError(
            f"{which}_pretrained_embedding_file needs {which}_vocab_file, the JSON file that maps its"
            " tokens to the ids of the data"
        )
    return Encoder(**own)


def _comparators(text: str) -> tuple[str, ...]:
    """The comparator operators, in their order; raises ClientError."""
    names = tuple(part.strip() for part in text.split(","))
    if set(names) - set(COMPARATORS) or len(set(names)) < len(names):
        allowed = ", ".join(map(repr, COMPARATORS))
        expects = f"any combination of {allowed}, each at most once, separated by commas"
        raise hyperparameters.invalid("comparator_list", text, expects)
    return names


def _check(wanted: Parameters) -> None:
    """Raises ClientError where hyperparameters contradict each other."""
    first, second = wanted.encoders
    sparse = wanted.token_embedding_storage_type == "row_sparse"
    if sparse and wanted.optimizer not in SPARSE_OPTIMIZERS:
        allowed = ", ".join(map(repr, SPARSE_OPTIMIZERS))
        expects = f"one of {allowed} where token_embedding_storage_type is 'row_sparse'"
        raise hyperparameters.invalid("optimizer", wanted.optimizer, expects)
    if wanted.tied_token_embedding_weight:
        for name in ("vocab_size", "token_embedding_dim"):
            own, other = getattr(first, name), getattr(second, name)
            if own != other:
                expects = f"that of enc0_{name}, {own}, where tied_token_embedding_weight is true"
                raise hyperparameters.invalid(f"enc1_{name}", other, expects)
