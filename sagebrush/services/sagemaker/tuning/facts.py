"""The facts of hyperparameter tuning jobs, which run no process: their training jobs do."""

from __future__ import annotations

from sagebrush.facts import Stop, WithoutProcesses

TUNING_JOB = WithoutProcesses(
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
)
