"""Sequence-to-Sequence's hyperparameters, with AWS's defaults.

Source: Amazon SageMaker AI Developer Guide, Sequence-to-Sequence Hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contract.errors import ClientError
from contract.hyperparameters import Boolean, Choice, Integer, Number, invalid, read

LARGEST = 2**31 - 1
LAYER = 1000
"""Numbers whose memory a layer takes beside its weights."""


def _count(default: int | None) -> Integer:
    return Integer(default, least=1, most=LARGEST)


def _share(default: float) -> Number:
    return Number(default, least=0.0, most=1.0)


TABLE = {
    "batch_size": _count(64),
    "beam_size": _count(5),
    "bleu_sample_size": Integer(0, least=-1, most=LARGEST),
    "bucket_width": _count(10),
    "bucketing_enabled": Boolean(True),
    "checkpoint_frequency_num_batches": _count(1000),
    "checkpoint_threshold": _count(3),
    "clip_gradient": Number(1.0),
    "cnn_activation_type": Choice(("glu", "relu", "softrelu", "sigmoid", "tanh"), "glu"),
    "cnn_hidden_dropout": _share(0.0),
    "cnn_kernel_width_decoder": _count(5),
    "cnn_kernel_width_encoder": _count(3),
    "cnn_num_hidden": _count(512),
    "decoder_type": Choice(("rnn", "cnn"), "rnn"),
    "embed_dropout_source": _share(0.0),
    "embed_dropout_target": _share(0.0),
    "encoder_type": Choice(("rnn", "cnn"), "rnn"),
    "fixed_rate_lr_half_life": _count(10),
    "learning_rate": Number(0.0003, above=0.0),
    "loss_type": Choice(("cross-entropy",), "cross-entropy"),
    "lr_scheduler_type": Choice(
        ("plateau_reduce", "fixed_rate_inv_t", "fixed_rate_inv_sqrt_t"), "plateau_reduce"
    ),
    "max_num_batches": Integer(-1, least=-1, most=LARGEST),
    "max_num_epochs": _count(None),
    "max_seq_len_source": _count(100),
    "max_seq_len_target": _count(100),
    "momentum": Number(None, least=0.0),
    "num_embed_source": _count(512),
    "num_embed_target": _count(512),
    "num_layers_decoder": _count(1),
    "num_layers_encoder": _count(1),
    "optimized_metric": Choice(("perplexity", "accuracy", "bleu"), "perplexity"),
    "optimizer_type": Choice(("adam", "sgd", "rmsprop"), "adam"),
    "plateau_reduce_lr_factor": Number(0.5, above=0.0, most=1.0),
    "plateau_reduce_lr_threshold": _count(3),
    "rnn_attention_in_upper_layers": Boolean(True),
    "rnn_attention_num_hidden": _count(None),
    "rnn_attention_type": Choice(("dot", "fixed", "mlp", "bilinear"), "mlp"),
    "rnn_cell_type": Choice(("lstm", "gru"), "lstm"),
    "rnn_decoder_hidden_dropout": _share(0.0),
    "rnn_decoder_state_init": Choice(("last", "avg", "zero"), "last"),
    "rnn_first_residual_layer": _count(2),
    "rnn_num_hidden": _count(1024),
    "rnn_residual_connections": Boolean(False),
    "training_metric": Choice(("perplexity", "accuracy"), "perplexity"),
    "weight_decay": Number(0.0, least=0.0),
    "weight_init_scale": Number(2.34),
    "weight_init_type": Choice(("xavier", "uniform"), "xavier"),
    "xavier_factor_type": Choice(("in", "out", "avg"), "in"),
}
"""Every hyperparameter of the guide."""


def least_weights(wanted: Mapping[str, Any]) -> int:
    """Weights that the layers of a network have at least, without building it: what this says of an
    absurd size is said at once."""
    kinds = {"encoder": wanted["encoder_type"], "decoder": wanted["decoder_type"]}
    layers = 0
    for part, kind in kinds.items():
        size = wanted[f"{kind}_num_hidden"]
        width = wanted[f"cnn_kernel_width_{part}"] if kind == "cnn" else 1
        layers += wanted[f"num_layers_{part}"] * max(width * size * size, LAYER)
    return layers + wanted["num_embed_source"] + wanted["num_embed_target"]


def settings(given: Mapping[str, str]) -> dict[str, Any]:
    """Every hyperparameter's value; raises ClientError for those that exclude each other."""
    found = read(given, TABLE)
    if found["rnn_num_hidden"] % 2 and found["encoder_type"] == "rnn":
        raise ClientError(
            f"rnn_num_hidden must be a multiple of 2, not {found['rnn_num_hidden']}: half of the"
            " units of the encoder's first layer read in each direction"
        )
    if found["max_num_batches"] == 0:
        raise invalid("max_num_batches", 0, "a positive integer, or -1 for no limit")
    if found["momentum"] is not None and found["optimizer_type"] != "sgd":
        raise ClientError(
            f"momentum is for optimizer_type=sgd alone: leave it out with {found['optimizer_type']}"
        )
    if found["optimized_metric"] == "bleu" and found["bleu_sample_size"] == 0:
        found["bleu_sample_size"] = -1
    if found["rnn_attention_num_hidden"] is None:
        found["rnn_attention_num_hidden"] = found["rnn_num_hidden"]
    return found
