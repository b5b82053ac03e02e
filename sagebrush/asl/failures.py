"""Errors that states report, in AWS's names and words.

Sources: Step Functions developer guide, "Handling errors in Step Functions workflows"; wordings as
recorded from the service (the texts of `Cause` in the histories that localstack's tests keep).
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = "States.ALL"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
TASK_FAILED = "States.TaskFailed"
RUNTIME = "States.Runtime"
DATA_LIMIT = "States.DataLimitExceeded"
QUERY_EVALUATION = "States.QueryEvaluationError"
RESULT_PATH = "States.ResultPathMatchFailure"

NO_NEXT_STATE = "Failed to transition out of the state. The state does not point to a next state."
TOO_LARGE = (
    "The state/task '{}' returned a result with a size exceeding the maximum number of bytes "
    "service limit."
)
HISTORY_FULL = "The execution reached the maximum number of history events (25000)."


class StateError(Exception):
    """A state failed: the error's name, its cause (None where AWS gives none), and whose words it is.

    `own`: raised while the state was evaluated, so that the cause gets the sentence which names the
    state. `location`: the field of a JSONata state that could not be evaluated.
    """

    def __init__(self, name: str, cause: str | None, own: bool = True, location: str = "") -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause
        self.own = own
        self.location = location


@dataclass(frozen=True)
class Failure:
    """What Retry and Catch see, and what ends an execution.

    `matched`: the name by which ErrorEquals knows it, where it is another than histories show (a
    missed heartbeat is recorded as States.Timeout).
    """

    name: str | None
    cause: str | None
    matched: str | None = None

    def output(self) -> dict[str, str]:
        """The Error Output of a Catcher, in the order that AWS writes it."""
        named = {"Error": self.name or ""}
        return named if self.cause is None else {**named, "Cause": self.cause}


def matches(equals: list[str], name: str | None) -> bool:
    """Whether an `ErrorEquals` names the error.

    `States.TaskFailed` matches all but timeouts. Nothing matches `States.Runtime`, which always
    fails the execution (developer guide). `States.ALL` does match `States.DataLimitExceeded` of a task's result: the guide says it does not,
    the service does (recorded 21 March 2024, localstack test_states_errors
    `catch_state_all_data_limit_exceeded`). `States.Timeout` matches a missed heartbeat too.
    """
    if name == RUNTIME:
        return False
    if name in equals:
        return True
    if name == HEARTBEAT_TIMEOUT and TIMEOUT in equals:
        return True
    if ALL in equals:
        return True
    return TASK_FAILED in equals and name not in (TIMEOUT, HEARTBEAT_TIMEOUT)
