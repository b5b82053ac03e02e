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


MODES = ("batch_skipgram", "cbow", "skipgram", "supervised")
# Of the Word2Vec modes; the guide's notebooks send them with supervised too, where they do nothing.
WORD2VEC_ONLY = (
    "batch_size",
    "evaluation",
    "max_char",
    "min_char",
    "negative_samples",
    "sampling_threshold",
    "subwords",
    "window_size",
)
_LARGEST = 2**31 - 1


def read(given: Mapping[str, str]) -> Parameters:
    """The parameters that `given` (names to strings) asks for; raises ClientError.

    Names of the platform (`_tuning_objective_metric`, `sagemaker_…`) are ignored.
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
    if values["mode"] != "supervised":
        raise ClientError(
            f"mode={values['mode']} (Word2Vec) is not in this release of Sagebrush; "
            "mode=supervised (text classification) is"
        )
    unknown = sorted(set(values) - set(Parameters.__dataclass_fields__) - set(WORD2VEC_ONLY))
    if unknown:
        names = ", ".join(map(repr, unknown))
        verb = "was" if len(unknown) == 1 else "were"
        raise _invalid(f"Additional properties are not allowed ({names} {verb} unexpected)")
    if idle := sorted(set(values) & set(WORD2VEC_ONLY)):
        print(f"Not used in supervised mode: {', '.join(idle)}")
    return Parameters(
        **{n: _READERS[n](n, v) for n, v in values.items() if n not in WORD2VEC_ONLY}  # pyright: ignore[reportArgumentType]
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


def _boolean(name: str, text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise _invalid(f"{text!r} is not one of ['True', 'False']", name)
    return known[text.lower()]


_READERS: Mapping[str, Callable[[str, str], object]] = {
    "mode": lambda _name, text: text,
    "buckets": _integer(1),
    "early_stopping": _boolean,
    "epochs": _integer(1),
    "learning_rate": _rate,
    "min_count": _integer(0),
    "min_epochs": _integer(1),
    "patience": _integer(1),
    "vector_dim": _integer(1),
    "word_ngrams": _integer(1),
}


def _invalid(why: str, name: str = "") -> ClientError:
    """The error in the words that AWS's algorithms use for a hyperparameter."""
    where = f"\n\nFailed validating hyperparameter {name!r}" if name else ""
    return ClientError(f"Invalid hyperparameters: {why}{where}")
