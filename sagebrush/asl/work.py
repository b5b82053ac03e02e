"""Task states: scheduling, and what the caller says of the work.

Sources: developer guide, "Task workflow state"; API reference, "HistoryEvent" (details); recorded
histories (localstack test_timeouts, test_callback, test_states_errors).
"""

from __future__ import annotations

import base64
from typing import Any

from sagebrush.asl import flow
from sagebrush.asl.failures import (
    DATA_LIMIT,
    HEARTBEAT_TIMEOUT,
    TIMEOUT,
    TOO_LARGE,
    Failure,
    StateError,
)
from sagebrush.asl.machine import State, number
from sagebrush.asl.resources import Resource, read_resource
from sagebrush.asl.steps import (
    CancelTimer,
    Heartbeat,
    SetTimer,
    StartTask,
    StopTask,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
)
from sagebrush.asl.turn import NOT_TRUNCATED, Line, Turn
from sagebrush.asl.values import fits
from sagebrush.errors import Doc

TOKEN_BYTES = 96


def schedule(turn: Turn, line: Line, state: State) -> None:
    """The task is given to the caller. Raises StateError."""
    frame, resource = line.frame, read_resource(state.doc["Resource"])
    token = None
    if resource.pattern == "waitForTaskToken" or resource.family == "Activity":
        token = base64.b64encode(turn.random.randbytes(TOKEN_BYTES)).decode()
        frame["wait"] = {"token": token}
    effective = flow.given(turn, line, state)
    scope = turn.scope(line, effective, input=effective)
    given = effective if state.arguments is None else state.arguments(scope)
    parameters = turn.execution.prepare(resource, given)
    role = _role(state, scope)
    timeout = number(state, "TimeoutSeconds", scope)
    heartbeat = number(state, "HeartbeatSeconds", scope)
    text = turn.text(parameters)
    if not fits(text):
        raise StateError(DATA_LIMIT, TOO_LARGE.format(state.name), own=False)
    details: Doc = {}
    if resource.family == "Task":
        details = {**_named(resource), "region": resource.region or turn.execution.region}
        details["parameters"] = text
    else:
        details = {"resource": resource.arn, "input": text, "inputDetails": NOT_TRUNCATED}
    if timeout is not None:
        details["timeoutInSeconds"] = int(timeout)
    if heartbeat is not None and resource.family != "LambdaFunction":
        details["heartbeatInSeconds"] = int(heartbeat)
    if role is not None and resource.family != "Activity":
        details["taskCredentials"] = {"roleArn": role}
    member = f"{resource.family[0].lower()}{resource.family[1:]}ScheduledEventDetails"
    frame["previous"] = turn.emit(f"{resource.family}Scheduled", frame["previous"], member, details)
    key = f"{line.path}#{frame['previous']}"
    frame["wait"] = {"task": key, "timeout": timeout, "heartbeat": heartbeat}
    if token is not None:
        frame["wait"]["token"] = token
    turn.commands.append(
        StartTask(key, state.name, resource.arn, parameters, token, role, timeout, heartbeat)
    )


def _role(state: State, scope: Any) -> str | None:
    if "Credentials" not in state.values:
        return None
    return state.values["Credentials"](scope).get("RoleArn")


def _named(resource: Resource) -> Doc:
    return {"resourceType": resource.service, "resource": resource.action}


def _emit(turn: Turn, line: Line, resource: Resource, what: str, details: Doc) -> None:
    """An event of the task's family; services' name the resource too."""
    kind = f"{resource.family}{what}"
    if resource.family == "Task":
        details = {**_named(resource), **details}
    member = f"{kind[0].lower()}{kind[1:]}EventDetails"
    if resource.family == "LambdaFunction" and what == "Started":
        member = ""  # has no details
    line.frame["previous"] = turn.emit(kind, line.frame["previous"], member, details)


def started(turn: Turn, line: Line, news: TaskStarted) -> None:
    """The work began, which is when its time limits begin (guide, "Task": for activities, when
    ActivityStarted is recorded)."""
    resource, wait = read_resource(line.state.doc["Resource"]), line.frame["wait"]
    details: Doc = {"workerName": news.worker} if news.worker is not None else {}
    _emit(turn, line, resource, "Started", details)
    for limit in ("timeout", "heartbeat"):
        if wait[limit] is not None:
            turn.commands.append(SetTimer(f"{news.key}:{limit}", turn.now + wait[limit]))
    line.frame["wait"] = {**wait, "started": True}


def beat(turn: Turn, line: Line, news: Heartbeat) -> None:
    wait = line.frame["wait"]
    if wait["heartbeat"] is not None and "started" in wait:
        turn.commands.append(SetTimer(f"{news.key}:heartbeat", turn.now + wait["heartbeat"]))


def submitted(turn: Turn, line: Line, news: TaskSubmitted) -> None:
    resource = read_resource(line.state.doc["Resource"])
    details = {"output": turn.text(news.output), "outputDetails": NOT_TRUNCATED}
    _emit(turn, line, resource, "Submitted", details)


def forget(turn: Turn, line: Line, stop: bool) -> None:
    """Nothing is awaited of the line's task any more."""
    wait = line.frame.pop("wait")
    for limit in ("timeout", "heartbeat"):
        if wait[limit] is not None and "started" in wait:
            turn.commands.append(CancelTimer(f"{wait['task']}:{limit}"))
    if stop:
        turn.commands.append(StopTask(wait["task"]))


def succeeded(turn: Turn, line: Line, news: TaskSucceeded) -> None:
    """Raises StateError."""
    resource = read_resource(line.state.doc["Resource"])
    text = turn.text(news.output)
    if not fits(text):
        cause = TOO_LARGE.format(resource.named)
        ended_badly(turn, line, TaskFailed(news.key, DATA_LIMIT, cause))
        return
    _emit(turn, line, resource, "Succeeded", {"output": text, "outputDetails": NOT_TRUNCATED})
    forget(turn, line, stop=False)
    flow.leave(turn, line, news.output)


def ended_badly(turn: Turn, line: Line, news: TaskFailed) -> None:
    resource = read_resource(line.state.doc["Resource"])
    details = {"error": news.error, "cause": news.cause}
    given = {name: value for name, value in details.items() if value is not None}
    _emit(turn, line, resource, f"{news.stage}Failed", given)
    forget(turn, line, stop=False)
    flow.failed(turn, line, Failure(news.error, news.cause))


def timed_out(turn: Turn, line: Line, limit: str) -> None:
    """Both limits are recorded as States.Timeout without a cause; ErrorEquals tells them apart."""
    resource = read_resource(line.state.doc["Resource"])
    _emit(turn, line, resource, "TimedOut", {"error": TIMEOUT})
    forget(turn, line, stop=True)
    matched = HEARTBEAT_TIMEOUT if limit == "heartbeat" else None
    flow.failed(turn, line, Failure(TIMEOUT, None, matched))
