"""JSON values as states pass them: read, written, measured and named."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import Any

PAYLOAD_LIMIT = 262_144
"""Bytes of UTF-8 that a state may receive or return (quotas: "Maximum input or output size")."""

LARGEST = 8 * 1024 * 1024
"""Characters that the values which a state makes may have before they are written: more than anything
that goes on, and little enough for memory."""

LONG = 2**63


class Missing:
    """The type of `MISSING`."""


MISSING = Missing()
"""What a path finds where nothing is; never part of a document."""

_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)
write = _encoder.encode
"""The compact JSON text of a value, as histories hold it."""


def _integer(text: str) -> int | float:
    """An integer stays exact while it fits into a long, and is a double beyond it."""
    number = int(text) if len(text) < 400 else 10**400
    return number if -LONG <= number < LONG else _double(text)


def _double(text: str) -> float:
    """Raises ValueError for a number that no double holds: states could not write it as JSON."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"Numeric value ({text[:100]}) out of range of double")
    return number


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


strict = json.JSONDecoder(parse_int=_integer, parse_float=_double, parse_constant=_constant)
"""Reads JSON and nothing beyond: no NaN, no number that no double holds."""


def read(text: str) -> Any:
    """The value of a JSON text. Raises ValueError."""
    try:
        return strict.decode(text)
    except (RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None


def fits(text: str) -> bool:
    """Whether a payload is within AWS's limit of 256 KiB."""
    return len(text) <= PAYLOAD_LIMIT // 4 or len(text.encode()) <= PAYLOAD_LIMIT


def size_of(value: Any) -> int:
    """About how many characters the text of a value has; it is not counted beyond `LARGEST`."""
    size, left = 0, [value]
    while left and size <= LARGEST:
        one = left.pop()
        size += 2
        if isinstance(one, str):
            size += len(one)
        elif isinstance(one, dict):
            size += sum(map(len, one))
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return size


def type_of(value: Any) -> str:
    """JSON's name of a value's type, as AWS's messages write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: unlike Python's, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)


def timestamp(text: Any) -> float | None:
    """Seconds since 1970 of an RFC 3339 timestamp with upper-case T and Z, or None (specification,
    "Timestamps")."""
    found = TIMESTAMP.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return None
    seconds, fraction, zone = found.groups()
    try:
        moment = dt.datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        return None
    return moment.timestamp() + (float("0." + fraction) if fraction else 0)


def iso(moment: float) -> str:
    """A time as the context object has it: milliseconds, without trailing zeros."""
    text = dt.datetime.fromtimestamp(round(moment, 3), dt.UTC).isoformat(timespec="milliseconds")
    text = text.removesuffix("+00:00")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "Z"
