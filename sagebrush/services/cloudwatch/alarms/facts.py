"""The facts of alarms, which run no process."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses

ALARM = WithoutProcesses(
    service="cloudwatch",
    kind="alarm",
    noun="Alarm",
    label="alarm",
    listed="",  # CloudWatch has no List operation of them
    busy=(),
    ended=(),
)
