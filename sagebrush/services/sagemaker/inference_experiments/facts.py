"""The facts of inference experiments, which run no process: their endpoint does."""

from __future__ import annotations

from sagebrush.facts import Plain, WithoutProcesses


class _Experiment(Plain, WithoutProcesses):
    """Both."""


INFERENCE_EXPERIMENT = _Experiment(
    service="sagemaker",
    kind="inference-experiment",
    noun="InferenceExperiment",
    label="experiment",
    listed="InferenceExperiments",
    busy=("Creating", "Created", "Updating", "Starting", "Running", "Stopping"),
    ended=("Completed", "Cancelled"),
)
