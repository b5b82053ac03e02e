"""The facts of alarms, which run no process."""

from __future__ import annotations

from sagebrush.facts import Running, no_instances, no_keys

ALARM = Running(
    service="cloudwatch",
    kind="alarm",
    noun="Alarm",
    label="alarm",
    listed="",  # CloudWatch has no List operation of them
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
