"""The training jobs of a tuning job: what each tried, reached and would have cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagebrush.commands import running
from sagebrush.commands.job import costs, facts
from sagebrush.commands.job.costs import Cost
from sagebrush.scheduler.instances import instance

Doc = Mapping[str, Any]
LONGEST = 60
"""Characters of a trial's hyperparameters that its line shows."""


def listed(client: Any, name: str) -> list[dict[str, Any]]:
    """The summaries of the tuning job's training jobs, oldest first."""
    pages = client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending"
    )
    return [each for page in pages for each in page["TrainingJobSummaries"]]


def lines(doc: Doc, summaries: list[dict[str, Any]]) -> list[str]:
    """A line for each trial: name, status, objective, time, hyperparameters, the best one marked."""
    best = doc.get("BestTrainingJob", {}).get("TrainingJobName")
    return running.columns([_row(each, best) for each in summaries])


def line(summary: Doc, best: str | None = None) -> str:
    """The line of one trial."""
    return "  ".join(filter(None, _row(summary, best)))


def cost(doc: Doc, summary: Doc) -> Cost | None:
    """What the trial would have cost, from its times and its definition; None before its end.

    Its own description has the billable seconds; this is the same for on-demand instances, and for
    managed spot ones at their spot price.
    """
    begun, end = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    definition = _definition(doc, summary)
    if not begun or not end or "ResourceConfig" not in definition:
        return None
    groups = facts.instances(definition)
    types = tuple(name for name, _ in groups)
    seconds = (end - begun).total_seconds()
    if not definition.get("EnableManagedSpotTraining") or facts.unpriced(types):
        return Cost(costs.priced(groups, seconds), types)
    spot = sum((instance(name).spot_price or 0.0) * count for name, count in groups)
    return Cost(spot * seconds / 3600, types)


def _definition(doc: Doc, summary: Doc) -> Doc:
    """The training definition of a trial."""
    several = doc.get("TrainingJobDefinitions", ())
    name = summary.get("TrainingJobDefinitionName")
    return next(
        (each for each in several if each.get("DefinitionName") == name),
        doc.get("TrainingJobDefinition", {}),
    )


def _row(summary: Doc, best: str | None) -> tuple[str, ...]:
    found = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
    begun, end = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    reached = f"{found['MetricName']} {found['Value']:.6g}" if found else ""
    if best == summary["TrainingJobName"]:
        reached += " (best)"
    tried = ", ".join(f"{k} {v}" for k, v in summary.get("TunedHyperParameters", {}).items())
    reason = (summary.get("FailureReason") or "").strip()
    said = reason.splitlines()[-1] if reason else tried
    return (
        summary["TrainingJobName"],
        summary["TrainingJobStatus"],
        reached,
        running.span((end - begun).total_seconds()) if begun and end else "",
        said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…",
    )
