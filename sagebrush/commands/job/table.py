"""`jobs` without a part: a table of all jobs, endpoints, notebook instances and text models, newest first."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from sagebrush import services
from sagebrush.commands import places, running
from sagebrush.commands.job import comprehend, costs, facts, inside, named, progress, trials
from sagebrush.commands.job.costs import Bill
from sagebrush.commands.running import CommandError
from sagebrush.engine.running import Live
from sagebrush.facts import Running
from sagebrush.settings import Settings


def run(args: argparse.Namespace) -> int:
    """Prints the table, of every region, and what its resources would have cost together; a column
    says which region where there is more than the server's."""
    chosen = running.settings()
    server = places.server(chosen, args)
    sizes, kinds = _sizes(chosen, server.account), named.listed(services.running())
    regions = places.regions(chosen, server)
    clients = {each: named.clients(chosen, server, kinds, each) for each in regions}
    texts = {each: running.client(chosen, server, places.TEXT, each) for each in regions}
    bills = {region: Bill() for region in regions}
    lines = []
    for kind in kinds:
        found = [
            (each, region)
            for region in regions
            for each in named.present(clients[region][kind.service], kind, args.n)
        ]
        found.sort(key=lambda each: each[0].created, reverse=True)
        for each, region in found[: args.n]:
            size = sizes.get(region, {}).get(each.name, "")
            told = row(clients[region][kind.service], each, size, bills[region])
            lines.append((kind.label, *((region,) if len(regions) > 1 else ()), *told))
    lines += comprehend.lines(texts, args.n)
    if not lines:
        print("nothing yet")
        return 0
    for line in (*running.columns(lines), *costs.together(bills).lines()):
        print(line)
    return 0


def row(client: Any, each: named.Present, size: str, bill: Bill) -> tuple[str, ...]:
    """One line of the table after its kind; `size` is what it really has. What it would have cost
    is added to the bill."""
    said = ""
    with suppress(ClientError):  # deleted since
        doc = running.describe(client, each.kind, each.name)
        said = _told(client, each.kind, doc, dt.datetime.now(dt.UTC), bill)
    if size:
        said = f"{said}{': ' if said else ''}{size}"
    return each.name, each.status, named.moment(each.created), said


def _told(client: Any, kind: Running, doc: Mapping[str, Any], now: dt.datetime, bill: Bill) -> str:
    """One line on the resource, whose cost is added to the bill."""
    name = doc[kind.id_member]
    if kind.noun == "HyperParameterTuningJob":
        mine = Bill()
        for each in trials.listed(client, name):
            mine.add("TrainingJob", each["TrainingJobName"], trials.cost(doc, each))
        for (noun, trial), cost in mine.costs.items():
            if (noun, trial) not in bill.costs:  # which may have it from its own description
                bill.add(noun, trial, cost)
        return "; ".join(filter(None, (tuning(doc), mine.told())))
    cost = costs.of(kind, doc, client, now)
    bill.add(kind.noun, name, cost)
    if kind.noun == "TrainingJob":
        return facts.details(doc, now)
    return facts.of_any(doc, str(cost or ""))


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


def _sizes(chosen: Settings, account: str) -> dict[str, dict[str, str]]:
    """Region -> the account's resource -> what it has, for those that run with less than their instance type."""
    found: dict[str, dict[str, str]] = {}
    try:
        lives = inside.everything(chosen)
    except CommandError:
        return found
    for each in lives:
        if each.account != account:
            continue
        limits = inside.limits(inside.directory(chosen, each))
        scaled = facts.scaled(each.type or limits.name, limits) if limits else ""
        mine = [other for other in lives if _resource(other) == _resource(each)]
        if said := "; ".join(filter(None, (progress.told(chosen, mine), scaled))):
            found.setdefault(each.region, {}).setdefault(each.name, said)
    return found


def _resource(each: Live) -> tuple[str, str, str, str]:
    return each.kind, each.name, each.region, each.account
