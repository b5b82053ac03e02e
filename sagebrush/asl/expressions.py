"""JSONata expressions, `{% ... %}`, evaluated within bounds.

The language is jsonata-python's. An evaluation is bounded in depth (100, AWS's own ceiling; functions
that call themselves meet Python's limit of calls a little earlier), in the size of each value, and in
steps: each visit of a node of the expression counts as one, so an endless tail recursion ends after
`STEPS` of them, or after `SECONDS` of a processor; regular expressions search for a second at most. What
reads the clock or makes random numbers is replaced by what the caller hands in, and `$eval` is not
there. Sources: Step Functions developer guide, "Transforming data with JSONata".
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex
from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.parser import Parser
from jsonata.utils import Utils

from sagebrush.asl import effort
from sagebrush.asl.failures import QUERY_EVALUATION, StateError
from sagebrush.asl.functions import functions, whole_text
from sagebrush.asl.scope import Scope
from sagebrush.asl.values import LARGEST, MISSING, type_of, write

STEPS = 200_000
"""Visits of nodes in one evaluation, some seconds of one processor."""
SECONDS = 10.0
"""Of processor time, for evaluations whose steps are long ones."""
DEPTH = 100
VALUE_BYTES = 6_990_256
"""The most that one value may hold, counting 8 for a number and 1 for a character (as AWS refuses)."""
PATTERN_SECONDS = 1.0
GROUP = regex.compile(r"\\g<(\d+)>")
BITS = 1024
"""No double is larger; Python's integers would grow without end."""


