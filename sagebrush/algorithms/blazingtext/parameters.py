"""BlazingText's hyperparameters: read from their strings, checked, with AWS's defaults.

Source: Amazon SageMaker AI Developer Guide, BlazingText Hyperparameters.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass


class ClientError(Exception):
    """The user's input cannot be used; the text says what and why."""


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
_LARGEST = 2**31 - 1


def read(given: Mapping[str, str]) -> Parameters | WordParameters:
    """The parameters that `given` (names to strings) asks for; raises ClientError.

    Names of the platform (`_tuning_objective_metric`, `sagemaker_…`) are ignored. Names that only
    another mode knows are told and do nothing: the guide's notebooks send `batch_size` with every
    mode, and a tuning job may vary `mode`.
    """
    values = {
        name: _plain(value)
        for name, value in given.items()
        if not name.startswith(("_", "sagemaker_"))
    }
    if "mode" not in values:
        raise _invalid("'mode' is a required property")
    if values["mode"] not in MODES:
        raise _invalid(f"{values['mode']!r} is not one of {list(MODES)}", "mode")
    kind = Parameters if values["mode"] == "supervised" else WordParameters
    own = kind.__dataclass_fields__
    known = {*Parameters.__dataclass_fields__, *WordParameters.__dataclass_fields__}
    if unknown := sorted(set(values) - known):
        names = ", ".join(map(repr, unknown))
        verb = "was" if len(unknown) == 1 else "were"
        raise _invalid(f"Additional properties are not allowed ({names} {verb} unexpected)")
    if idle := sorted(set(values) - set(own)):
        print(f"Not used in {values['mode']} mode: {', '.join(idle)}")
    found = kind(
        **{n: _READERS[n](n, v) for n, v in values.items() if n in own}  # pyright: ignore[reportArgumentType]
    )
    if isinstance(found, WordParameters):
        _check(found)
    return found


def _check(found: WordParameters) -> None:
    """Raises ClientError for values that contradict each other."""
    if not found.subwords:
        return
    if found.mode == "batch_skipgram":
        # The words are those of AWS's notebook on text8.
        raise _invalid(
            "Subword embedding learning is not supported by batch_skipgram: with subwords=True use "
            "mode=skipgram or mode=cbow",
            "subwords",
        )
    if found.min_char > found.max_char:
        raise _invalid(
            f"{found.min_char} is greater than max_char, which is {found.max_char}", "min_char"
        )


def _plain(value: object) -> str:
    """The text of a value; SDKs that send JSON put quotes around strings."""
    text = str(value).strip()
    if text.startswith('"'):
        with contextlib.suppress(ValueError):
            text = str(json.loads(text))
    return text


def _integer(least: int) -> Callable[[str, str], int]:
    def reader(name: str, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            try:
                # Tuning jobs send whole numbers as 5.0.
                value = int(float(text)) if float(text).is_integer() else None
            except (ValueError, OverflowError):
                value = None
            if value is None:
                raise _invalid(f"{text!r} is not of type 'integer'", name) from None
        if value < least:
            raise _invalid(f"{value} is less than the minimum of {least}", name)
        if value > _LARGEST:
            raise _invalid(f"{value} is greater than the maximum of {_LARGEST}", name)
        return value

    return reader


def _rate(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _invalid(f"{text!r} is not of type 'number'", name) from None
    if not 0 < value < float("inf"):
        raise _invalid(f"{text} is not a positive number", name)
    return value


def _fraction(name: str, text: str) -> float:
    value = _rate(name, text)
    if value > 1:
        raise _invalid(f"{text} is greater than the maximum of 1", name)
    return value


def _boolean(name: str, text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise _invalid(f"{text!r} is not one of ['True', 'False']", name)
    return known[text.lower()]


_READERS: Mapping[str, Callable[[str, str], object]] = {
    "mode": lambda _name, text: text,
    "batch_size": _integer(1),
    "buckets": _integer(1),
    "early_stopping": _boolean,
    "epochs": _integer(1),
    "evaluation": _boolean,
    "learning_rate": _rate,
    "max_char": _integer(1),
    "min_char": _integer(1),
    "min_count": _integer(0),
    "min_epochs": _integer(1),
    "negative_samples": _integer(1),
    "patience": _integer(1),
    "sampling_threshold": _fraction,
    "subwords": _boolean,
    "vector_dim": _integer(1),
    "window_size": _integer(1),
    "word_ngrams": _integer(1),
}


def _invalid(why: str, name: str = "") -> ClientError:
    """The error in the words that AWS's algorithms use for a hyperparameter."""
    where = f"\n\nFailed validating hyperparameter {name!r}" if name else ""
    return ClientError(f"Invalid hyperparameters: {why}{where}")
