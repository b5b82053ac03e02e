"""The tokens of an event pattern's JSON, with the place at which AWS's messages say a fault is.

EventBridge reads patterns by Jackson's streaming parser (aws/event-ruler, `JsonRuleCompiler`) and its
messages end in that parser's place. It runs ahead: with the name of a member it has read the first
character of the member's value already, all of a number or a word, and of a text its opening quote.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from sagebrush import jackson

TEXT, NUMBER, NAME = "text", "number", "name"
TRUE, FALSE, NULL = "true", "false", "null"
OBJECT, END_OBJECT, ARRAY, END_ARRAY, END = "{", "}", "[", "]", ""
DEEPEST = 100
"""Objects and arrays within one another; no pattern that AWS accepts needs as many."""
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING = re.compile(r'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_WORD = re.compile(r"\w*")


class PatternError(ValueError):
    """What is wrong with a pattern, in AWS's words."""


class Tokens:
    """Reads a text token by token; raises PatternError where it is no JSON."""

    def __init__(self, text: str) -> None:
        self.source = text
        self.kind = END
        self.name = ""
        """The member that is read."""
        self._at = 0
        """Where reading goes on."""
        self._open = -1
        """Where the text begins whose end has not been read yet."""
        self._value = ""
        self._ahead: str | None = None
        self._inside: list[tuple[str, int]] = []
        """The objects and arrays that are open: which, and where it begins."""
        self._first = True
        """Whether nothing has been read of the innermost of them."""

    def next(self) -> str:
        """The kind of the next token; `END` after the last."""
        if self._ahead is not None:
            self.kind, self._ahead = self._ahead, None
            return self._begin(self.kind)
        if self._open >= 0:
            self.text()
        self._skip()
        if not self._inside:
            self.kind = self._value_at() if self._at < len(self.source) else END
            return self._begin(self.kind)
        inner, _ = self._inside[-1]
        character = self._peek()
        if character == ("}" if inner == OBJECT else "]"):
            self._at += 1
            self._inside.pop()
            self._first = False
            self.kind = character
            return self.kind
        if not self._first:
            if character != ",":
                self._unexpected(f"was expecting comma to separate {_CALLED[inner]} entries")
            self._at += 1
            self._skip()
        self._first = False
        if inner == ARRAY:
            self.kind = self._value_at()
            return self._begin(self.kind)
        self._member()
        self.kind = NAME
        return NAME

    def text(self) -> str:
        """The value of the text or number that was read last."""
        if self._open >= 0:
            found = _STRING.match(self.source, self._open)
            if found is None:
                self._broken_text()
            self._at, self._open = found.end(), -1
            self._value = json.loads('"' + found[0])
        return self._value

    def place(self) -> str:
        """Where reading is, as messages name it."""
        return self._place(self._at)

    def _place(self, at: int) -> str:
        return jackson.place("String", self.source, at)

    def _begin(self, kind: str) -> str:
        if kind in (OBJECT, ARRAY):
            self._inside.append((kind, self._at - 1))
            self._first = True
            if len(self._inside) > DEEPEST:
                self._fail(f"Document nesting depth ({DEEPEST + 1}) exceeds the maximum allowed")
        return kind

    def _member(self) -> None:
        """A member's name has been read, and the first of its value."""
        if self._peek() != '"':
            self._unexpected(jackson.NO_NAME)
        self._at, self._open = self._at + 1, self._at + 1
        self.name = self.text()
        self._skip()
        if self._peek() != ":":
            self._unexpected(jackson.NO_COLON)
        self._at += 1
        self._skip()
        self._ahead = self._value_at()

    def _value_at(self) -> str:
        character = self._peek()
        if character == '"':
            self._at, self._open = self._at + 1, self._at + 1
            return TEXT
        if character in "{[":
            self._at += 1
            return character
        found = _NUMBER.match(self.source, self._at)
        if found:
            self._at, self._value = found.end(), found[0]
            return NUMBER
        word = _WORD.match(self.source, self._at)
        assert word is not None
        if word[0] in (TRUE, FALSE, NULL):
            self._at, self._value = word.end(), word[0]
            return word[0]
        if word[0]:
            self._at = word.end()
            self._fail(jackson.unrecognized(word[0]))
        self._unexpected(jackson.NO_VALUE)

    def _skip(self) -> None:
        found = _SPACE.match(self.source, self._at)
        self._at = found.end() if found else self._at

    def _peek(self) -> str:
        if self._at < len(self.source):
            return self.source[self._at]
        inner, at = self._inside[-1]
        start = self._place(at)
        self._fail(
            f"{jackson.END}: expected close marker for {_CALLED[inner]} (start marker at {start})"
        )

    def _broken_text(self) -> NoReturn:
        rest = self.source[self._open :]
        for at, character in enumerate(rest):
            if character < " ":
                self._at = self._open + at + 1
                self._fail(jackson.unescaped(character))
        self._at = len(self.source)
        self._fail(jackson.OPEN_TEXT)

    def _unexpected(self, why: str) -> NoReturn:
        self._fail(jackson.unexpected(self._peek(), why))

    def _fail(self, why: str) -> NoReturn:
        raise PatternError(f"{why}\n at {self.place()}")


_CALLED = {OBJECT: "Object", ARRAY: "Array"}
