"""What goes into a step of an execution and what comes out of it: plain values.

`spine.advance` takes one of the `Happened` values and answers with a `Step`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sagebrush.asl.machine import Machine
from sagebrush.asl.resources import Resource
from sagebrush.errors import Doc


def as_they_are(_resource: Resource, parameters: Any) -> Any:
    """Parameters of a task that nobody judges."""
    return parameters


@dataclass(frozen=True)
class Execution:
    """What does not change while a machine runs. `started`: seconds since 1970; `input`: JSON text."""

    machine: Machine
    arn: str
    name: str
    role: str | None
    machine_arn: str
    machine_name: str
    started: float
    input: str
    redrives: int | None = 0
    """None: the context object tells of none (a test of one state)."""
    standard: bool = True
    prepare: Callable[[Resource, Any], Any] = as_they_are
    """The parameters of a task as its resource takes them; raises StateError where it cannot."""
    context: Doc | None = None
    """The context object as a test gives it."""
    item: Doc | None = None
    """`Map.Item` of the context object, where a state of a Map is tested alone."""

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


class Pages(Protocol):
    """Where values lie that are too many for a position: items and results of Map states."""

    def read(self, key: str) -> Any:
        """The value that an earlier `Step.pages` gave under the key."""
        ...


# What happened. `key` is that of the command which began the work.


@dataclass(frozen=True)
class Began:
    """The execution is to start."""


@dataclass(frozen=True)
class Continued:
    """A step said `more`."""


@dataclass(frozen=True)
class Redriven:
    """RedriveExecution, of an execution that ended without success; its position is the last one."""


@dataclass(frozen=True)
class TaskStarted:
    """The task's work began; `worker` is an activity's worker."""

    key: str
    worker: str | None = None


@dataclass(frozen=True)
class TaskSubmitted:
    """The call of a `.sync` or `.waitForTaskToken` task was answered with `output`. `note` is kept with
    the work, in the transaction of the step (`store.executions.Work.note`)."""

    key: str
    output: Any
    note: Doc = field(default_factory=dict)


@dataclass(frozen=True)
class TaskSucceeded:
    key: str
    output: Any


@dataclass(frozen=True)
class TaskFailed:
    """`stage`: "" or the part that failed before the work ran: Schedule, Start or Submit."""

    key: str
    error: str | None
    cause: str | None
    stage: str = ""


@dataclass(frozen=True)
class Heartbeat:
    key: str


@dataclass(frozen=True)
class TimerFired:
    key: str


@dataclass(frozen=True)
class MapRunEnded:
    """`output`: the results; None with an error where the run failed."""

    key: str
    output: Any = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Stopped:
    """StopExecution."""

    error: str | None = None
    cause: str | None = None


Happened = (
    Began
    | Continued
    | Redriven
    | TaskStarted
    | TaskSubmitted
    | TaskSucceeded
    | TaskFailed
    | Heartbeat
    | TimerFired
    | MapRunEnded
    | Stopped
)


@dataclass(frozen=True)
class StartTask:
    """Call `resource` with `parameters`, as `role` where Credentials name one.

    `token`: the task token of a `.waitForTaskToken` task or an activity. `timeout` and `heartbeat`
    are seconds, which the spine watches by timers once the caller says TaskStarted.
    """

    key: str
    state: str
    resource: str
    parameters: Any
    token: str | None = None
    role: str | None = None
    timeout: float | None = None
    heartbeat: float | None = None


@dataclass(frozen=True)
class StopTask:
    """The task's result is not wanted any more; work that `.sync` began is to be stopped."""

    key: str


@dataclass(frozen=True)
class SetTimer:
    """Say TimerFired at `at`, seconds since 1970; a timer with the same key is replaced."""

    key: str
    at: float


@dataclass(frozen=True)
class CancelTimer:
    key: str


@dataclass(frozen=True)
class StartMapRun:
    """Run the item processor of the Map state at `path` (state names from the root) on many items, by
    child executions. `spec`: see `map_runs`."""

    key: str
    path: tuple[str, ...]
    spec: Doc


@dataclass(frozen=True)
class StopMapRun:
    key: str


Command = StartTask | StopTask | SetTimer | CancelTimer | StartMapRun | StopMapRun


@dataclass(frozen=True)
class End:
    """`status`: SUCCEEDED, FAILED, TIMED_OUT or ABORTED; `output` is JSON text."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Step:
    """What one step did; all of it belongs into one commit.

    `position` is a JSON document. `events`: AWS's HistoryEvents. `pages`: values to keep under their
    keys; `dropped`: prefixes of keys that nothing reads any more, forgotten before `pages` are kept. `more`: there is a further step to
    do at once (`Continued`), which was cut off to keep this one small.
    """

    position: Doc
    events: list[Doc] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    pages: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    end: End | None = None
    more: bool = False
