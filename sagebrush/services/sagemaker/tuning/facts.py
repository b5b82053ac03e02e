"""The facts of hyperparameter tuning jobs."""

from __future__ import annotations

from sagebrush.facts import Running, Stop, no_instances, no_keys

TUNING_JOB = Running(
    service="sagemaker",
    kind="hyper-parameter-tuning-job",
    noun="HyperParameterTuningJob",
    label="tuning",
    listed="HyperParameterTuningJobSummaries",
    busy=("InProgress", "Stopping"),
    ended=("Completed", "Failed", "Stopped"),
    stop=Stop(
        "StopHyperParameterTuningJob", when=("InProgress",), until=("InProgress", "Stopping")
    ),
    trees=None,  # its training jobs run
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