class BadExpression(ValueError):
    """A text is no expression, or one that Step Functions refuses; `code` is the diagnostic's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Pattern:
    """A compiled regular expression whose searches end in time."""

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern

    def search(self, text: str) -> Any:
        return self.pattern.search(text, timeout=PATTERN_SECONDS)

    def finditer(self, text: str) -> Any:
        return self.pattern.finditer(text, timeout=PATTERN_SECONDS)

    def sub(self, replacement: Any, text: str, count: int = 0) -> str:
        for group in GROUP.findall(replacement) if isinstance(replacement, str) else ():
            if int(group) > self.pattern.groups:  # as the library expects to be told
                raise ValueError(f"invalid group reference {group} at position 0")
        return self.pattern.sub(replacement, text, count, timeout=PATTERN_SECONDS)

    def split(self, text: str, maxsplit: int = 0) -> list[str]:
        return self.pattern.split(text, maxsplit, timeout=PATTERN_SECONDS)


class _Bounded(Jsonata):
    """An expression; each evaluation runs on a copy of its own, which counts."""

    steps = 0
    until = 0.0
    depth = 0
    deepest = DEPTH

    def _eval(self, expr: Any, input: Any, environment: Any) -> Any:
        self.steps -= 1
        if self.steps < 0:
            raise _Exceeded("Expression evaluation timeout: too many steps")
        if self.steps % 8 == 0 and effort.seconds() > self.until:
            raise _Exceeded("Expression evaluation timeout")
        self.depth += 1
        if self.depth > self.deepest:
            raise _Exceeded(
                "Stack overflow error: check for non-terminating recursive function. "
                f"Depth={self.depth} max={self.deepest}"
            )
        try:
            result: Any = super()._eval(expr, input, environment)
        finally:
            self.depth -= 1
        kind = type(result)
        if kind is str:
            if len(result) > VALUE_BYTES:
                raise _Exceeded("Expression evaluation memory limit exceeded")
        elif kind is int:
            if result.bit_length() > BITS:
                raise JException("D1001", 0, "Infinity")
        elif isinstance(result, list) and len(result) * 8 > VALUE_BYTES:
            raise _Exceeded("Expression evaluation memory limit exceeded")
        return result

    def evaluate_string_concat(self, lhs: Any, rhs: Any) -> str:
        return super().evaluate_string_concat(whole_text(lhs), whole_text(rhs))

    def apply_inner(self, proc: Any, args: Any, input: Any, environment: Any) -> Any:
        callable_kinds = (Jsonata.JFunction, Jsonata.JLambda, Parser.Symbol)
        if not (isinstance(proc, callable_kinds) or hasattr(proc, "finditer")):
            raise JException("T1006", 0)  # as the library does, which also prints
        return super().apply_inner(proc, args, input, environment)


_WHOLE = re.compile(r"\$states(?!\s*\.)")
"""An expression that asks for all of `$states`."""


class _Exceeded(Exception):
    """An evaluation went over a bound."""


@dataclass(frozen=True)
class Expression:
    """A JSONata expression, parsed."""

    text: str
    parsed: _Bounded

    def value(self, scope: Scope, states: Any, deepest: int = DEPTH) -> Any:
        """What the expression yields, MISSING for undefined. Raises JException and _Exceeded."""
        run = copy.copy(self.parsed)
        run.steps, run.depth, run.deepest = STEPS, 0, deepest
        run.until = effort.seconds() + SECONDS
        variables = scope.variables().items()
        known = {name: Utils.NULL_VALUE if value is None else value for name, value in variables}
        bindings = {**known, **functions(scope, self.text), "states": states}
        Jsonata.CURRENT.jsonata = run
        try:
            found = run.evaluate(None, bindings)
            return MISSING if found is None else plain(found)
        finally:
            del Jsonata.CURRENT.jsonata


class _Unsupported(Exception):
    """A result is no JSON value."""


def plain(value: Any) -> Any:
    """A result of the library as a JSON document. Raises _Unsupported and _Exceeded."""
    return _Plain().of(value)


class _Plain:
    """Makes a result a JSON document of its own: the library's lists are lazy, its null is a marker,
    and a value may be in it a million times."""

    def __init__(self) -> None:
        self._size = 0

    def of(self, value: Any) -> Any:
        self._size += len(value) if isinstance(value, str) else 8
        if self._size > LARGEST:
            raise _Exceeded("Expression evaluation memory limit exceeded")
        if value is Utils.NULL_VALUE:
            return None
        if isinstance(value, float):
            return int(value) if value.is_integer() and abs(value) < 1e21 else value
        if value is None or isinstance(value, str | int):
            return value
        if isinstance(value, dict):
            return {name: self.of(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.of(value[at]) for at in range(len(value))]
        raise _Unsupported


@lru_cache(maxsize=4096)
def read_expression(text: str) -> Expression:
    """The expression of a text without its `{% %}`. Raises BadExpression."""
    try:
        parsed = _Bounded(text, _regex)
    except JException as error:
        raise BadExpression("INVALID_JSONATA_EXPRESSION", str(error)) from None
    except (RecursionError, regex.error, TypeError, AttributeError, IndexError) as error:
        raise BadExpression("INVALID_JSONATA_EXPRESSION", f"Syntax error: {error}") from None
    finally:
        Jsonata.CURRENT.__dict__.pop("jsonata", None)
    parsed.set_output_convert_nulls(False)
    parsed.set_validate_input(False)
    return Expression(text, parsed)


def _regex(pattern: str, flags: Any) -> Any:
    options = (regex.IGNORECASE if flags.case_insensitive else 0) | (
        regex.MULTILINE if flags.multiline else 0
    )
    return _Pattern(regex.compile(pattern, options))


def unsupported(expression: Expression) -> str | None:
    """Why Step Functions refuses the expression: it has no context item to name, so that a bare name,
    `$` and `$$` refer to nothing (UNSUPPORTED_JSONATA_EXPRESSION); None where it is accepted."""
    return next(_top_level(expression.parsed.ast), None)


def _top_level(node: Any) -> Iterator[str]:
    """Problems of a node that is evaluated against the top-level context."""
    kind, value = getattr(node, "type", None), getattr(node, "value", None)
    if kind == "variable" and value == "$":
        yield "Reference to '$$' is not supported."
    elif kind == "variable" and value == "":
        yield "Reference to '$' at the top level is not supported."
    elif kind == "path":
        first = node.steps[0]
        if getattr(first, "type", None) == "name":
            yield f"Reference to '{first.value}' at the top level is not supported."
        yield from _top_level(first)
    elif kind not in ("transform", "name"):
        for name in ("lhs", "rhs", "expression", "condition", "then", "_else", "body", "procedure"):
            yield from _top_level_of(getattr(node, name, None))
        for name in ("expressions", "arguments", "lhs_object"):
            if kind != "lambda":
                yield from _top_level_of(getattr(node, name, None))


def _top_level_of(found: Any) -> Iterator[str]:
    if isinstance(found, Parser.Symbol):
        yield from _top_level(found)
    elif isinstance(found, Iterable) and not isinstance(found, str):
        for one in found:
            yield from _top_level_of(one)


def evaluate(expression: Expression, scope: Scope, field: str) -> Any:
    """The value of an expression in a field. Raises StateError (States.QueryEvaluationError)."""
    told = f"The JSONata expression '{expression.text}' specified for the field '{field}'"
    states = scope.states
    if "context" in expression.text or _WHOLE.search(expression.text):
        given = {name: states[name] for name in ("input",) if name in states}
        states = {**given, "context": scope.context(), **states}  # in the service's order
    try:
        found = expression.value(scope, states)
    except _Unsupported:
        cause = f"{told} returned an unsupported result type."
    except _Exceeded as error:
        cause = f"{told} threw an error during evaluation. {error}"
    except JException as error:
        cause = f"{told} threw an error during evaluation. {error.error}: {error}"
    except (TimeoutError, MemoryError):
        cause = f"{told} threw an error during evaluation. Expression evaluation timeout"
    except ZeroDivisionError:
        cause = f"{told} threw an error during evaluation. D1001: Number out of range: Infinity"
    except (RecursionError, ArithmeticError, TypeError, ValueError, LookupError) as error:
        cause = f"{told} threw an error during evaluation. {error}"
    else:
        if found is not MISSING:
            scope.count(found)
            return found
        cause = f"{told} returned nothing (undefined)."
    raise StateError(QUERY_EVALUATION, cause, location=field)


def unexpected(expression: str, field: str, wanted: str, value: Any) -> StateError:
    """The error of an expression whose value has another type than its field."""
    return StateError(
        QUERY_EVALUATION,
        f"The JSONata expression '{expression}' specified for the field '{field}' returned an "
        f"unexpected result type. Expected '{wanted}', but was '{type_of(value)}' for value: "
        f"{write(value)}",
        location=field,
    )


def is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def inside(text: str) -> str:
    """The expression within `{% %}`, as messages quote it."""
    return text[2:-2].strip()


def read_template(template: Any, field: str) -> Callable[[Scope], Any]:
    """The value that a template of a JSONata state makes: each string in `{% %}` is evaluated."""
    if is_expression(template):
        expression = read_expression(inside(template))
        return lambda scope: evaluate(expression, scope, field)
    if isinstance(template, list):
        elements = [read_template(one, f"{field}[{at}]") for at, one in enumerate(template)]
        return lambda scope: [element(scope) for element in elements]
    if isinstance(template, dict):
        members = [(name, read_template(one, f"{field}/{name}")) for name, one in template.items()]
        return lambda scope: {name: member(scope) for name, member in members}
    return lambda scope: template
