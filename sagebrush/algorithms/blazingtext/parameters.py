"""BlazingText's hyperparameters: read from their strings, checked, with AWS's defaults.

Source: Amazon SageMaker AI Developer Guide, BlazingText Hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contract import hyperparameters
from contract.errors import ClientError
from contract.hyperparameters import Boolean, Choice, Integer, Kind, Number

__all__ = ["MODES", "ClientError", "Parameters", "WordParameters", "read"]

LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Parameters:
    """The hyperparameters of mode `supervised`, with the guide's defaults."""

    mode: str
    buckets: int = 2_000_000
    early_stopping: bool = False
    epochs: int = 5
    learning_rate: float = 0.05
    min_count: int = 5
    min_epochs: int = 5
    patience: int = 4
    vector_dim: int = 100
    word_ngrams: int = 2


@dataclass(frozen=True)
class WordParameters:
    """The hyperparameters of the Word2Vec modes, with the guide's defaults."""

    mode: str
    batch_size: int = 11
    buckets: int = 2_000_000
    epochs: int = 5
    evaluation: bool = True
    learning_rate: float = 0.05
    max_char: int = 6
    min_char: int = 3
    min_count: int = 5
    negative_samples: int = 5
    sampling_threshold: float = 0.0001
    subwords: bool = False
    vector_dim: int = 100
    window_size: int = 5


MODES = ("batch_skipgram", "cbow", "skipgram", "supervised")
_POSITIVE = Integer(least=1, most=LARGEST)
_KINDS: Mapping[str, Kind] = {
    "mode": Choice(MODES, required=True),
    "evaluation": Boolean(),
    "early_stopping": Boolean(),
    "learning_rate": Number(above=0),
    "min_count": Integer(least=0, most=LARGEST),
    "sampling_threshold": Number(above=0, most=1),
    "subwords": Boolean(),
}
"""What each hyperparameter may be; those that are not here are positive whole numbers."""


def read(given: Mapping[str, str]) -> Parameters | WordParameters:
    """The parameters that `given` (names to strings) asks for; raises ClientError.

    Names of the platform (`_tuning_objective_metric`, `sagemaker_…`) are ignored. Names that only
    another mode knows are told and do nothing: the guide's notebooks send `batch_size` with every
    mode, and a tuning job may vary `mode`.
    """
    only = {name: value for name, value in given.items() if name == "mode"}
    mode = hyperparameters.read(only, {"mode": _KINDS["mode"]})["mode"]
    kind, other = Parameters, WordParameters
    if mode != "supervised":
        kind, other = other, kind
    own = kind.__dataclass_fields__
    if idle := sorted(set(given) & set(other.__dataclass_fields__) - set(own)):
        print(f"Not used in {mode} mode: {', '.join(idle)}")
    table = {name: _KINDS.get(name, _POSITIVE) for name in own}
    values = hyperparameters.read({k: v for k, v in given.items() if k not in idle}, table)
    found = kind(**{name: value for name, value in values.items() if name in given})
    if isinstance(found, WordParameters):
        _check(found)
    return found


def _check(found: WordParameters) -> None:
    """Raises ClientError for values that contradict each other."""
    if not found.subwords:
        return
    if found.mode == "batch_skipgram":
        # The reason is in the words of AWS's notebook on text8.
        raise hyperparameters.invalid(
            "subwords",
            found.subwords,
            "False with mode=batch_skipgram: subword embedding learning is not supported by"
            " batch_skipgram, use mode=skipgram or mode=cbow",
        )
    if found.min_char > found.max_char:
        raise hyperparameters.invalid(
            "min_char", found.min_char, f"an integer up to max_char, which is {found.max_char}"
        )
