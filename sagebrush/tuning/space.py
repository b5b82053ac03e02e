"""What a tuning job searches: ranges out of AWS's documents, and the texts that trials are given.

Source: Amazon SageMaker AI Developer Guide, Define Hyperparameter Ranges; API reference,
ParameterRanges and AutoParameter.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Doc = Mapping[str, Any]
Config = Mapping[str, str]
"""Hyperparameter -> its text, as a training job gets it."""

SPREAD = 100.0
"""Largest over smallest value from which `Auto` searches a range by its logarithm."""
MEMBERS = {
    "IntegerParameterRanges": "Integer",
    "ContinuousParameterRanges": "Continuous",
    "CategoricalParameterRanges": "Categorical",
}


class BadRange(Exception):
    """A range cannot be searched; the text says which and why."""


@dataclass(frozen=True)
class Number:
    """An integer or continuous range; both ends belong to it."""

    name: str
    low: float
    high: float
    whole: bool = False
    scale: str = "Linear"
    """`Linear`, `Logarithmic` or `ReverseLogarithmic` (by the logarithm of 1 - value)."""

    @property
    def count(self) -> float:
        """How many values it has."""
        if self.low == self.high:
            return 1
        return int(self.high) - int(self.low) + 1 if self.whole else math.inf

    def at(self, share: float) -> float:
        """The value at that share, from 0 to 1, of the range as it is scaled."""
        low, high = self.low - 0.5 * self.whole, self.high + 0.5 * self.whole
        if self.scale == "Logarithmic":
            found = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        elif self.scale == "ReverseLogarithmic":
            small, large = math.log1p(-high), math.log1p(-low)
            found = -math.expm1(large + share * (small - large))
        else:
            found = low + share * (high - low)
        return min(max(round(found) if self.whole else found, self.low), self.high)

    def share(self, value: float) -> float:
        """Where in the range, as it is scaled, the value lies: 0 at its beginning, 1 at its end."""
        if self.low == self.high:
            return 0.5
        low, high, at = self.low, self.high, value
        if self.scale == "Logarithmic":
            low, high, at = math.log(low), math.log(high), math.log(value)
        elif self.scale == "ReverseLogarithmic":
            low, high, at = -math.log1p(-low), -math.log1p(-high), -math.log1p(-value)
        return (at - low) / (high - low)

    def text(self, value: float) -> str:
        """The value as a training job gets it: `5`, `0.001`."""
        return str(round(value)) if self.whole else repr(float(value))

    def read(self, text: str) -> float | None:
        """The value of a text, None when it is none of the range."""
        try:
            value = float(json.loads(text) if text.startswith('"') else text)
        except (ValueError, TypeError):
            return None
        if not self.low <= value <= self.high or (self.whole and not value.is_integer()):
            return None
        return value


@dataclass(frozen=True)
class Choice:
    """A categorical range."""

    name: str
    values: tuple[str, ...]

    @property
    def count(self) -> float:
        """How many values it has."""
        return len(self.values)

    def at(self, share: float) -> str:
        """The value at that share, from 0 to 1, of the list."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def text(self, value: str) -> str:
        """The value as a training job gets it."""
        return value

    def read(self, text: str) -> str | None:
        """The value of a text, None when it is none of the range."""
        return text if text in self.values else None


Range = Number | Choice


@dataclass(frozen=True)
class Space:
    """The ranges of a tuning job, in the order in which they were given."""

    ranges: tuple[Range, ...]

    @property
    def names(self) -> list[str]:
        """The hyperparameters that are searched."""
        return [each.name for each in self.ranges]

    @property
    def count(self) -> float:
        """How many configurations there are; infinite with a continuous range."""
        return math.prod(each.count for each in self.ranges)

    def text(self, values: Mapping[str, Any]) -> dict[str, str]:
        """The configuration of these values."""
        return {each.name: each.text(values[each.name]) for each in self.ranges}

    def read(self, config: Config) -> dict[str, Any] | None:
        """The values of a configuration, None when one is missing or out of its range."""
        found = {each.name: each.read(config.get(each.name, "")) for each in self.ranges}
        return None if None in found.values() else found


def parse(ranges: Doc) -> Space:
    """The space of a ParameterRanges document; raises BadRange."""
    found: list[Range] = [*_numbers(ranges)]
    for each in ranges.get("CategoricalParameterRanges", ()):
        if len(set(each["Values"])) < len(each["Values"]):
            raise BadRange(f"the categorical hyperparameter [{each['Name']}] has a value twice")
        found.append(Choice(each["Name"], tuple(each["Values"])))
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise BadRange(f"the hyperparameter [{name}] has more than one range")
    return Space(tuple(found))


