"""The facts of inference experiments, which run no process: their endpoint does."""

from __future__ import annotations

from sagebrush.facts import Plain, no_instances, no_keys

INFERENCE_EXPERIMENT = Plain(
    service="sagemaker",
    kind="inference-experiment",
    noun="InferenceExperiment",
    label="experiment",
    listed="InferenceExperiments",
    busy=("Creating", "Created", "Updating", "Starting", "Running", "Stopping"),
    ended=("Completed", "Cancelled"),
    stop=None,  # its endpoint goes on, and so does the experiment when a server starts
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
