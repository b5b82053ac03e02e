"""The classifier: an encoder and its classification layer (dropout, and a dense layer with softmax)."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import tensorflow as tf

SEED = 7
TEXT = "text"
PROBABILITIES = "probabilities"


class Classifier(tf.Module):
    """Texts to the probability of each class; saved, it is the artefact."""

    def __init__(self, encoder: Any, kernel: Any, bias: Any) -> None:
        super().__init__()
        self.encoder, self.kernel, self.bias = encoder, kernel, bias

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=TEXT)])
    def serve(self, text: Any) -> dict[str, Any]:
        """The signature `serving_default`."""
        return {PROBABILITIES: tf.nn.softmax(self.logits(self.encoder(text, training=False)))}

    def logits(self, embeddings: Any) -> Any:
        """The classification layer of embeddings."""
        return tf.linalg.matmul(embeddings, self.kernel) + self.bias

    def save(self, folder: Path) -> None:
        """The folder is a SavedModel, which needs nothing of this code to be loaded."""
        # The encoder with dropout too, for incremental training.
        for training in (False, True):
            self.encoder(tf.constant(["a"]), training=training)
        tf.saved_model.save(self, str(folder), signatures={"serving_default": self.serve})


def top_layer(width: int, classes: int) -> tuple[Any, Any]:
    """A new (kernel, bias), by Glorot's uniform distribution and zeros, as Keras's Dense has them."""
    limit = math.sqrt(6 / (width + classes))
    start = tf.random.stateless_uniform((width, classes), (SEED, 0), -limit, limit)
    return tf.Variable(start, name="kernel"), tf.Variable(tf.zeros([classes]), name="bias")
