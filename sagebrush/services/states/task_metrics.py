"""Metrics of the work that executions wait for: activities, functions, service integrations.

Source: Step Functions developer guide, "Monitoring Step Functions metrics using Amazon CloudWatch"
("Activity metrics", "Lambda function metrics", "Service integration metrics"): counts of what was
scheduled, started and how it ended, and the milliseconds between. What was begun before the server
started ends without times: they are kept in memory alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sagebrush.errors import Doc

KINDS = {
    "Activity": ("Activities", "Activity", "ActivityArn"),
    "LambdaFunction": ("LambdaFunctions", "LambdaFunction", "LambdaFunctionArn"),
    "Task": ("ServiceIntegrations", "ServiceIntegration", "ServiceIntegrationResourceArn"),
}
"""The beginning of an event's type -> how counts and times begin, and the dimension."""
ENDS = {
    "Succeeded": "Succeeded", "Failed": "Failed", "TimedOut": "TimedOut", "StartFailed": "Failed",
    "SubmitFailed": "Failed", "ScheduleFailed": "Failed",
}  # fmt: skip
"""What ends the work -> how it is counted."""
KNOWN = {
    f"{kind}{step}": (kind, step)
    for kind in KINDS
    for step in ("Scheduled", "Started", "Submitted", *ENDS)
}


@dataclass(frozen=True)
class Measured:
    """A value of a metric: a count of 1, or milliseconds where `time`."""

    dimension: str
    about: str
    metric: str
    value: float
    time: bool = False


@dataclass(frozen=True)
class _Work:
    about: str
    scheduled: float
    started: float | None = None


class TaskMetrics:
    """Follows work from event to event. Thread-safe."""

    def __init__(self) -> None:
        self._works: dict[int, dict[int, _Work]] = {}
        self._guard = threading.Lock()

    def measured(self, run: int, events: Iterable[Doc], over: bool) -> list[Measured]:
        """What the events of an execution's step count; `over`: the execution has ended."""
        found: list[Measured] = []
        for event in events:
            known = KNOWN.get(event["type"])
            if known is not None:
                with self._guard:
                    found += self._of(run, event, *known)
        if over:
            with self._guard:
                self._works.pop(run, None)
        return found

    def empty(self) -> None:
        """All executions were deleted."""
        with self._guard:
            self._works.clear()

    def _of(self, run: int, event: Doc, kind: str, step: str) -> Iterator[Measured]:
        counts, times, dimension = KINDS[kind]
        works = self._works.setdefault(run, {})
        work = works.pop(event["previousEventId"], None)
        now = event["timestamp"]
        if step == "Scheduled":
            work = _Work(_about(kind, event), now)
        elif step == "Started" and work is not None:
            work = replace(work, started=now)
        about = work.about if work is not None else _about(kind, event)
        if not about:
            return
        if step not in ENDS:
            if work is not None:
                works[event["id"]] = work
            if step != "Submitted":
                yield Measured(dimension, about, f"{counts}{step}", 1.0)
        else:
            yield Measured(dimension, about, f"{counts}{ENDS[step]}", 1.0)
        if work is None:
            return
        if step == "Started":
            yield _time(dimension, about, f"{times}ScheduleTime", now - work.scheduled)
        elif step in ENDS:
            yield _time(dimension, about, f"{times}Time", now - work.scheduled)
            if work.started is not None:
                yield _time(dimension, about, f"{times}RunTime", now - work.started)


def _time(dimension: str, about: str, metric: str, seconds: float) -> Measured:
    return Measured(dimension, about, metric, seconds * 1000, time=True)


def _about(kind: str, event: Doc) -> str:
    """The resource that an event names; "" where it names none."""
    details = _details(event)
    resource = str(details.get("resource", ""))
    if kind == "Task" and resource:
        return f"arn:aws:states:::{details['resourceType']}:{resource}"
    return resource


def _details(event: Doc) -> Doc:
    found = next((v for name, v in event.items() if name.endswith("EventDetails")), None)
    return found if isinstance(found, dict) else {}
