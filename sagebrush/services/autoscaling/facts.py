"""The facts of Application Auto Scaling's resources that act by themselves; none runs a process."""

from __future__ import annotations

from sagebrush.facts import Running, no_instances, no_keys

SERVICE = "application-autoscaling"


def _acting(kind: str, noun: str) -> Running:
    return Running(
        service=SERVICE,
        kind=kind,
        noun=noun,
        label=kind,
        listed="",  # AWS has no operation that lists it by name
        busy=(),
        ended=(),
        stop=None,
        trees=None,
        keys=no_keys,
        instances=no_instances,
        quotas=(),
        shares_cpu=False,
        metrics=None,
        logs=None,
        variable=None,
        reacts_to_tags=False,
        container=None,
    )


SCALABLE_TARGET = _acting("scalable-target", "ScalableTarget")
SCALING_POLICY = _acting("scaling-policy", "ScalingPolicy")
SCHEDULED_ACTION = _acting("scheduled-action", "ScheduledAction")
