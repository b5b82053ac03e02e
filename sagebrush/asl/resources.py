"""What the `Resource` of a Task names, and the events that its work leaves in a history.

Sources: Step Functions developer guide, "Task workflow state", "Integrating services with Step
Functions" (patterns), "Activities"; API reference, "HistoryEvent".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sagebrush.asl.diagnostics import SCHEMA

LAMBDA = re.compile(r"arn:aws[\w-]*:lambda:[^:]*:[^:]*:function:[\w-]+(?::(?:\$LATEST|[\w-]+))?")
ACTIVITY = re.compile(r"arn:aws[\w-]*:states:[^:]*:[^:]*:activity:[^\s:]+")
SERVICE = re.compile(
    r"arn:aws[\w-]*:states:[^:]*:[^:]*:(aws-sdk:\w+|[\w-]+):(\w+)(\.sync(?::2)?|\.waitForTaskToken)?"
)


@dataclass(frozen=True)
class Resource:
    """`family`: which events there are (Task, LambdaFunction, Activity). For a service: `service` and
    `action` as histories name them, `pattern` one of "", "sync", "sync:2", "waitForTaskToken"."""

    arn: str
    family: str
    service: str = ""
    action: str = ""
    pattern: str = ""

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def named(self) -> str:
        """The resource in the words of causes: its service, or its ARN."""
        return self.service or self.arn


@dataclass(frozen=True)
class Problem:
    code: str
    message: str


def read_resource(arn: str) -> Resource:
    """What a valid Resource names."""
    if LAMBDA.fullmatch(arn):
        return Resource(arn, "LambdaFunction")
    if ACTIVITY.fullmatch(arn):
        return Resource(arn, "Activity")
    found = SERVICE.fullmatch(arn)
    if found is None:
        raise ValueError(arn)
    service, action, pattern = found[1], found[2], found[3] or ""
    return Resource(arn, "Task", service, action + pattern, pattern.removeprefix("."))


def problem_of(arn: str, express: bool) -> Problem | None:
    """Why a Resource cannot be used; None where it can.

    A Lambda function, an activity, or a service integration. Its service is not judged here: what
    this server's services lack is for the service that runs the machine to refuse.
    """
    try:
        resource = read_resource(arn)
    except ValueError:
        return Problem("INVALID_RESOURCE", "Invalid Resource resource")
    pattern = resource.pattern.partition(":")[0]
    if express and resource.family == "Activity":
        return Problem(SCHEMA, "Express state machine does not support Activity ARN")
    if express and pattern in ("sync", "waitForTaskToken"):
        return Problem(
            SCHEMA,
            f"Express state machine does not support '.{pattern}' service integration"
            + (" " if pattern == "waitForTaskToken" else ""),  # as recorded
        )
    return None
