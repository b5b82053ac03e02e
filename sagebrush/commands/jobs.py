"""`jobs`: the training jobs, endpoints and notebook instances, newest first."""

from __future__ import annotations

import argparse
from typing import Any

from sagebrush.commands import running


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs`."""
    parser.add_argument("-n", type=int, default=20, help="how many of each (default 20)")


def run(args: argparse.Namespace) -> int:
    """Prints a table of what there is."""
    chosen = running.settings()
    sagemaker = running.client(chosen, running.require(chosen), "sagemaker")
    rows = [
        (job["TrainingJobName"], "job", job["TrainingJobStatus"], job["CreationTime"])
        for job in _first(sagemaker, "list_training_jobs", "TrainingJobSummaries", args.n)
    ] + [
        (end["EndpointName"], "endpoint", end["EndpointStatus"], end["CreationTime"])
        for end in _first(sagemaker, "list_endpoints", "Endpoints", args.n)
    ]
    rows += [
        (
            each["NotebookInstanceName"],
            "notebook",
            each["NotebookInstanceStatus"],
            each["CreationTime"],
        )
        for each in _first(sagemaker, "list_notebook_instances", "NotebookInstances", args.n)
    ]
    if not rows:
        print("nothing yet")
        return 0
    width = max(len(row[0]) for row in rows)
    for name, what, status, created in rows:
        print(f"{what:<9} {name:<{width}}  {status:<12} {created.astimezone():%Y-%m-%d %H:%M:%S}")
    return 0


def _first(client: Any, operation: str, member: str, count: int) -> list[dict[str, Any]]:
    """Up to `count` summaries, newest first."""
    pages = client.get_paginator(operation).paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"MaxItems": count}
    )
    return [summary for page in pages for summary in page[member]]
