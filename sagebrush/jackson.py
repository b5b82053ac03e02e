"""Broken JSON in the words of Jackson, the parser of AWS's own services. Pure."""

from __future__ import annotations

import json
import re

VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
NO_VALUE = f"expected a valid value {VALUES}"
NO_NAME = "was expecting double-quote to start field name"
NO_COLON = "was expecting a colon to separate field name and value"
END = "Unexpected end-of-input"
OPEN_TEXT = f"{END}: was expecting closing quote for a string value"
WORD = re.compile(r"[^\W\d][\w$]*")
SHOWN = 500
"""Characters of a source that a message shows."""
TOKEN = 256
"""Characters of a word that one shows."""


def unrecognized(word: str) -> str:
    """A word stands where a value must."""
    shown = word if len(word) <= TOKEN else f"{word[:TOKEN]}..."
    return f"Unrecognized token '{shown}': was expecting {VALUES}"


def unexpected(character: str, why: str) -> str:
    """The character cannot stand there, as `why` says."""
    return f"Unexpected character ({_named(character)}): {why}"


def unescaped(character: str) -> str:
    """A control character stands in a text as it is."""
    return (
        f"Illegal unquoted character ((CTRL-CHAR, code {ord(character)})): has to be escaped using"
        " backslash to be included in string value"
    )


def _named(character: str) -> str:
    return f"'{character}' (code {ord(character)})"


def place(kind: str, text: str, at: int, left_out: str = "") -> str:
    """Where in the text a message is about, as messages name it. `kind` is what the parser read
    (`String`, `byte[]`), `left_out` how much of it is not shown, where that is not in characters."""
    before = text[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    more = ""
    if len(text) > SHOWN:
        more = f"[truncated {left_out or f'{len(text) - SHOWN} chars'}]"
    return f'[Source: ({kind})"{text[:SHOWN]}"{more}; line: {line}, column: {column}]'


_TOKEN = re.compile(r'"(?:[^"\\]+|\\.)*"?|[\[\]{}]', re.S)


def _around(text: str) -> tuple[str, int, bool]:
    """What the end of the text is in: "Array", "Object" or "" (outside both), where that begins, and
    whether its next token is missing: a value, or a name's colon. So Jackson divides the ends of texts."""
    found: list[tuple[str, int]] = []
    quoted = 0
    for token in _TOKEN.finditer(text):
        at = token.start()
        kind = text[at]
        if kind == '"':
            quoted = at
        elif kind in "[{":
            found.append(("Array" if kind == "[" else "Object", at))
        elif found:
            found.pop()
    name, at = found[-1] if found else ("", 0)
    last = text.rstrip()[-1:]
    named = name == "Object" and last == '"' and text[:quoted].rstrip()[-1:] in ("{", ",")
    return name, at, last in (",", ":") or named


def _ended(text: str, kind: str) -> str:
    """The text ends too early."""
    name, at, missing = _around(text)
    if not name:
        return END
    if missing:
        return f"{END} within/between {name} entries"
    return f"{END}: expected close marker for {name} (start marker at {place(kind, text, at)})"


def _in_name(before: str) -> bool:
    """Whether a text that begins after this is a name."""
    name, at, missing = _around(before)
    return (
        name == "Object"
        and (missing or not before[at + 1 :].strip())
        and before.rstrip()[-1] != ":"
    )


def told(text: str, error: json.JSONDecodeError, kind: str = "String") -> tuple[str, int]:
    """What Python's parser found wrong with the text, in Jackson's words, and where Jackson says so;
    `kind` as in `place`."""
    at, message = error.pos, error.msg
    rest = text[at:]
    if message.startswith("Illegal trailing comma"):
        # Python 3.13 names the comma, AWS what follows it
        rest = rest[1:].lstrip(" \t\n\r")
        at = len(text) - len(rest)
        message = "Expecting property name" if rest.startswith("}") else "Expecting value"
    if message.startswith("Unterminated string"):
        return f"{END} in field name" if _in_name(text[:at]) else OPEN_TEXT, len(text)
    if not rest:
        return _ended(text, kind), len(text)
    if message.startswith("Invalid control character"):
        return unescaped(rest[0]), at + 1
    if message.startswith("Invalid \\escape") and len(rest) > 1:
        return f"Unrecognized character escape {_named(rest[1])}", at + 1
    if message.startswith("Expecting property name"):
        return unexpected(rest[0], NO_NAME), at
    if message in ("Expecting value", "Extra data"):
        word = WORD.match(rest)
        if word is not None:
            return unrecognized(word[0]), at + len(word[0])
        return unexpected(rest[0], NO_VALUE), at
    if message == "Expecting ',' delimiter":
        within = _around(text[:at])[0]
        return unexpected(rest[0], f"was expecting comma to separate {within} entries"), at
    if message == "Expecting ':' delimiter":
        return unexpected(rest[0], NO_COLON), at
    return message, at
