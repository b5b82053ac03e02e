"""A model of LDA, and its file as AWS's algorithm writes it: `model_algo-1`, alpha and beta by MXNet.

Source: aws/amazon-sagemaker-examples, LDA-Science.ipynb: `alpha, beta = mx.ndarray.load("model_algo-1")`
with the shapes (num_topics,) and (num_topics, feature_dim).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from contract import ndarrays

Floats = npt.NDArray[Any]
PREFIX = "model_"


@dataclass(frozen=True)
class Model:
    """The parameters of LDA."""

    alpha: Floats
    """(topics,): the Dirichlet prior of a document's topics; its sum is the concentration."""
    beta: Floats
    """(topics, words): each topic's chances of words; rows sum to 1."""

    @property
    def num_topics(self) -> int:
        return self.beta.shape[0]

    @property
    def feature_dim(self) -> int:
        return self.beta.shape[1]

    def ordered(self) -> Model:
        """The same model, the topics with the largest alpha first."""
        order = np.argsort(-self.alpha, kind="stable")
        return Model(self.alpha[order], self.beta[order])


def save(model: Model, file: Path) -> None:
    """The file is what AWS's algorithm writes: two arrays of float32."""
    ndarrays.save(file, [model.alpha.astype(np.float32), model.beta.astype(np.float32)])


def load(folder: Path) -> Model:
    """The model in a folder, ours or one that AWS trained; raises ValueError where there is none."""
    found = sorted(folder.glob(f"{PREFIX}*"))
    if len(found) != 1:
        raise ValueError(f"no {PREFIX}algo-1 in the model archive: it must hold one, at its top")
    arrays = ndarrays.load(found[0])
    if isinstance(arrays, dict) or len(arrays) != 2:
        raise ValueError(f"{found[0].name} does not hold the two arrays alpha and beta")
    alpha, beta = (array.astype(np.float64) for array in arrays)
    if alpha.ndim != 1 or beta.ndim != 2 or len(alpha) != len(beta) or not (alpha > 0).all():
        raise ValueError(
            f"{found[0].name}: alpha {alpha.shape} and beta {beta.shape} are no model of LDA"
        )
    return Model(alpha, beta)