def _numbers(ranges: Doc) -> Iterator[Number]:
    for member, whole in (("IntegerParameterRanges", True), ("ContinuousParameterRanges", False)):
        for each in ranges.get(member, ()):
            low, high = (_bound(each, end, whole) for end in ("MinValue", "MaxValue"))
            if low > high:
                raise BadRange(
                    f"the MinValue [{each['MinValue']}] of the hyperparameter [{each['Name']}] is"
                    f" greater than its MaxValue [{each['MaxValue']}]"
                )
            scale = _scale(each["Name"], low, high, each.get("ScalingType", "Auto"), whole)
            yield Number(each["Name"], low, high, whole, scale)


def _bound(each: Doc, end: str, whole: bool) -> float:
    kind = "integer" if whole else "continuous"
    try:
        value = float(each[end])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (whole and not value.is_integer()):
        raise BadRange(
            f"the {end} [{each[end]}] of the {kind} hyperparameter [{each['Name']}] is not"
            f" {'an integer' if whole else 'a number'}"
        )
    if whole and abs(value) >= 2**53:
        raise BadRange(f"the {end} of the integer hyperparameter [{each['Name']}] is too large")
    return value


def _scale(name: str, low: float, high: float, asked: str, whole: bool) -> str:
    """The scale that is searched; raises BadRange where the requested one does not fit."""
    if asked == "Logarithmic" and low <= 0:
        raise BadRange(
            f"Logarithmic scaling works only for ranges that have only values greater than 0; the"
            f" hyperparameter [{name}] begins at {low:g}"
        )
    if asked == "ReverseLogarithmic":
        if whole:
            raise BadRange(
                f"ReverseLogarithmic scaling works only for continuous hyperparameters; [{name}] is"
                " an integer one"
            )
        if low < 0 or high >= 1:
            raise BadRange(
                "Reverse logarithmic scaling works only for ranges that are entirely within the"
                f" range 0<=x<1.0; the hyperparameter [{name}] is from {low:g} to {high:g}"
            )
    if asked != "Auto":
        return asked
    if low > 0 and high / low >= SPREAD:
        return "Logarithmic"
    if not whole and low >= 0 and high < 1 and (1 - low) / (1 - high) >= SPREAD:
        return "ReverseLogarithmic"
    return "Linear"


def ranges_of(space: Space) -> dict[str, list[dict[str, Any]]]:
    """The ParameterRanges document of a space."""
    found: dict[str, list[dict[str, Any]]] = {member: [] for member in MEMBERS}
    for each in space.ranges:
        if isinstance(each, Choice):
            doc: dict[str, Any] = {"Name": each.name, "Values": list(each.values)}
            found["CategoricalParameterRanges"].append(doc)
            continue
        member = "IntegerParameterRanges" if each.whole else "ContinuousParameterRanges"
        doc = {"Name": each.name, "MinValue": each.text(each.low), "MaxValue": each.text(each.high)}
        found[member].append({**doc, "ScalingType": each.scale})
    return found


def guess(hints: Sequence[Doc]) -> tuple[Space, dict[str, str]]:
    """Ranges around the example values of AutoParameters, and the hyperparameters that get none.

    AWS does not say how it chooses; here a number is searched from a fifth to five times its
    example (by the logarithm), True and False as two values. Any other text stays as it is, and
    so does what the SDKs pass on to their own containers (`sagemaker_…`).
    """
    found: list[Range] = []
    left: dict[str, str] = {}
    for hint in hints:
        name, text = hint["Name"], hint["ValueHint"]
        one = None if name.startswith(("sagemaker_", "_")) else _around(name, text)
        if one is None:
            left[name] = text
        else:
            found.append(one)
    return Space(tuple(found)), left


def _around(name: str, text: str) -> Range | None:
    plain = text
    with contextlib.suppress(ValueError):
        plain = str(json.loads(text)) if text.startswith('"') else text
    if plain.lower() in ("true", "false"):
        other = {"true": "false", "false": "true", "True": "False", "False": "True"}
        flipped = other.get(plain)
        return Choice(name, (text, text.replace(plain, flipped))) if flipped else None
    try:
        value = float(plain)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    whole = plain.lstrip("+-").isdigit()
    if value == 0:
        return Number(name, 0.0, 10.0, True) if whole else Number(name, 0.0, 1.0)
    if value < 0:
        return Number(name, 5 * value, math.ceil(value / 5) if whole else value / 5, whole)
    low, high = value / 5, value * 5
    if whole:
        return Number(name, max(1.0, float(math.floor(low))), high, True, "Logarithmic")
    if value < 1 <= high:  # a fraction or a rate: it stays below 1
        high = value + (1 - value) / 2
    return Number(name, low, high, False, "Logarithmic")
