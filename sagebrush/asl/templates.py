"""Payload templates and paths of JSONPath states, read into functions of a Scope.

Source: specification, "Payload Template" and "Using Paths"; wordings as the service writes them.
"""

from __future__ import annotations

from typing import Any

from sagebrush.asl.failures import RUNTIME, StateError
from sagebrush.asl.intrinsics import Evaluate, read_value, root_of
from sagebrush.asl.jsonpath import read_path
from sagebrush.asl.scope import Scope
from sagebrush.asl.values import MISSING, write

NOTHING: dict[str, Any] = {}
"""What `InputPath: null` yields."""


def constant(value: Any) -> Evaluate:
    return lambda scope: value


FEW = 30
"""References that a template may have whose values are not counted: their sum stays small."""


def read_template(template: Any, counted: bool | None = None) -> Evaluate:
    """The value that a payload template makes: members whose names end in `.$` are evaluated.

    `counted`: whether what they yield is limited in all, by default where there are many. Evaluation
    raises StateError.
    """
    if counted is None:
        counted = _references(template) > FEW
    if isinstance(template, list):
        elements = [read_template(element, counted) for element in template]
        return lambda scope: [element(scope) for element in elements]
    if not isinstance(template, dict) or not _dynamic(template):
        return constant(template)
    members = [_member(name, value, counted) for name, value in template.items()]
    return lambda scope: {name: evaluate(scope) for name, evaluate in members}


def _references(template: Any) -> int:
    """How many values a template may refer to, at most."""
    if isinstance(template, list):
        return sum(map(_references, template))
    if isinstance(template, dict):
        return sum(map(_references, template.values()))
    return template.count("$") if isinstance(template, str) else 0


def _dynamic(template: Any) -> bool:
    if isinstance(template, list):
        return any(map(_dynamic, template))
    if not isinstance(template, dict):
        return False
    return any(name.endswith(".$") or _dynamic(value) for name, value in template.items())


def _member(name: str, value: Any, counted: bool) -> tuple[str, Evaluate]:
    if not name.endswith(".$"):
        return name, read_template(value, counted)
    evaluate = read_value(value)

    def named(scope: Scope) -> Any:
        try:
            found = evaluate(scope)
        except LookupError as error:
            raise _not_found(str(error.args[0]), name, value, scope) from None
        if counted:
            scope.count(found)
        return found

    return name.removesuffix(".$"), named


def _not_found(path: str, field: str, value: str, scope: Scope) -> StateError:
    given = write(scope.context() if path.startswith("$$") else scope.input)
    if path == value:
        cause = f"The JSONPath '{path}' specified for the field '{field}' could not be found"
    else:
        cause = f"The JsonPath argument for the field '{path}' could not be found"
    return StateError(RUNTIME, f"{cause} in the input '{given}'")


def read_selector(path: Any) -> Evaluate | None:
    """`InputPath` or `OutputPath`: None where all stays as it is."""
    if path == "$":
        return None
    if path is None:
        return constant(NOTHING)
    read = read_path(path)

    def select(scope: Scope) -> Any:
        document = root_of(read.root, scope)
        found = MISSING if document is MISSING else read.of(document)
        if found is MISSING:
            given = write(scope.context() if read.root == "$$" else scope.input)
            raise StateError(RUNTIME, f"Invalid path '{path}' : could not be found in '{given}'")
        return found

    return select


def read_named_path(field: str, path: str) -> Evaluate:
    """A `...Path` field, such as SecondsPath: a path, or an intrinsic function where allowed."""
    evaluate = read_value(path)

    def named(scope: Scope) -> Any:
        try:
            return evaluate(scope)
        except LookupError as error:
            given = write(scope.input)
            raise StateError(
                RUNTIME,
                f"The {field} parameter does not reference a value: {error.args[0]} could not be "
                f"found in the input '{given}'",
            ) from None

    return named
