"""Search expressions: which metrics `{Namespace,Dimension} term AND term` finds. Pure.

Source: CloudWatch User Guide, "CloudWatch search expression syntax".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sagebrush.services.cloudwatch.maths.parser import ExpressionError
from sagebrush.store.series import Metric

LONGEST, DEEPEST = 1024, 50
"""Characters of a search expression; how deep it may be nested."""
_TOKEN = re.compile(
    r'\s*(?:"(?P<exact>(?:[^"\\]|\\.)*)"|(?P<mark>[(){},=])|(?P<bare>[^\s"(){},=]+))', re.DOTALL
)
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")


@dataclass(frozen=True)
class Term:
    """Something to find: in what `of` names, or anywhere where that is ""."""

    of: str
    text: str
    exact: bool


@dataclass(frozen=True)
class Not:
    """What is found where `what` is not."""

    what: Condition


@dataclass(frozen=True)
class All:
    """What is found where all of them are."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Any:
    """What is found where any of them is."""

    parts: tuple[Condition, ...]


Condition = Term | Not | All | Any


@dataclass(frozen=True)
class Search:
    """A parsed search: the schema (namespace and dimension names; () for none) and the terms."""

    schema: tuple[str, ...]
    condition: Condition | None

    def finds(self, metric: Metric) -> bool:
        """Whether the metric is one that is searched for. A schema with dimensions is of metrics
        that have exactly those."""
        if self.schema:
            namespace, *dimensions = self.schema
            if namespace != metric.namespace:
                return False
            if dimensions and set(dimensions) != set(metric.dimensions):
                return False
        return self.condition is None or _holds(self.condition, metric)


def parse(text: str) -> Search:
    """The search; raises ExpressionError."""
    if len(text) > LONGEST:
        raise ExpressionError(f"a search expression has {LONGEST} characters at most")
    parser = _Parser(_tokens(text))
    schema = parser.schema() if parser.peek() == ("mark", "{") else ()
    if parser.peek() == ("mark", ","):
        parser.at += 1
    condition = parser.any(0) if parser.peek()[0] != "end" else None
    if parser.peek()[0] != "end":
        raise parser.error()
    if not schema and condition is None:
        raise ExpressionError("a search expression has a metric schema, a search term, or both")
    return Search(schema, condition)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ExpressionError(
                f"the search expression has a quote that does not end: {text[at:]}"
            )
        word = match[match.lastgroup]
        if match.lastgroup == "exact":
            word = re.sub(r'\\(["\\()])', r"\1", word)
        found.append((match.lastgroup, word))
        at = match.end()
    return [*found, ("end", "")]


class _Parser:
    """Tokens from left to right: OR binds least, then AND (also unwritten), then NOT."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def error(self) -> ExpressionError:
        kind, word = self.peek()
        what = "ends too early" if kind == "end" else f"has an unexpected '{word}'"
        return ExpressionError(f"the search expression {what}")

    def mark(self, mark: str) -> None:
        if self.peek() != ("mark", mark):
            raise self.error()
        self.at += 1

    def schema(self) -> tuple[str, ...]:
        self.mark("{")
        names: list[str] = []
        while True:
            kind, word = self.peek()
            if kind not in ("bare", "exact"):
                raise self.error()
            self.at += 1
            names.append(word)
            if self.peek() != ("mark", ","):
                self.mark("}")
                return tuple(names)
            self.at += 1

    def any(self, depth: int, of: str = "") -> Condition:
        if depth > DEEPEST:
            raise ExpressionError("the search expression is nested too deeply")
        parts = [self.all(depth, of)]
        while self.peek() == ("bare", "OR"):
            self.at += 1
            parts.append(self.all(depth, of))
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def all(self, depth: int, of: str) -> Condition:
        parts = [self.one(depth, of)]
        while True:
            if self.peek() == ("bare", "AND"):
                self.at += 1
            elif self.peek()[0] == "end" or self.peek() in (("bare", "OR"), ("mark", ")")):
                return parts[0] if len(parts) == 1 else All(tuple(parts))
            parts.append(self.one(depth, of))

    def one(self, depth: int, of: str) -> Condition:
        kind, word = self.peek()
        if (kind, word) == ("bare", "NOT"):
            self.at += 1
            if depth > DEEPEST:
                raise ExpressionError("the search expression is nested too deeply")
            return Not(self.one(depth + 1, of))
        if (kind, word) == ("mark", "("):
            self.at += 1
            inner = self.any(depth + 1, of)
            self.mark(")")
            return inner
        if kind not in ("bare", "exact") or word in ("AND", "OR"):
            raise self.error()
        self.at += 1
        if self.peek() != ("mark", "=") or of:
            return Term(of, word, kind == "exact")
        self.at += 1
        if word.startswith(":aws."):
            raise ExpressionError(f"Sagebrush does not implement searches by {word}")
        return self.one(depth, word)


# -- matching


def _holds(condition: Condition, metric: Metric) -> bool:
    match condition:
        case Not(what):
            return not _holds(what, metric)
        case All(parts):
            return all(_holds(part, metric) for part in parts)
        case Any(parts):
            return any(_holds(part, metric) for part in parts)
        case Term(of, text, exact):
            where = _fields(of, metric)
            return text in where if exact else any(_partly(text, each) for each in where)


def _fields(of: str, metric: Metric) -> Sequence[str]:
    """What a term is looked for in."""
    if of == "MetricName":
        return (metric.name,)
    if of == "Namespace":
        return (metric.namespace,)
    if of:
        value = metric.dimensions.get(of)
        return () if value is None else (value,)
    return (metric.name, metric.namespace, *metric.dimensions, *metric.dimensions.values())


@lru_cache(10_000)
def pieces(text: str) -> tuple[tuple[str, ...], ...]:
    """The tokens of a text, by its stretches between characters that are no letters or digits:
    `Project2-trial333` has Project and 2, and trial and 333."""
    stretches = re.split(r"[^\w]+|_+", text)
    return tuple(tuple(_PIECE.findall(each)) for each in stretches if each)


def _partly(term: str, text: str) -> bool:
    """Whether the term's tokens are among those of the text, in a row: one token in any case, those
    of one stretch (`CustomCount`) as they are written."""
    sought = [
        (piece if len(stretch) > 1 else piece.lower(), len(stretch) > 1)
        for stretch in pieces(term)
        for piece in stretch
    ]
    held = [piece for stretch in pieces(text) for piece in stretch]
    if not sought:
        return False
    if len(pieces(term)) == 1 and term.lower() == "".join(held).lower():
        return True  # the whole is a token too
    for begin in range(len(held) - len(sought) + 1):
        there = held[begin : begin + len(sought)]
        if all(
            piece == (found if cased else found.lower())
            for (piece, cased), found in zip(sought, there, strict=True)
        ):
            return True
    return False


def labels(found: Sequence[Metric]) -> list[str]:
    """What tells the metrics apart, for each: its namespace, its dimensions' values, its name, as
    far as they differ; the name where nothing does."""
    rows = [(m.namespace, *(v for _, v in sorted(m.dimensions.items())), m.name) for m in found]
    if len({len(row) for row in rows}) > 1:
        return [" ".join(row[1:]) for row in rows]
    differing = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    if not any(differing):
        return [row[-1] for row in rows]
    return [
        " ".join(part for part, differs in zip(row, differing, strict=True) if differs)
        for row in rows
    ]
