"""Hyperparameters as a table: types, ranges and defaults; what is wrong is said in AWS's words.

The values come as strings. AWS's algorithms validate them by a JSON schema and put its errors into
these words (github.com/aws/sagemaker-python-sdk, issue 132, and the config module of the Vowpal Wabbit
container in github.com/aws-samples, which has their SDK's validator).
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from .errors import ClientError

SHOWN = 200
"""Characters of a value that an error shows."""
PLATFORM = ("_", "sagemaker_")
"""Prefixes of names that are the platform's: `_tuning_objective_metric`, `sagemaker_program`."""
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Integer:
    """A whole number between `least` and `most`, both allowed; or one of the words in `also`."""

    default: int | str | None = None
    least: int | None = None
    most: int | None = None
    required: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    """A finite number; `least` and `most` are allowed, `above` and `below` are not."""

    default: float | str | None = None
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    required: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """One of `values`."""

    values: tuple[str, ...]
    default: str | None = None
    required: bool = False


@dataclass(frozen=True)
class Boolean:
    """true or false, also with a capital or as 1 and 0."""

    default: bool | None = None
    required: bool = False


@dataclass(frozen=True)
class Text:
    """Any text, or one that `pattern` matches as a whole."""

    default: str | None = None
    required: bool = False
    pattern: str | None = None


Kind = Union[Integer, Number, Choice, Boolean, Text]


def read(given: Mapping[str, str], table: Mapping[str, Kind]) -> dict[str, Any]:
    """Each name of the table with its typed value, or its default; raises ClientError.

    Names of the platform are passed over; the SDKs' quotes around strings are no part of a value.
    """
    values = {k: _plain(v) for k, v in given.items() if not k.startswith(PLATFORM)}
    missing = [name for name, kind in table.items() if kind.required and name not in values]
    if missing:
        names = ", ".join(map(repr, missing))
        raise _invalid(
            f"No value(s) were specified for {names} which are required hyperparameter(s)",
            f"{missing[0]!r} is a required property",
        )
    if unknown := sorted(set(values) - set(table)):
        said = (
            f"({', '.join(map(repr, unknown))} {'was' if len(unknown) == 1 else 'were'} unexpected)"
        )
        raise _invalid(
            f"Additional hyperparameters are not allowed {said}",
            f"Additional properties are not allowed {said}",
        )
    return {
        name: _value(name, values[name], kind) if name in values else kind.default
        for name, kind in table.items()
    }


def invalid(name: str, value: object, expects: str) -> ClientError:
    """The error for a value that a rule across hyperparameters forbids: `expects` says what would be
    right ("a string of 3 numbers, as num_topics says")."""
    shown = _short(value)
    return _invalid(
        f"The value '{shown}' is not valid for the '{name}' hyperparameter which expects {expects}",
        f"{shown!r} is not valid",
    )


def _short(value: object) -> object:
    """The value as an error tells it: the reason behind a long one is to be read, too."""
    text = str(value)
    return value if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _plain(value: object) -> str:
    """The text of a value; SDKs that send JSON put quotes around strings."""
    text = str(value).strip()
    if text.startswith('"'):
        with contextlib.suppress(ValueError):
            text = str(json.loads(text))
    return text


def _value(name: str, text: str, kind: Kind) -> object:
    if isinstance(kind, Choice):
        if text not in kind.values:
            raise _not_among(name, text, kind.values)
        return text
    if isinstance(kind, Boolean):
        if text.lower() not in _BOOLEANS:
            raise _not_among(name, text, ("true", "false"))
        return _BOOLEANS[text.lower()]
    if isinstance(kind, Text):
        if kind.pattern is not None and not re.fullmatch(kind.pattern, text):
            pattern = f"a string which matches the pattern '^{kind.pattern}$'"
            raise _invalid(
                _expects(name, text, pattern), f"{_short(text)!r} does not match '^{kind.pattern}$'"
            )
        return text
    if text in kind.also:
        return text
    number = _whole(text) if isinstance(kind, Integer) else _real(text)
    if number is None:
        type_ = "integer" if isinstance(kind, Integer) else "number"
        raise _invalid(
            _expects(name, text, _range(kind)), f"{_short(text)!r} is not of type '{type_}'"
        )
    if why := _outside(number, kind):
        raise _invalid(_expects(name, text, _range(kind)), why)
    return number


def _whole(text: str) -> int | None:
    """The whole number; tuning jobs send it as 5.0."""
    try:
        return int(text) if "_" not in text else None
    except ValueError:
        number = _real(text)
        return int(number) if number is not None and number.is_integer() else None


def _real(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _outside(number: float, kind: Integer | Number) -> str:
    """Why the number is out of range, in the words of JSON schema's validator; "" where it is not."""
    above = kind.above if isinstance(kind, Number) else None
    below = kind.below if isinstance(kind, Number) else None
    if kind.least is not None and number < kind.least:
        return f"{number} is less than the minimum of {kind.least}"
    if above is not None and number <= above:
        return f"{number} is less than or equal to the minimum of {above}"
    if kind.most is not None and number > kind.most:
        return f"{number} is greater than the maximum of {kind.most}"
    if below is not None and number >= below:
        return f"{number} is greater than or equal to the maximum of {below}"
    return ""


def _range(kind: Integer | Number) -> str:
    """What the hyperparameter expects, in words."""
    what = "an integer" if isinstance(kind, Integer) else "a number"
    above = kind.above if isinstance(kind, Number) else None
    below = kind.below if isinstance(kind, Number) else None
    if kind.least is not None and kind.most is not None:
        what += f" between {kind.least} and {kind.most}"
    else:
        bounds = (
            ("greater than or equal to", kind.least),
            ("greater than", above),
            ("less than or equal to", kind.most),
            ("less than", below),
        )
        said = [f"{words} {bound}" for words, bound in bounds if bound is not None]
        what += " " + " and ".join(said) if said else ""
    if not kind.also:
        return what
    return f"one of the following: {', '.join(map(repr, kind.also))}; or {what}"


def _expects(name: str, text: str, what: str) -> str:
    return f"The value '{_short(text)}' is not valid for the '{name}' hyperparameter which expects {what}"


def _not_among(name: str, text: str, values: tuple[str, ...]) -> ClientError:
    allowed = ", ".join(f"'{value}'" for value in values)
    return _invalid(
        f"The value '{_short(text)}' is not valid for the '{name}' hyperparameter which accepts one of the"
        f" following: {allowed}",
        f"{_short(text)!r} is not one of {list(values)}",
    )


def _invalid(summary: str, cause: str) -> ClientError:
    return ClientError(f"{summary} (caused by ValidationError)\n\nCaused by: {cause}")
