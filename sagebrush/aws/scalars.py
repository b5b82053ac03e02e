"""Single values between text and Python: numbers, booleans, times, bytes; and the error for a bad
one."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import Any

from sagebrush.aws.shapes import Node
from sagebrush.store.objects import Blob
from sagebrush.store.spool import Spooled

INTEGER_BITS = {"integer": 31, "long": 63}
TYPE_WORDS = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "timestamp": "a Timestamp",
    "blob": "a Blob",
    "jsonvalue": "a JSON value",
}
"""Kind -> how a SerializationException names it."""
SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


class BadValue(ValueError):
    """A value that is not of its shape's type; its text says so in AWS's words."""


def integer(kind: str, text: str) -> int:
    """The integer written as `text`; raises BadValue."""
    if _INTEGER.fullmatch(text):
        return bounded(kind, int(text))
    raise BadValue(f"STRING_VALUE can not be converted to {TYPE_WORDS[kind]}")


def bounded(kind: str, value: int) -> int:
    """`value`, if it is in the range of that kind of integer; raises BadValue."""
    limit = 1 << INTEGER_BITS[kind]
    if -limit <= value < limit:
        return value
    raise BadValue(f"NUMBER_VALUE can not be converted to {TYPE_WORDS[kind]}")


def number(kind: str, text: str) -> float:
    """The floating-point number written as `text`; raises BadValue."""
    if text in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[text]
    if len(text) < 400 and _NUMBER.fullmatch(text):
        return float(text)
    raise BadValue(f"STRING_VALUE can not be converted to {TYPE_WORDS[kind]}")


def boolean(text: str) -> bool:
    """True or False; raises BadValue for another word."""
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    raise BadValue("STRING_VALUE can not be converted to a Boolean")


def epoch(seconds: float) -> datetime:
    """The time that many seconds after 1970; raises BadValue outside the years 1 to 9999."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError) as error:
        raise BadValue("NUMBER_VALUE can not be converted to a Timestamp") from error


def time(text: str) -> datetime:
    """The time in ISO 8601, RFC 822 or epoch seconds; raises BadValue."""
    text = text.strip()
    try:
        if _NUMBER.fullmatch(text) and not re.fullmatch(r"[0-9]{8}", text):
            return epoch(number("double", text))
        found = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise BadValue("STRING_VALUE can not be converted to a Timestamp") from error


def blob(text: str) -> bytes:
    """The bytes encoded as base64 in `text`; raises BadValue."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadValue("STRING_VALUE can not be converted to a Blob") from error


def json_of(text: str | bytes) -> Any:
    """The JSON document in `text`, which somebody else wrote; raises ValueError, for one that is
    nested too deeply to be read too."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_value(text: str) -> Any:
    """The JSON document in base64 `text`; raises BadValue."""
    try:
        return json_of(blob(text))
    except ValueError as error:
        raise BadValue("STRING_VALUE can not be converted to a JSON value") from error


_READERS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": lambda text: integer("integer", text),
    "long": lambda text: integer("long", text),
    "float": lambda text: number("float", text),
    "double": lambda text: number("double", text),
    "boolean": boolean,
    "timestamp": time,
    "blob": blob,
    "jsonvalue": json_value,
    "document": json_value,
}


def read(node: Node, text: str) -> Any:
    """The value of `node` written as `text` in a header, query, form or XML; raises BadValue."""
    reader = _READERS.get(node.kind)
    if reader is None:
        raise BadValue("Unexpected text where a structure, list or map was expected")
    return reader(text)


def moment(value: Any) -> datetime:
    """A time returned by an operation (datetime, epoch seconds or ISO text), in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return epoch(value) if isinstance(value, int | float) else time(value)


def epoch_seconds(value: Any) -> float | int:
    """A time in the form of AWS's JSON: seconds with three decimals, an integer where they are
    zero."""
    seconds = value if isinstance(value, int | float) else (moment(value) - _EPOCH).total_seconds()
    rounded = round(seconds, 3)
    return int(rounded) if rounded == int(rounded) else rounded


@lru_cache(maxsize=4096)
def _rfc822(second: int) -> str:
    """The time as HTTP writes it (RFC 9110, 5.6.7); kept, because objects are read again and again."""
    return formatdate(second, usegmt=True)


def time_text(value: Any, form: str) -> str:
    """A time as text in `form`: `unixtimestamp`, `rfc822` or `iso8601`.

    Text that is not a time is returned unchanged: S3 stores any text as `Expires`.
    """
    if isinstance(value, str):
        try:
            value = time(value)
        except BadValue:
            return value
    if form == "unixtimestamp":
        return str(epoch_seconds(value))
    when = moment(value)
    if form == "rfc822":
        return _rfc822(math.floor(when.timestamp()))
    return when.isoformat(timespec="milliseconds")[:23] + "Z"


def raw(value: Any) -> bytes:
    """The bytes of a blob returned by an operation."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return value.read() if isinstance(value, Blob | Spooled) else str(value).encode()


def float_text(value: float) -> float | str:
    """The number, or its name where JSON has none (`NaN`, `Infinity`, `-Infinity`)."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def write(node: Node, value: Any, time_format: str) -> str:
    """`value` as text for a header, query or XML; times in the node's format or `time_format`."""
    kind = node.kind
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return time_text(value, node.time_format or time_format)
    if kind == "blob":
        return base64.b64encode(raw(value)).decode()
    if kind in ("float", "double"):
        return str(float_text(value))
    if kind in ("jsonvalue", "document"):
        return base64.b64encode(json.dumps(value).encode()).decode()
    return str(value)
