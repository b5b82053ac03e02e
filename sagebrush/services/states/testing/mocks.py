"""Results that stand in for a call: judged by the shape of the operation's answer. Pure.

Source: Step Functions API reference, "MockInput" (STRICT, PRESENT, NONE); wordings as recorded
(localstack test_state/test_field_validation_mode, test_state_mock_validation).
"""

from __future__ import annotations

from typing import Any

from sagebrush.asl.machine import State
from sagebrush.asl.resources import Problem, read_resource
from sagebrush.asl.values import is_number, read
from sagebrush.aws import models
from sagebrush.aws.shapes import Node
from sagebrush.aws.shapes import output_of as shape_of
from sagebrush.errors import Doc
from sagebrush.services.states.map_runs.results import exported
from sagebrush.services.states.tasks.calls import target_of
from sagebrush.services.states.tasks.values import NUMBERS, Named
from sagebrush.services.states.testing.subject import invalid

TYPES = {
    "structure": (dict, "an object"),
    "map": (dict, "an object"),
    "list": (list, "an array"),
    "string": (str, "a string"),
    "timestamp": (str, "a string"),
    "blob": (str, "a string"),
    "boolean": (bool, "a boolean"),
}


def result_of(mock: Doc, state: State) -> Any:
    """The result that the mock gives the state. Raises ValidationException where it cannot be one."""
    text = mock.get("result")
    try:
        found = None if text is None else read(text)
    except ValueError:
        raise invalid("Mocked result must be valid JSON.") from None
    if state.type == "Task":
        mode = mock.get("fieldValidationMode", "STRICT")
        if mode != "NONE":
            _check_task(found, state, mode == "STRICT")
    elif state.type == "Map" and exported(state.doc.get("ResultWriter")):
        if not isinstance(found, dict):
            raise invalid("Mocked result must be a JSON object.")
    elif not isinstance(found, list):
        raise invalid("Mocked result must be an array.")
    elif state.type == "Parallel" and len(found) != len(state.branches):
        raise invalid(
            "Mocked result must contain the same number of items as number of Parallel branches."
        )
    return found


def _check_task(found: Any, state: State, strict: bool) -> None:
    resource = read_resource(state.doc["Resource"])
    if resource.family != "Task" or resource.pattern == "waitForTaskToken":
        return
    target = target_of(resource)
    if isinstance(target, Problem):
        return
    operation = target.operation
    if resource.pattern:  # what the task gives is what describes the job or the execution
        noun = operation.removeprefix("Create").removeprefix("Start")
        operation, strict = f"Describe{noun}", False
    model = models.operation(target.service, operation)
    node = shape_of(model) if model is not None else None
    if node is None:
        return
    if not isinstance(found, dict):
        raise invalid("Mocked result must be a JSON object.")
    if target.service == "lambda" and not target.sdk:  # whose Payload is what the function answers
        found = {name: value for name, value in found.items() if name != "Payload"}
    _check(node, found, "", target.member, strict)


def _refused(field: str, why: str) -> Exception:
    return invalid(f"Mock result schema validation error: Field '{field}' {why}")


def _check(node: Node, value: Any, field: str, named: Named, strict: bool) -> None:
    kind = node.kind
    if kind in NUMBERS:
        if not is_number(value):
            raise _refused(field, "must be a number")
        _check_size(
            node, value, field, "is less than the minimum value", "exceeds the maximum value"
        )
        return
    if kind not in TYPES:
        return
    wanted, words = TYPES[kind]
    if not isinstance(value, wanted):
        raise _refused(field, f"must be {words}")
    if kind == "structure":
        _check_members(node, value, named, strict)
    elif kind == "list":
        for each in value:
            _check(node.element, each, field, named, strict)
    elif kind == "map":
        for key, each in value.items():
            _check(node.element, each, key, named, strict)
    elif kind in ("string", "blob"):
        if node.enum and value not in node.enum:
            raise _refused(field, "is not an expected value")
        smaller, larger = "is smaller than the minimum length", "exceeds the maximum length"
        _check_size(node, len(value), field, smaller, larger)


def _check_members(node: Node, value: Doc, named: Named, strict: bool) -> None:
    known = {named(name): (name, member) for name, member in node.members.items()}
    if strict:
        for name in node.required:
            if named(name) not in value:
                raise invalid(
                    f"Mock result schema validation error: Required field '{named(name)}' is missing"
                )
    for name, each in value.items():
        if name in known:
            _check(known[name][1], each, name, named, strict)


def _check_size(node: Node, size: float, field: str, smaller: str, larger: str) -> None:
    least, most = node.metadata.get("min"), node.metadata.get("max")
    if least is not None and size < least:
        raise _refused(field, smaller)
    if most is not None and size > most:
        raise _refused(field, larger)
