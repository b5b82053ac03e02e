"""What a pattern asks of one value of an event.

Source: EventBridge user guide, "Comparison operators for use in event patterns"; aws/event-ruler for
what the guide leaves open. A condition is about leaves: texts, numbers, true, false and null.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Protocol

Leaf = str | int | float | bool | None
MILLION = 10**6
LARGEST = 5 * 10**9
"""Numbers compare from minus this to this, to six digits after the point."""
OUTSIDE = "Value must be between -5.0E9 and 5.0E9, inclusive"
TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences"
    " after a wildcard character"
)
MOST_STATES = 10
"""Places of a wildcard's text at which a value may be at once: what is seen of EventBridge lies between
8, which it takes, and 10, which it refuses (`*:*:*:*:*:event-bus/*`)."""
_IP = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[0-9a-fA-F:]*:[0-9a-fA-F:]*")


class Condition(Protocol):
    """A test of one value that is there."""

    def holds(self, value: Leaf) -> bool: ...


@lru_cache(maxsize=4096)
def scaled(text: str) -> int | None:
    """A number in millionths; None where it cannot be compared. Raises ValueError for no number."""
    try:
        number = Decimal(text) * MILLION
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not number.is_finite() or number != number.to_integral_value():
        return None
    return int(number) if abs(number) <= LARGEST * MILLION else None


def key(value: Leaf) -> Hashable:
    """What is the same for values that are equal: `5` and `5.0`, not `1` and `true`."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return (value,)
    number = millionths(value)
    return ("#", value) if number is None else ("", number)


def millionths(value: int | float) -> int | None:
    """The number in millionths; None where it cannot be compared."""
    if isinstance(value, int):
        return value * MILLION if -LARGEST <= value <= LARGEST else None
    return scaled(repr(value))


@dataclass(frozen=True)
class Prefix:
    """A text that begins so."""

    text: str
    folded: bool = False

    def holds(self, value: Leaf) -> bool:
        if not isinstance(value, str):
            return False
        return (value.lower() if self.folded else value).startswith(self.text)


@dataclass(frozen=True)
class Suffix:
    """A text that ends so."""

    text: str
    folded: bool = False

    def holds(self, value: Leaf) -> bool:
        if not isinstance(value, str):
            return False
        return (value.lower() if self.folded else value).endswith(self.text)


@dataclass(frozen=True)
class IgnoreCase:
    """A text that is this one but for upper and lower case."""

    text: str

    def holds(self, value: Leaf) -> bool:
        return isinstance(value, str) and value.lower() == self.text


@dataclass(frozen=True)
class Numeric:
    """A number between two, in millionths; `open_…`: the bound itself is left out."""

    low: int
    open_low: bool
    high: int
    open_high: bool

    def holds(self, value: Leaf) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        number = millionths(value)
        if number is None or number < self.low or number > self.high:
            return False
        return not (
            (self.open_low and number == self.low) or (self.open_high and number == self.high)
        )


@dataclass(frozen=True)
class Addresses:
    """A text that is an IP address, of this version, between two."""

    version: int
    low: int
    high: int

    def holds(self, value: Leaf) -> bool:
        found = address(value) if isinstance(value, str) else None
        return (
            found is not None
            and found.version == self.version
            and self.low <= int(found) <= self.high
        )


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that the text is."""
    if not _IP.fullmatch(text):
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def addresses(cidr: str) -> Addresses:
    """What a CIDR block means: from the address that it names on. Raises ValueError in AWS's words."""
    parts = cidr.split("/")
    if len(parts) != 2:
        raise ValueError("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", parts[1], re.ASCII):
        raise ValueError("Malformed CIDR, mask bits must be an integer")
    bits = int(parts[1])
    if bits < 0:
        raise ValueError("Malformed CIDR, mask bits must not be negative")
    found = address(parts[0])
    if found is None:
        kind = "Invalid" if _IP.fullmatch(parts[0]) else "Nonstandard"
        raise ValueError(f"{kind} IP address: {parts[0]}")
    if bits >= found.max_prefixlen:
        raise ValueError(f"IPv{found.version} mask bits must be < {found.max_prefixlen}")
    low = int(found)
    return Addresses(found.version, low, low | ((1 << (found.max_prefixlen - bits)) - 1))


@dataclass(frozen=True)
class Wildcard:
    """A text that consists of the parts, with anything between them."""

    parts: tuple[str, ...]

    def holds(self, value: Leaf) -> bool:
        if not isinstance(value, str):
            return False
        first, last = self.parts[0], self.parts[-1]
        if len(self.parts) == 1:
            return value == first
        if not value.startswith(first) or not value.endswith(last):
            return False
        at, end = len(first), len(value) - len(last)
        for part in self.parts[1:-1]:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return at <= end


def wildcard(text: str) -> Wildcard:
    r"""What a text with `*` means; `\*` is the character itself. Raises ValueError in AWS's words."""
    parts = [""]
    at, bytes_before = 0, 1  # AWS counts bytes, and the opening quote
    while at < len(text):
        character, following = text[at], text[at + 1 : at + 2]
        if character == "*":
            if following == "*":
                raise ValueError(f"Consecutive wildcard characters at pos {bytes_before}")
            parts.append("")
        elif character == "\\":
            if following not in ("*", "\\"):
                raise ValueError(f"Invalid escape character at pos {bytes_before}")
            parts[-1] += following
            at += 1
            bytes_before += 1
        else:
            parts[-1] += character
        at += 1
        bytes_before += len(character.encode())
    return Wildcard(tuple(parts))


def too_complex(pattern: Wildcard) -> bool:
    """Whether a value could be at too many places of the pattern at once."""
    places: list[str | None] = []
    for at, part in enumerate(pattern.parts):
        places += [None, *part] if at else [*part]
    places.append('"')
    alphabet = {each for each in places if each} | {"\0"}
    start = _closed({0}, places)
    seen, todo = {start}, [start]
    while todo and len(seen) < 300:
        states = todo.pop()
        for character in alphabet:
            moved = {at + (places[at] is not None) for at in states
                     if at < len(places) and places[at] in (None, character)}  # fmt: skip
            ways = sum(at < len(places) and places[at] in (None, character) for at in states)
            if ways >= MOST_STATES:
                return True
            after = _closed(moved, places)
            if after and after not in seen:
                seen.add(after)
                todo.append(after)
    return False


def _closed(states: set[int], places: Sequence[str | None]) -> frozenset[int]:
    """The places, and those behind a wildcard that may be empty."""
    return frozenset(states | {at + 1 for at in states if at < len(places) and places[at] is None})


@dataclass(frozen=True)
class Present:
    """Any value."""

    def holds(self, value: Leaf) -> bool:
        return True


@dataclass(frozen=True)
class Not:
    """A value that is none of these, and for which none of the conditions holds."""

    keys: frozenset[Hashable] = frozenset()
    conditions: tuple[Condition, ...] = ()

    def holds(self, value: Leaf) -> bool:
        if key(value) in self.keys:
            return False
        return not any(condition.holds(value) for condition in self.conditions)


@dataclass(frozen=True)
class Field:
    """What a pattern asks of one field: one of the values, or one of the conditions, or that the
    field is absent."""

    keys: frozenset[Hashable]
    conditions: tuple[Condition, ...] = ()
    absent: bool = False

    def holds(self, value: Leaf) -> bool:
        """Whether a value that is there is wanted."""
        if key(value) in self.keys:
            return True
        return any(condition.holds(value) for condition in self.conditions)


Branch = Mapping[str, Field]
"""Path (names joined by `.`) -> what is asked of it: all of it must hold."""
