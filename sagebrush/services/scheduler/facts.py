"""The facts of schedules, which act by themselves; none runs a process."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses

SCHEDULE = WithoutProcesses(
    service="scheduler",
    kind="schedule",
    noun="Schedule",
    label="schedule",
    listed="",  # a schedule's ARN is the Scheduler's own
    busy=(),
    ended=(),
)
