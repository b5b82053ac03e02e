"""The rule of a composite alarm: parsed, and evaluated over the states of other alarms. Pure.

    rule = and {OR and};  and = not {AND not};  not = {NOT} one
    one  = TRUE | FALSE | STATE(alarm) | AT_LEAST(M, [NOT] STATE, (alarm, ...)) | (rule)

`alarm` is a name or an ARN, in double quotes or not; M is a number or a percentage.

Source: CloudWatch API Reference, PutCompositeAlarm; User Guide, "Create a composite alarm".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
MOST_CHILDREN, MOST_ELEMENTS, DEEPEST = 100, 500, 100
"""Alarms in a rule; its alarms, TRUE, FALSE and parentheses; how deep it may be nested."""
_WORD = re.compile(r"[A-Za-z_]+")
_SHARE = re.compile(r"\s*([0-9]{1,9})\s*(%?)\s*,")


class RuleError(ValueError):
    """The text is no rule; the message says why."""


@dataclass(frozen=True)
class Constant:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True)
class Is:
    """An alarm is in a state."""

    alarm: str
    """A name or an ARN, as it was written."""
    state: str


@dataclass(frozen=True)
class Not:
    """What holds where `of` does not."""

    of: Rule


@dataclass(frozen=True)
class Every:
    """Holds where all of them do (AND)."""

    of: tuple[Rule, ...]


@dataclass(frozen=True)
class AtLeast:
    """Holds where as many of them do: one for OR."""

    count: int
    of: tuple[Rule, ...]


Rule = Constant | Is | Not | Every | AtLeast


def holds(rule: Rule, state: Callable[[str], str]) -> bool:
    """Whether the rule holds; `state` gives the state of an alarm as the rule names it."""
    match rule:
        case Constant(value):
            return value
        case Is(alarm, wanted):
            return state(alarm) == wanted
        case Not(inner):
            return not holds(inner, state)
        case Every(parts):
            return all(holds(part, state) for part in parts)
        case AtLeast(count, parts):
            return sum(holds(part, state) for part in parts) >= count


def alarms(rule: Rule) -> Iterator[str]:
    """The alarms of the rule as it names them, repeated ones too."""
    match rule:
        case Is(alarm, _):
            yield alarm
        case Not(inner):
            yield from alarms(inner)
        case Every(parts) | AtLeast(_, parts):
            for part in parts:
                yield from alarms(part)
        case Constant():
            pass


def parse(text: str) -> Rule:
    """The rule; raises RuleError."""
    if not text.strip() or text != text.strip():
        raise RuleError("AlarmRule must not contain leading or trailing whitespace or be null")
    parser = _Parser(text)
    rule = parser.any_of(0)
    parser.space()
    if parser.at < len(text):
        raise parser.error()
    if parser.elements > MOST_ELEMENTS:
        raise RuleError(f"AlarmRule must not have more than {MOST_ELEMENTS} elements")
    if len(set(alarms(rule))) > MOST_CHILDREN:
        raise RuleError(f"AlarmRule must not have more than {MOST_CHILDREN} alarms")
    return rule


class _Parser:
    """Recursive descent over the text; `at` is the place in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.elements = 0

    def error(self) -> RuleError:
        rest = self.text[self.at : self.at + 20]
        return RuleError(f"Error in AlarmRule at position {self.at}: unexpected '{rest}'" if rest
                         else "Error in AlarmRule: it ends too early")  # fmt: skip

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def word(self) -> str:
        """The next word in capitals, which is not consumed; "" for none."""
        self.space()
        found = _WORD.match(self.text, self.at)
        return found[0].upper() if found else ""

    def take(self, mark: str) -> None:
        """Consumes `mark`, which must come next."""
        self.space()
        if self.text[self.at : self.at + len(mark)].upper() != mark:
            raise self.error()
        self.at += len(mark)

    def any_of(self, depth: int) -> Rule:
        parts = [self.all_of(depth)]
        while self.word() == "OR":
            self.take("OR")
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else AtLeast(1, tuple(parts))

    def all_of(self, depth: int) -> Rule:
        parts = [self.one(depth)]
        while self.word() == "AND":
            self.take("AND")
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def one(self, depth: int) -> Rule:
        if depth > DEEPEST:
            raise RuleError("AlarmRule is nested too deeply")
        word = self.word()
        if word == "NOT":
            self.take(word)
            return Not(self.one(depth + 1))
        self.elements += 1
        if word in ("TRUE", "FALSE"):
            self.take(word)
            return Constant(word == "TRUE")
        if word in STATES:
            self.take(word)
            self.take("(")
            alarm = self.alarm(")")
            self.take(")")
            return Is(alarm, word)
        if word == "AT_LEAST":
            return self.at_least()
        self.take("(")
        inner = self.any_of(depth + 1)
        self.take(")")
        return inner

    def at_least(self) -> Rule:
        self.take("AT_LEAST")
        self.take("(")
        found = _SHARE.match(self.text, self.at)
        if found is None:
            raise self.error()
        self.at = found.end()
        wanted = self.word()
        negated = wanted == "NOT"
        if negated:
            self.take("NOT")
            wanted = self.word()
        if wanted not in STATES:
            raise self.error()
        self.take(wanted)
        self.take(",")
        self.take("(")
        names = [self.alarm("),")]
        self.space()
        while self.text[self.at : self.at + 1] == ",":
            self.take(",")
            names.append(self.alarm("),"))
            self.space()
        self.take(")")
        self.take(")")
        self.elements += len(names)
        number = int(found[1])
        if found[2]:
            number = -(-number * len(names) // 100)  # as many as the percentage needs at least
        if not 1 <= number <= len(names):
            raise RuleError("AT_LEAST in AlarmRule must ask for one alarm at least, and not for"
                            " more than it lists")  # fmt: skip
        each = [Is(name, wanted) for name in names]
        return AtLeast(number, tuple(Not(one) if negated else one for one in each))

    def alarm(self, until: str) -> str:
        """A name or an ARN, in quotes or up to one of `until`."""
        self.space()
        if self.text[self.at : self.at + 1] == '"':
            end = self.text.find('"', self.at + 1)
            if end < 0:
                raise self.error()
            name, self.at = self.text[self.at + 1 : end], end + 1
        else:
            end = min(
                (i for mark in until if (i := self.text.find(mark, self.at)) >= 0), default=-1
            )
            if end < 0:
                raise self.error()
            name, self.at = self.text[self.at : end].strip(), end
        if not name:
            raise self.error()
        return name
