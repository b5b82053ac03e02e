"""`jobs` without a part: a table of all jobs, endpoints and notebook instances, newest first."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from sagebrush import services
from sagebrush.commands import places, running
from sagebrush.commands.job import facts, inside
from sagebrush.commands.running import CommandError
from sagebrush.facts import Running
from sagebrush.settings import Settings

CREATED = 3
"""Which column of the table is the time."""
DETAILS: Mapping[str, Callable[[Mapping[str, Any], dt.datetime], str]] = {
    "TrainingJob": facts.details,
    "HyperParameterTuningJob": lambda doc, _: tuning(doc),
}
"""Noun -> a function that describes more of such a resource than `facts.of_any` does."""


def run(args: argparse.Namespace) -> int:
    """Prints the table, of every region; a column says which where there is more than the server's."""
    chosen = running.settings()
    server = running.require(chosen)
    sizes = _sizes(chosen)
    kinds = listed(services.running())
    regions = places.regions(chosen, server)
    shown = (lambda region: (region,)) if len(regions) > 1 else lambda _: ()
    clients = {
        (name, region): running.client(chosen, server, name, region)
        for name in {kind.service for kind in kinds}
        for region in regions
    }
    lines = []
    for kind in kinds:
        found = [
            (row, region)
            for region in regions
            for row in rows(clients[kind.service, region], kind, args.n, sizes.get(region, {}))
        ]
        found.sort(key=lambda each: each[0][CREATED], reverse=True)
        lines += [(*row[:1], *shown(region), *row[1:]) for row, region in found[: args.n]]
    if not lines:
        print("nothing yet")
        return 0
    for line in running.columns(lines):
        print(line)
    return 0


def listed(kinds: Mapping[str, Running]) -> list[Running]:
    """The kinds that can be listed: first those that end without being stopped."""
    found = [kind for kind in kinds.values() if kind.listed]
    return sorted(found, key=lambda kind: (not kind.ended, kind.label))


def rows(client: Any, kind: Running, count: int, sizes: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Up to `count` lines of the table, newest first; `sizes` is what some really have."""
    now, found = dt.datetime.now(dt.UTC), []
    for each in _first(client, kind, count):
        name, created = each[kind.id_member], each["CreationTime"].astimezone()
        said = ""
        with suppress(ClientError):  # deleted since
            doc = running.describe(client, kind, name)
            said = DETAILS.get(kind.noun, lambda doc, _: facts.of_any(doc))(doc, now)
        if size := sizes.get(name, ""):
            said = f"{said}{': ' if said else ''}{size}"
        status = each[kind.status_member]
        found.append((kind.label, name, status, f"{created:%Y-%m-%d %H:%M:%S}", said))
    return found


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


def _sizes(chosen: Settings) -> dict[str, dict[str, str]]:
    """Region -> resource -> what it has, for those that run with less than their instance type."""
    found: dict[str, dict[str, str]] = {}
    try:
        lives = inside.everything(chosen)
    except CommandError:
        return found
    for each in lives:
        limits = inside.limits(inside.directory(chosen, each))
        if limits and (said := facts.scaled(each.type or limits.name, limits)):
            found.setdefault(each.region, {}).setdefault(each.name, said)
    return found


def _first(client: Any, kind: Running, count: int) -> list[dict[str, Any]]:
    """Up to `count` summaries, newest first."""
    pages = client.get_paginator(xform_name(f"List{kind.noun}s")).paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"MaxItems": count}
    )
    return [summary for page in pages for summary in page[kind.listed]]
