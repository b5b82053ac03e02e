"""`jobs` without a part: a table of all jobs, endpoints and notebook instances, newest first."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping
from typing import Any

from sagebrush.commands import running
from sagebrush.commands.job import facts, inside
from sagebrush.commands.running import CommandError
from sagebrush.settings import Settings

LISTED = (
    ("job", "list_training_jobs", "TrainingJobSummaries", "TrainingJob"),
    ("processing", "list_processing_jobs", "ProcessingJobSummaries", "ProcessingJob"),
    ("tuning", "list_hyper_parameter_tuning_jobs", "HyperParameterTuningJobSummaries",
     "HyperParameterTuningJob"),
    ("endpoint", "list_endpoints", "Endpoints", "Endpoint"),
    ("notebook", "list_notebook_instances", "NotebookInstances", "NotebookInstance"),
)  # fmt: skip
"""Kind, operation, its list, and what the members of a summary begin with."""


def run(args: argparse.Namespace) -> int:
    """Prints the table."""
    chosen = running.settings()
    sagemaker = running.client(chosen, running.require(chosen), "sagemaker")
    sizes = _sizes(chosen)
    rows = [
        row
        for kind, operation, member, word in LISTED
        for row in _rows(sagemaker, kind, _first(sagemaker, operation, member, args.n), word, sizes)
    ]
    if not rows:
        print("nothing yet")
        return 0
    for line in running.columns(rows):
        print(line)
    return 0


def _rows(
    client: Any, kind: str, found: list[dict[str, Any]], word: str, sizes: Mapping[str, str]
) -> list[tuple[str, ...]]:
    rows = []
    for each in found:
        name, created = each[f"{word}Name"], each["CreationTime"].astimezone()
        said = _said(client, kind, each, sizes.get(name, ""))
        rows.append((kind, name, each[f"{word}Status"], f"{created:%Y-%m-%d %H:%M:%S}", said))
    return rows


def _said(client: Any, kind: str, summary: Mapping[str, Any], size: str) -> str:
    """What there is to tell beside the status."""
    now = dt.datetime.now(dt.UTC)
    if kind == "job":
        doc = client.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        said = facts.details(doc, now)
    elif kind == "tuning":
        name = summary["HyperParameterTuningJobName"]
        said = tuning(client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))
    elif kind == "processing":
        said = _processing(client, summary)
    else:
        said = summary.get("InstanceType", "")
    return f"{said}{': ' if said else ''}{size}" if size else said


def tuning(doc: Mapping[str, Any]) -> str:
    """How many of a tuning job's training jobs have ended, the best value so far, why it failed."""
    counts = dict(doc.get("TrainingJobStatusCounters", {}))
    most = doc["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    running_now = counts.pop("InProgress", 0)
    said = [f"{sum(counts.values())} of {most} training jobs ended, {running_now} in progress"]
    if doc["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"):
        said = [f"{sum(counts.values())} training jobs"]
    member = "FinalHyperParameterTuningJobObjectiveMetric"
    if best := doc.get("BestTrainingJob", {}).get(member):
        said.append(f"best {best['MetricName']} {best['Value']:.6g}")
    if reason := doc.get("FailureReason"):
        said.append(reason[:120])
    return "; ".join(said)


def _processing(client: Any, summary: Mapping[str, Any]) -> str:
    """How long it took; or what it waits for, which this server tells in the exit message."""
    doc = client.describe_processing_job(ProcessingJobName=summary["ProcessingJobName"])
    if end := doc.get("ProcessingEndTime"):
        begun = doc.get("ProcessingStartTime", doc["CreationTime"])
        return f"took {running.span((end - begun).total_seconds())} here"
    return doc.get("ExitMessage", "")


def _sizes(chosen: Settings) -> dict[str, str]:
    """By resource that runs with less than its instance type has: what it has."""
    found: dict[str, str] = {}
    try:
        lives = inside.everything(chosen)
    except CommandError:
        return found
    for each in lives:
        limits = inside.limits(inside.directory(chosen, each))
        if limits and (said := facts.scaled(each.type or limits.name, limits)):
            found.setdefault(each.name, said)
    return found


def _first(client: Any, operation: str, member: str, count: int) -> list[dict[str, Any]]:
    """Up to `count` summaries, newest first; none of what this server does not have."""
    from botocore.exceptions import ClientError

    pages = client.get_paginator(operation).paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"MaxItems": count}
    )
    try:
        return [summary for page in pages for summary in page[member]]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotImplemented":
            return []
        raise
