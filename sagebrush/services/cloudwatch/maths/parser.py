"""Metric maths expressions as trees: a Pratt parser. Pure.

Source: CloudWatch User Guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEEPEST = 100
"""How deep an expression may be nested."""
LONGEST = 400
"""Operators of an expression at most: each is a level of its tree."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<mark>&&|\|\||==|!=|<=|>=|[-+*/^<>()\[\],]))",
    re.DOTALL,
)
_BINDING = {
    "||": 1, "OR": 1, "&&": 2, "AND": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "^": 7,
}  # fmt: skip
_NEGATION = 6
_SAME = {"OR": "||", "AND": "&&"}


class ExpressionError(ValueError):
    """The text is no expression, or one that cannot be worked out; the message says why."""


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Text:
    """What is between quotes."""

    value: str


@dataclass(frozen=True)
class Name:
    """The id of a query (it begins with a small letter), or a word such as REPEAT."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function of arguments."""

    function: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True)
class Binary:
    """An operator between two."""

    operator: str
    left: Tree
    right: Tree


@dataclass(frozen=True)
class Negative:
    """Minus what follows."""

    of: Tree


@dataclass(frozen=True)
class Listed:
    """`[a, b]`."""

    items: tuple[Tree, ...]


Tree = Number | Text | Name | Call | Binary | Negative | Listed


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Tree:
    """The tree of the expression; raises ExpressionError."""
    if re.match(r"\s*SELECT\s", text, re.IGNORECASE):
        raise ExpressionError("Sagebrush does not implement Metrics Insights queries")
    parser = _Parser(_tokens(text))
    tree = parser.expression(0, 0)
    parser.take("end")
    return tree


def names(tree: Tree) -> set[str]:
    """The ids of other queries that the expression uses."""
    match tree:
        case Name(name):
            return {name} if name[:1].islower() else set()
        case Call(_, parts) | Listed(parts):
            return set[str]().union(*map(names, parts))
        case Binary(_, left, right):
            return names(left) | names(right)
        case Negative(of):
            return names(of)
        case _:
            return set()


def functions(tree: Tree) -> set[str]:
    """The functions that the expression calls."""
    match tree:
        case Call(function, parts):
            return {function}.union(*map(functions, parts))
        case Listed(parts):
            return set[str]().union(*map(functions, parts))
        case Binary(_, left, right):
            return functions(left) | functions(right)
        case Negative(of):
            return functions(of)
        case _:
            return set()


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(f"unexpected '{text[at]}' at column {at + 1}")
        kind = match.lastgroup
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", len(text))]


class _Parser:
    """Tokens from left to right; `at` is the place among them."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.operators = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def error(self) -> ExpressionError:
        token = self.next
        if token.kind == "end":
            return ExpressionError("unexpected end of the expression")
        return ExpressionError(f"unexpected '{token.text}' at column {token.at + 1}")

    def take(self, what: str) -> _Token:
        """Consumes the next token, which must be that mark, or of that kind."""
        token = self.next
        if what not in (token.text, token.kind) or (token.kind == "text" and what != "text"):
            raise self.error()
        self.at += 1
        return token

    def expression(self, binding: int, depth: int) -> Tree:
        """What binds tighter than `binding`."""
        if depth > DEEPEST:
            raise ExpressionError("the expression is nested too deeply")
        left = self.one(depth)
        while True:
            token = self.next
            power = _BINDING.get(token.text, 0) if token.kind in ("mark", "name") else 0
            if power <= binding:
                return left
            self.at += 1
            self.operators += 1
            if self.operators > LONGEST:
                raise ExpressionError(f"the expression has more than {LONGEST} operators")
            # from the right: 2^3^2 is 2^(3^2)
            right = self.expression(power - (token.text == "^"), depth + 1)
            left = Binary(_SAME.get(token.text, token.text), left, right)

    def one(self, depth: int) -> Tree:
        token = self.next
        if token.kind == "end":
            raise self.error()
        self.at += 1
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind == "text":
            return Text(re.sub(r"\\(['\"])", r"\1", token.text[1:-1]))
        if token.kind == "name" and token.text not in _SAME:
            if self.next.text == "(" and self.next.kind == "mark":
                return Call(token.text, self.items("(", ")", depth))
            return Name(token.text)
        if token.text == "-":
            return Negative(self.expression(_NEGATION, depth + 1))
        if token.text == "(":
            inner = self.expression(0, depth + 1)
            self.take(")")
            return inner
        self.at -= 1
        if token.text == "[":
            return Listed(self.items("[", "]", depth))
        raise self.error()

    def items(self, begin: str, end: str, depth: int) -> tuple[Tree, ...]:
        self.take(begin)
        found: list[Tree] = []
        while self.next.text != end or self.next.kind != "mark":
            if found:
                self.take(",")
            found.append(self.expression(0, depth + 1))
        self.take(end)
        return tuple(found)
