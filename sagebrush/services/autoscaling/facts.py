"""The facts of Application Auto Scaling's resources that act by themselves; none runs a process."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses

SERVICE = "application-autoscaling"


def _acting(kind: str, noun: str) -> WithoutProcesses:
    return WithoutProcesses(
        service=SERVICE,
        kind=kind,
        noun=noun,
        label=kind,
        listed="",  # AWS has no operation that lists it by name
        busy=(),
        ended=(),
    )


SCALABLE_TARGET = _acting("scalable-target", "ScalableTarget")
SCALING_POLICY = _acting("scaling-policy", "ScalingPolicy")
SCHEDULED_ACTION = _acting("scheduled-action", "ScheduledAction")
