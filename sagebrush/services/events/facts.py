"""The facts of rules, which act by themselves where they have a schedule; none runs a process."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses

RULE = WithoutProcesses(
    service="events",
    kind="event-rule",
    noun="Rule",
    label="event-rule",
    listed="",  # a rule's ARN is EventBridge's own
    busy=(),
    ended=(),
)
