"""The optimizer that a job asks for, from Keras, and its learning rate at each step.

AWS's guide gives AdamW a warm-up and no more; its decay, weight decay and clipping are those of
TensorFlow Model Garden's `create_optimizer` (official/nlp/optimization.py), which its tutorial "Classify
text with BERT" takes for the same purpose.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false
# (TensorFlow is the job's environment's)

from __future__ import annotations

from typing import Any

import tensorflow as tf

from .parameters import Parameters

WEIGHT_DECAY = 0.01
CLIP = 1.0
"""AdamW: the norm to which all gradients together are cut."""
UNDECAYED = ("LayerNorm", "layer_norm", "bias")


def create(wanted: Parameters) -> Any:
    """Keras's optimizer with the job's settings."""
    kinds = tf.keras.optimizers
    rate, epsilon = wanted.learning_rate, wanted.epsilon
    if wanted.optimizer == "adam":
        return kinds.Adam(rate, beta_1=wanted.beta_1, beta_2=wanted.beta_2, epsilon=epsilon)
    if wanted.optimizer == "adamw":
        # The guide's epsilon is not for adamw: Keras's default holds.
        made = kinds.AdamW(
            rate, weight_decay=WEIGHT_DECAY, beta_1=wanted.beta_1, beta_2=wanted.beta_2
        )
        made.exclude_from_weight_decay(var_names=list(UNDECAYED))
        return made
    if wanted.optimizer in ("sgd", "nesterov"):
        return kinds.SGD(rate, momentum=wanted.momentum, nesterov=wanted.optimizer == "nesterov")
    if wanted.optimizer == "rmsprop":
        return kinds.RMSprop(rate, rho=wanted.rho, epsilon=epsilon)
    if wanted.optimizer == "adagrad":
        start = wanted.initial_accumulator_value
        return kinds.Adagrad(rate, initial_accumulator_value=start, epsilon=epsilon)
    return kinds.Adadelta(rate, rho=wanted.rho, epsilon=epsilon)


def rate(wanted: Parameters, step: int, steps: int) -> float:
    """The learning rate of `step` (from 0) of `steps`: constant, but for AdamW, where it rises from 0
    during the warm-up and falls to 0 at the end, both linearly."""
    if wanted.optimizer != "adamw":
        return wanted.learning_rate
    warm = int(steps * wanted.warmup_steps_fraction)
    if step < warm:
        return wanted.learning_rate * step / warm
    return wanted.learning_rate * (1 - step / steps)
