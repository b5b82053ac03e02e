"""A Task's resource and parameters as a call of one of this server's operations. Pure.

Sources: Step Functions developer guide, "Integrating services with Step Functions", "Passing
parameters to a service API", "Learning to use AWS service SDK integrations"; recorded histories.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sagebrush.asl.failures import RUNTIME, StateError
from sagebrush.asl.resources import Problem, Resource, read_resource
from sagebrush.asl.values import read, write
from sagebrush.aws import models
from sagebrush.aws.shapes import Node, input_of, output_of
from sagebrush.errors import Doc
from sagebrush.services.states.tasks import names, optimised, values
from sagebrush.services.states.tasks.names import Spoken
from sagebrush.services.states.tasks.optimised import Action, Child
from sagebrush.services.states.tasks.values import Unfit

INVALID = "SCHEMA_VALIDATION_FAILED"
UNRECOGNISED = (
    "The resource provided {} is not recognized. The value is not a valid resource ARN, or the "
    "resource is not available in this region."
)
LACKS = "Sagebrush does not implement the integration {}: {}."
EXECUTION_TAG = "AWS_STEP_FUNCTIONS_EXECUTION_ARN"
MANAGED_TAG = ("MANAGED_BY_AWS", "STARTED_BY_STEP_FUNCTIONS")
"""Tags of jobs that `.sync` started (recorded in a tuning job's output)."""
NAMES = uuid.UUID("6f0d8a0e-6a4f-4f0e-9a53-2f1f3b5f0e2d")
"""The name space of executions that a task starts without naming them."""


@dataclass(frozen=True)
class By:
    """Whose task it is: the execution's ARN, its state machine's, and the key of the command."""

    execution: str
    machine: str
    key: str

    @property
    def parent(self) -> str:
        """What rows of jobs that the task starts have as their parent: another entry of the state, and
        another execution, has another one."""
        return f"{self.execution}#{self.key}"


@dataclass(frozen=True)
class Call:
    """`until`: answered, ended (a job, or an execution) or token. `child`: the kind of the job's row
    and the member of the parameters that names it."""

    service: str
    operation: str
    parameters: Doc
    until: str
    child: Child | None = None


@dataclass(frozen=True)
class Target:
    """What a resource calls."""

    service: str
    operation: str
    spoken: Spoken
    sdk: bool
    action: Action | None
    pattern: str

    @property
    def member(self) -> values.Named:
        return names.sdk_member if self.sdk else names.optimised_member

    @property
    def input(self) -> Node | None:
        found = models.operation(self.service, self.operation)
        return input_of(found) if found is not None else None


def target_of(resource: Resource) -> Target | Problem:
    """What the resource calls, or why this server cannot call it."""
    if resource.family == "LambdaFunction":
        spoken = names.OPTIMISED["lambda"]
        return Target("lambda", "Invoke", spoken, False, None, "")
    pattern = resource.pattern
    action = resource.action.partition(".")[0]
    _, sdk, service = resource.service.rpartition(":")
    if sdk:
        return _sdk_target(resource, service, action, pattern)
    lacking = service in optimised.LACKING or (service, action) in optimised.LACKING_ACTIONS
    if lacking:
        what = "HTTP requests to third parties" if service == "http" else f"{service} {action}"
        return Problem(INVALID, LACKS.format(resource.arn, f"it has no {what}"))
    known = optimised.ACTIONS.get((service, action))
    if known is None or pattern not in known.patterns:
        return Problem(INVALID, UNRECOGNISED.format(resource.arn))
    spoken = names.OPTIMISED[service]
    return Target(spoken.service, known.operation, spoken, False, known, pattern)


def _sdk_target(resource: Resource, service: str, action: str, pattern: str) -> Target | Problem:
    spoken = names.SDK.get(service)
    if spoken is None or spoken.service not in models.SERVICES:
        return Problem(INVALID, LACKS.format(resource.arn, f"it has no service {service}"))
    operation = names.operation_of(spoken.service, action)
    if operation is None or pattern not in optimised.CALLBACK or _streams(spoken, operation):
        return Problem(INVALID, UNRECOGNISED.format(resource.arn))
    return Target(spoken.service, operation, spoken, True, None, pattern)


@cache
def _streams(spoken: Spoken, operation: str) -> bool:
    """Whether the operation answers with a stream of events, which no state can have (guide: SDKs for
    streams are not available)."""
    model = models.operation(spoken.service, operation)
    node = output_of(model) if model is not None else None
    return node is not None and any(member.event_stream for member in node.members.values())


def refusal(arn: str, known: Mapping[tuple[str, str], Any]) -> Problem | None:
    """Why a machine cannot have the valid resource here; None where it can.

    `known`: the operations that this server has (`World.operations`).
    """
    resource = read_resource(arn)
    if resource.family == "Activity":
        return None
    target = target_of(resource)
    if isinstance(target, Problem):
        return target
    if (target.service, target.operation) not in known:
        what = f"it has no operation {target.operation} of {target.service}"
        return Problem(INVALID, LACKS.format(arn, what))
    return None


def prepared(resource: Resource, parameters: Any) -> Any:
    """The parameters as the history shows them: without what an integration does not take.

    Raises StateError where they cannot be used.
    """
    if resource.family != "Task":
        return parameters
    target = target_of(resource)
    if isinstance(target, Problem):
        raise StateError(RUNTIME, target.message)
    if isinstance(parameters, dict) and target.action is not None and target.action.takes:
        parameters = {k: v for k, v in parameters.items() if k in target.action.takes}
    try:
        _parameters(target, parameters, By("", "", ""))
    except Unfit as problem:
        said = ", ".join(problem.problems)
        raise StateError(
            RUNTIME,
            f"The Parameters '{write(parameters)}' could not be used to start the Task: [{said}]",
        ) from None
    return parameters


def call_of(resource: Resource, parameters: Any, by: By) -> Call:
    """The call that a Task with a resource of a service or function makes. Raises Unfit."""
    target = target_of(resource)
    if isinstance(target, Problem):
        raise Unfit(target.message)
    if resource.family == "LambdaFunction":
        payload = write(parameters).encode()
        request = {"FunctionName": resource.arn, "Payload": payload}
        return Call("lambda", "Invoke", request, "answered")
    request = _parameters(target, parameters, by)
    until = "token" if target.pattern == "waitForTaskToken" else "answered"
    if target.pattern.startswith("sync"):
        until = "ended"
    child = target.action.child if target.action is not None and until == "ended" else None
    return Call(target.service, target.operation, request, until, child)


def _parameters(target: Target, given: Any, by: By) -> Doc:
    """The request, with what an optimised integration adds to it. Raises Unfit."""
    request = values.request_of(target.input, given, target.member)
    if (target.service, target.operation) == ("stepfunctions", "StartExecution"):
        # the same when it is asked for again after a crash, so that it is started once
        request.setdefault("name", str(uuid.uuid5(NAMES, by.parent)))
    if target.sdk:
        return request
    if target.service == "lambda" and "ClientContext" in request:
        request["ClientContext"] = _client_context(given["ClientContext"])
    elif target.operation == "PutEvents":
        own = [by.machine, by.execution]
        request["Entries"] = [
            {**entry, "Resources": [*entry.get("Resources", ()), *own]}
            for entry in request.get("Entries", ())
        ]
    elif target.service == "sagemaker" and target.pattern == "sync":
        own = [{"Key": EXECUTION_TAG, "Value": by.execution}]
        own.append({"Key": MANAGED_TAG[0], "Value": MANAGED_TAG[1]})
        given_tags = [tag for tag in request.get("Tags", ()) if tag.get("Key") != EXECUTION_TAG]
        request["Tags"] = [*given_tags, *own]
    return request


def _client_context(given: Any) -> str:
    """The base64 text that Invoke takes; a JSON object is written so."""
    return given if isinstance(given, str) else base64.b64encode(write(given).encode()).decode()


def parsed(text: str) -> Any:
    """The JSON value of a text, or the text itself."""
    try:
        return read(text)
    except ValueError:
        return text
