"""A pattern's text -> what it asks. The order of the checks is AWS's, for the messages depend on it.

Follows `JsonRuleCompiler` of aws/event-ruler, which EventBridge uses: the same texts, at the same
places.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NoReturn

from sagebrush.patterns import tokens
from sagebrush.patterns.conditions import (
    LARGEST,
    MILLION,
    OUTSIDE,
    TOO_COMPLEX,
    Addresses,
    Branch,
    Condition,
    Field,
    IgnoreCase,
    Not,
    Numeric,
    Prefix,
    Present,
    Suffix,
    Wildcard,
    address,
    addresses,
    key,
    scaled,
    too_complex,
    wildcard,
)
from sagebrush.patterns.tokens import (
    ARRAY,
    END_ARRAY,
    END_OBJECT,
    NAME,
    NUMBER,
    OBJECT,
    TEXT,
    PatternError,
    Tokens,
)

OR = "$or"
MOST_BRANCHES = 1000
"""Combinations that `$or` may make (EventBridge user guide, "Using $or in event patterns")."""
RESERVED = frozenset(
    {
        "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard",
        "numeric", "cidr", "html", "=", "<", "<=", ">", ">=", "regex", "not-wildcard",
        "not-equals-ignore-case", "date-after", "date-on-or-after", "date-before",
        "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
    }
)  # fmt: skip
"""Names that no field within `$or` may have."""
_LITERALS = {tokens.TRUE: True, tokens.FALSE: False, tokens.NULL: None}
_ONE_KEY = "Only one key allowed in match expression"
_TOO_MANY = "Too many elements in numeric expression"


def read(text: str) -> tuple[Branch, ...]:
    """What the pattern asks: all of one of the branches. Raises PatternError in AWS's words."""
    reader = _Reader(Tokens(text))
    if reader.next() != OBJECT:
        reader.fail("Filter is not an object")
    reader.object((), inside_or=False)
    return tuple(reader.branches)


