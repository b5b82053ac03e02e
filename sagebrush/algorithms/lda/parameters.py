"""LDA's hyperparameters, with the guide's defaults and ranges.

Source: Amazon SageMaker AI Developer Guide, LDA Hyperparameters. `allow_svd_init` and `epochs` are not in
the guide: the log of AWS's own algorithm lists them with these defaults (aws/amazon-sagemaker-examples,
LDA-Science.ipynb). `refinement_sweeps` is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contract import hyperparameters
from contract.hyperparameters import Boolean, Integer, Number

LARGEST = 2**31 - 1
TABLE: Mapping[str, hyperparameters.Kind] = {
    "num_topics": Integer(least=1, most=LARGEST, required=True),
    "feature_dim": Integer(least=1, most=LARGEST, required=True),
    "mini_batch_size": Integer(least=1, most=LARGEST, required=True),
    "alpha0": Number(default=1.0, above=0, most=1e9),
    "max_restarts": Integer(default=10, least=1, most=LARGEST),
    "max_iterations": Integer(default=1000, least=1, most=LARGEST),
    "tol": Number(default=1e-8, above=0),
    "allow_svd_init": Boolean(default=True),
    "epochs": Integer(default=1, least=1, most=LARGEST),
    "refinement_sweeps": Integer(default=100, least=0, most=LARGEST),
}


@dataclass(frozen=True)
class Parameters:
    """What the job asks for."""

    num_topics: int
    feature_dim: int
    mini_batch_size: int
    alpha0: float = 1.0
    max_restarts: int = 10
    max_iterations: int = 1000
    tol: float = 1e-8
    allow_svd_init: bool = True
    epochs: int = 1
    """Accepted; the moments are those of all documents, whichever number this is."""
    refinement_sweeps: int = 100
    """Sweeps of expectation maximisation after the decomposition, at most; 0 for the decomposition
    alone."""


def read(given: Mapping[str, str]) -> Parameters:
    """The parameters that `given` asks for; raises ClientError."""
    found = Parameters(**hyperparameters.read(given, TABLE))
    if found.num_topics > found.feature_dim:
        raise hyperparameters.invalid(
            "num_topics", found.num_topics, f"at most feature_dim, which is {found.feature_dim}"
        )
    return found
