"""What a test of a state is about: the state, found in the definition and judged. Pure.

Sources: Step Functions API reference, "TestState"; developer guide, "Testing state machines with
TestState"; refusals as recorded (localstack test_state/test_state_mock_validation,
test_test_state_machine_scenarios, test_state_context_object).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sagebrush.asl import validation
from sagebrush.asl.machine import Machine, State
from sagebrush.asl.resources import read_resource
from sagebrush.asl.values import read
from sagebrush.errors import AwsError, Doc

NAME = "StateName"
"""The name of a state that is tested without a machine (recorded in its context object)."""
MOCKED = ("Task", "Map", "Parallel")
SURROGATE = "arn:aws:states:::lambda:invoke"
"""The resource of the Task by which a mocked Map or Parallel is run: it gets the mock's result."""
TAKEN = (
    "Type", "QueryLanguage", "InputPath", "OutputPath", "ResultPath", "ResultSelector", "Output",
    "Assign", "Retry", "Catch", "Next", "End", "Comment",
)  # fmt: skip
"""Fields of a Map or Parallel that its surrogate has too."""
NOT_ALONE = (
    "TestState API does not support Map or Parallel states. Supported state types include: [Task, "
    "Wait, Pass, Succeed, Fail, Choice]"
)
NOT_CALLED = (
    "TestState API does not support Activity tasks, or the '.sync' and '.waitForTaskToken' service "
    "integration patterns, unless a mock is specified"
)
FIELDS = {
    "Execution": ("Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount", "RedriveTime"),
    "State": ("Name", "EnteredTime", "RetryCount"),
    "StateMachine": ("Id", "Name"),
    "Task": ("Token",),
}


@dataclass(frozen=True)
class Subject:
    """The state that is tested: as its own machine, and what its definition says of it.

    `machine` has the state, a mocked Map or Parallel as a Task, and an end for each state that it may
    go to. `original` is the state as it was given.
    """

    name: str
    machine: Machine
    original: State
    doc: Doc
    iterated: bool = False
    """Whether it is a state of an iteration: the context object has the item."""

    @property
    def state(self) -> State:
        return self.machine.states[self.name]


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def subject_of(request: Doc) -> Subject:
    """The state that the request is about. Raises InvalidDefinition, ValidationException."""
    mocked, iterated = "mock" in request, False
    try:
        doc = read(request["definition"])
    except ValueError:
        doc = None
    if not isinstance(doc, dict):
        validation.read_machine(request["definition"])
        raise AwsError("InvalidDefinition", "Definition must be a valid JSON object")
    name, language = request.get("stateName") or NAME, str(doc.get("QueryLanguage", "JSONPath"))
    if "stateName" in request:
        validation.read_machine(request["definition"])
        doc, iterated = next(_found(doc, name, language), (None, False))
        if doc is None:
            raise invalid("State not found in definition")
    elif "States" in doc:
        raise invalid("StateName must be specified when testing a state of a state machine")
    original = _machine(name, doc, language).states[name]
    _check(request, original, mocked)
    if mocked and original.type != "Task":
        surrogate = {field: value for field, value in doc.items() if field in TAKEN}
        doc = {**surrogate, "Type": "Task", "Resource": SURROGATE}
    return Subject(name, _machine(name, doc, language), original, doc, iterated)


def _found(
    machine: Doc, name: str, language: str, iterated: bool = False
) -> Iterator[tuple[Doc, bool]]:
    """The states of that name in a machine and in those within it; whether a Map is around."""
    for own, state in machine["States"].items():
        if own == name:
            yield {"QueryLanguage": language, **state}, iterated
        processor = state.get("ItemProcessor") or state.get("Iterator")
        if processor:
            yield from _found(processor, name, language, True)
        for branch in state.get("Branches", ()):
            yield from _found(branch, name, language, iterated)


def _machine(name: str, doc: Doc, language: str) -> Machine:
    ends = {target: {"Type": "Succeed"} for target in targets(doc)}
    whole = {"StartAt": name, "QueryLanguage": language, "States": {**ends, name: doc}}
    return validation.read_machine(json.dumps(whole))


def targets(doc: Doc) -> Iterator[str]:
    """The states that a state may go to."""
    parts = [doc.get(field) for field in ("Choices", "Catch")]
    inner = [each for part in parts if isinstance(part, list) for each in part]
    for each in (doc, *(one for one in inner if isinstance(one, dict))):
        found = (each.get(field) for field in ("Next", "Default"))
        yield from (target for target in found if isinstance(target, str))


def _check(request: Doc, state: State, mocked: bool) -> None:
    mock: Doc = request.get("mock") or {}
    if mocked and state.type not in MOCKED:
        raise invalid(f"State type '{state.type}' is not supported when a mock is specified")
    if mocked and "result" in mock and "errorOutput" in mock:
        raise invalid(
            "A test mock should have only one of the following fields: [result, errorOutput]."
        )
    if mocked and request.get("revealSecrets"):
        raise invalid("TestState does not support RevealSecrets when a mock is specified.")
    if not mocked and state.type in ("Map", "Parallel"):
        raise AwsError("InvalidDefinition", NOT_ALONE)
    if state.type == "Task" and not mocked:
        resource = read_resource(state.doc["Resource"])
        if resource.family == "Activity" or resource.pattern:
            raise AwsError("InvalidDefinition", NOT_CALLED)
        if "roleArn" not in request:
            raise invalid("RoleArn must be specified when testing a Task state")
    if "context" in request:
        if not mocked:
            raise invalid("A Context object can be specified only when a mock is specified")
        _check_context(request["context"], state)


def _check_context(text: str, state: State) -> None:
    context = object_of(text, "Invalid Context object provided: it must be a JSON object")

    def refused(why: str) -> AwsError:
        return invalid(f"Invalid Context object provided: {why}")

    for part, value in context.items():
        if part == "Map":
            raise refused("'Map' field is not supported when mocking a Context object")
        if part not in FIELDS:
            raise refused(f"Field '{part}' is not allowed")
        if not isinstance(value, dict):
            raise refused(f"{part} must be an object")
        for member, found in value.items():
            if member not in FIELDS[part]:
                raise refused(f"Field '{member}' is not allowed")
            if member not in ("Input", "RetryCount", "RedriveCount") and not isinstance(found, str):
                raise refused(f"{part}.{member} must be a string")
    if "Task" in context and not (
        state.type == "Task" and read_resource(state.doc["Resource"]).pattern
    ):
        raise refused(
            "Context object contains 'Task' when state is not a Task state with a '.sync' or "
            "'.waitForTaskToken' service integration pattern"
        )


def object_of(text: str, otherwise: str) -> Doc:
    """The JSON object in a text. Raises ValidationException."""
    try:
        found: Any = read(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise invalid(otherwise)
    return found