@dataclass
class _Reader:
    tokens: Tokens
    branches: list[dict[str, Field]] = field(default_factory=list)

    def next(self) -> str:
        return self.tokens.next()

    def fail(self, why: str) -> NoReturn:
        raise PatternError(f"{why}\n at {self.tokens.place()}")

    def object(self, path: tuple[str, ...], inside_or: bool) -> None:
        """The members of the object that has begun."""
        empty = True
        while self.next() != END_OBJECT:
            empty = False
            name = self.tokens.name
            if name == OR:
                self._either(path)
                continue
            if inside_or and name in RESERVED:
                self.fail(f"{name} is Ruler reserved fieldName which cannot be used inside {OR}.")
            kind = self.next()
            if kind == OBJECT:
                self.object((*path, name), inside_or)
            elif kind == ARRAY:
                self._field(".".join((*path, name)))
            else:
                self.fail(f'"{name}" must be an object or an array')
        if empty:
            self.fail("Empty objects are not allowed")

    def _either(self, path: tuple[str, ...]) -> None:
        before, self.branches = self.branches, []
        if self.next() != ARRAY:
            self.fail(f"It must be an Array followed with {OR}.")
        found: list[dict[str, Field]] = []
        count = 0
        while (kind := self.next()) != END_ARRAY:
            count += 1
            if kind != OBJECT:
                self.fail(f"Only JSON object is allowed in array of {OR} relationship.")
            self.branches = [dict(branch) for branch in before] or [{}]
            self.object(path, inside_or=True)
            found += self.branches
            if len(found) > MOST_BRANCHES:
                self.fail(f"{OR} makes more than {MOST_BRANCHES} rule combinations")
        if count < 2:
            self.fail(f"There must have at least 2 Objects in {OR} relationship.")
        self.branches = found

    def _field(self, path: str) -> None:
        keys: set[Hashable] = set()
        conditions: list[Condition] = []
        absent = empty = False
        count = 0
        while (kind := self.next()) != END_ARRAY:
            count += 1
            if kind == OBJECT:
                found = self._condition()
                if found is None:
                    absent = True
                elif isinstance(found, str):
                    keys.add(found)
                else:
                    conditions.append(found)
            elif kind == TEXT:
                text = self.tokens.text()
                ip = address(text)
                if ip is None:
                    keys.add(text)
                else:
                    conditions.append(Addresses(ip.version, int(ip), int(ip)))
            elif kind == NUMBER:
                keys.add(self._number_key())
            elif kind in _LITERALS:
                keys.add(key(_LITERALS[kind]))
            else:
                self.fail("Match value must be String, number, true, false, or null")
        empty = not count
        if empty:
            self.fail("Empty arrays are not allowed")
        made = Field(frozenset(keys), tuple(conditions), absent)
        for branch in self.branches or self._first():
            branch[path] = made

    def _first(self) -> list[dict[str, Field]]:
        self.branches.append({})
        return self.branches

    def _number_key(self) -> Hashable:
        number = scaled(self.tokens.text())
        return ("#", float(self.tokens.text())) if number is None else ("", number)

    def _condition(self) -> Condition | str | None:
        """The condition in the object that has begun; None for `exists: false`, a text for `exactly`."""
        if self.next() != NAME:
            self.fail("Match expression name not found")
        name = self.tokens.name
        if name in ("prefix", "suffix"):
            return self._affix(name)
        if name == "numeric":
            return self._numeric()
        if name == "anything-but":
            return self._anything_but()
        if name == "exists":
            kind = self.next()
            if kind not in (tokens.TRUE, tokens.FALSE):
                self.fail("exists match pattern must be either true or false.")
            self._end()
            return Present() if kind == tokens.TRUE else None
        if name == "cidr":
            text = self._text("prefix")  # so says AWS
            try:
                made = addresses(text)
            except ValueError as error:
                raise PatternError(str(error)) from error
            self._end()
            return made
        if name == "exactly":
            text = self._text("exact")
            self._end()
            return text
        if name == "equals-ignore-case":
            text = self._text(name)
            self._end()
            return IgnoreCase(text.lower())
        if name == "wildcard":
            found = self._wildcard(self._text(name))
            self._end()
            return found
        self.fail(f"Unrecognized match type {name}")

    def _text(self, called: str) -> str:
        if self.next() != TEXT:
            self.fail(f"{called} match pattern must be a string")
        return self.tokens.text()

    def _end(self, why: str = _ONE_KEY) -> None:
        if self.next() != END_OBJECT:
            self.fail(why)

    def _affix(self, name: str) -> Condition:
        kind, made = self.next(), Prefix if name == "prefix" else Suffix
        if kind == OBJECT:
            if self.next() != NAME:
                self.fail(f"{name.capitalize()} expression name not found")
            if self.tokens.name != "equals-ignore-case":
                self.fail(f"Unsupported {name} pattern: {self.tokens.name}")
            text = self._text("equals-ignore-case")
            self._end()
            self._end()
            return made(text.lower(), folded=True)
        if kind != TEXT:
            self.fail(f"{name} match pattern must be a string")
        text = self.tokens.text()
        self._end()
        return made(text)

    def _wildcard(self, text: str) -> Wildcard:
        try:
            found = wildcard(text)
        except ValueError as error:
            self.fail(str(error))
        if too_complex(found):
            raise PatternError(TOO_COMPLEX)
        return found

    def _anything_but(self) -> Condition:
        kind, of = self.next(), ""
        if kind == OBJECT:
            if self.next() != NAME:
                self.fail("Anything-But expression name not found")
            of = self.tokens.name
            if of not in ("equals-ignore-case", "prefix", "suffix", "wildcard"):
                self.fail(f"Unsupported anything-but pattern: {of}")
            kind = self.next()
        if kind not in (ARRAY, TEXT, NUMBER):
            self.fail("Value of anything-but must be an array or single string/number value.")
        made = self._none_of(kind, of) if of else self._no_value(kind)
        self._end(_TOO_MANY)
        if of:
            self._end(_TOO_MANY)
        return made

    def _none_of(self, kind: str, of: str) -> Condition:
        """No value that one of the conditions of the kind `of` holds for."""
        found: list[Condition] = []
        if kind != ARRAY:
            return Not(conditions=(self._negated(kind, of),))
        while (kind := self.next()) != END_ARRAY:
            try:
                found.append(self._negated(kind, of))
            except PatternError as error:  # AWS's own words have the place twice
                self.fail(str(error))
        return Not(conditions=tuple(found))

    def _negated(self, kind: str, of: str) -> Condition:
        if kind != TEXT:
            if of == "equals-ignore-case":
                self.fail(
                    "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not"
                    " supported."
                )
            self.fail(
                f"{'wildcard' if of == 'wildcard' else 'prefix/suffix'} match pattern must be a"
                " string"
            )
        text = self.tokens.text()
        if of in ("prefix", "suffix") and not text:
            self.fail("Null prefix/suffix not allowed")
        if of == "wildcard":
            return self._wildcard(text)
        if of == "equals-ignore-case":
            return IgnoreCase(text.lower())
        return Prefix(text) if of == "prefix" else Suffix(text)

    def _no_value(self, kind: str) -> Condition:
        """None of these values."""
        if kind != ARRAY:
            return Not(frozenset({self._value(kind)}))
        texts: set[Hashable] = set()
        numbers: set[Hashable] = set()
        while (kind := self.next()) != END_ARRAY:
            if kind not in (TEXT, NUMBER):
                try:
                    self.fail("Inside anything but list, start|null|boolean is not supported.")
                except PatternError as error:  # as above
                    self.fail(str(error))
            (texts if kind == TEXT else numbers).add(self._value(kind))
        if bool(texts) == bool(numbers):
            self.fail(
                "Inside anything but list, either all values are number or string, mixed type is"
                " not supported"
            )
        return Not(frozenset(texts or numbers))

    def _value(self, kind: str) -> Hashable:
        return self.tokens.text() if kind == TEXT else ("", self._millionths())

    def _millionths(self) -> int:
        found = scaled(self.tokens.text())
        if found is None:
            self.fail(OUTSIDE)
        return found

    def _numeric(self) -> Condition:
        if self.next() != ARRAY:
            self.fail("Value of numeric must be an array.")
        if self.next() != TEXT:
            self.fail(f"Invalid member in numeric match: {self._shown()}")
        sign = self.tokens.text()
        kind = self.next()
        if sign not in ("=", ">=", ">", "<=", "<"):
            self.fail(f"Unrecognized numeric range operator: {sign}")
        if kind != NUMBER:
            self.fail(f"Value of {'equals' if sign == '=' else sign} must be numeric")
        bound = self.tokens.text()
        kind = self.next()
        end = LARGEST * MILLION
        if sign in (">=", ">") and kind != END_ARRAY:
            made = self._range(kind, bound, sign == ">")
        elif kind != END_ARRAY:
            self.fail(_TOO_MANY)
        else:
            value = self._in_range(bound)
            if sign == "=":
                made = Numeric(value, False, value, False)
            elif sign in ("<", "<="):
                made = Numeric(-end, False, value, sign == "<")
            else:
                made = Numeric(value, sign == ">", end, False)
        self._end(_TOO_MANY)
        return made

    def _range(self, kind: str, bottom: str, open_bottom: bool) -> Numeric:
        if kind != TEXT:
            self.fail(f"Bad value in numeric range: {self._shown()}")
        sign = self.tokens.text()
        if sign not in ("<", "<="):
            self.fail(f"Bad numeric range operator: {sign}")
        if self.next() != NUMBER:
            self.fail(f"Value of {sign} must be numeric")
        top = self.tokens.text()
        if self.next() != END_ARRAY:
            self.fail("Too many terms in numeric range expression")
        low, high = self._in_range(bottom), self._in_range(top)
        if low >= high:
            self.fail("Bottom must be less than top")
        return Numeric(low, open_bottom, high, sign == "<")

    def _in_range(self, text: str) -> int:
        found = scaled(text)
        if found is None:
            self.fail(OUTSIDE)
        return found

    def _shown(self) -> str:
        """The token as it is written."""
        kind = self.tokens.kind
        return self.tokens.text() if kind in (TEXT, NUMBER) else kind
