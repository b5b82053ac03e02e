"""`endpoints` without a part: what answers, what sleeps, their load, memory, instances and AWS's price."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sagebrush.commands import places, running
from sagebrush.commands.job import costs, facts, inside
from sagebrush.commands.running import CommandError
from sagebrush.compute.local import usage
from sagebrush.engine.running import Live
from sagebrush.scheduler.sizes import amount
from sagebrush.settings import Settings

Doc = Mapping[str, Any]
RECENT = 5
"""Minutes of which requests are told."""
MONTH = 730 * 3600.0
"""Seconds of a month, as AWS's calculator counts them."""
HEADER = ("ENDPOINT", "STATE", f"LAST {RECENT} MIN", "MEMORY", "INSTANCES", "AWS SO FAR", "A MONTH")
NOT_KNOWN = "unknown"
"""The price of what is in no price list that Sagebrush has: serverless endpoints' GB-seconds."""


@dataclass(frozen=True)
class Held:
    """What an endpoint's processes hold now."""

    processes: int = 0
    memory: int = 0
    """Bytes."""


def run(args: argparse.Namespace) -> int:
    """Prints the table, of every region; a column says which where there is more than the server's."""
    chosen = running.settings()
    server = places.server(chosen, args)
    regions = places.regions(chosen, server)
    now = dt.datetime.now(dt.UTC)
    lines: list[tuple[str, ...]] = []
    priced: list[str] = []
    for region in regions:
        clients = {
            name: running.client(chosen, server, name, region)
            for name in ("sagemaker", "cloudwatch")
        }
        held = holding(chosen, server.account, region, components(clients["sagemaker"]))
        for doc in described(clients["sagemaker"]):
            groups = costs.instances("Endpoint", doc, clients["sagemaker"])
            priced += [name for name, _ in groups]
            told = row(
                doc,
                held.get(doc["EndpointName"], Held()),
                requests(clients["cloudwatch"], doc, now),
                groups,
                now,
            )
            lines.append((*((region,) if len(regions) > 1 else ()), *told))
    if not lines:
        print("no endpoints")
        return 0
    header = (*(("REGION",) if len(regions) > 1 else ()), *HEADER)
    for line in running.columns([header, *lines]):
        print(line)
    if any(part.startswith("serverless ") for line in lines for part in line):
        print("what serverless endpoints cost on AWS is in no price list that Sagebrush has")
    if priced:
        print(f"prices: {costs.basis(priced)}")
    return 0


def described(client: Any) -> Iterator[Doc]:
    """The endpoints, newest first."""
    for page in client.get_paginator("list_endpoints").paginate():
        for each in page["Endpoints"]:
            try:
                yield client.describe_endpoint(EndpointName=each["EndpointName"])
            except ClientError:  # deleted since
                continue


def components(client: Any) -> dict[str, str]:
    """Inference component -> its endpoint."""
    pages = client.get_paginator("list_inference_components").paginate()
    return {
        each["InferenceComponentName"]: each["EndpointName"]
        for page in pages
        for each in page["InferenceComponents"]
    }


def holding(
    chosen: Settings, account: str, region: str, endpoints: Mapping[str, str]
) -> dict[str, Held]:
    """Endpoint -> what its processes hold, those of its inference components included, whose
    `endpoints` those are."""
    found: dict[str, Held] = {}
    try:
        lives = inside.everything(chosen)
    except CommandError:
        return found
    for each in lives:
        if (each.account, each.region) != (account, region):
            continue
        if each.kind not in ("endpoint", "inference-component"):
            continue
        name = each.name if each.kind == "endpoint" else endpoints.get(each.name, "")
        before = found.get(name, Held())
        found[name] = Held(before.processes + 1, before.memory + _memory(chosen, each))
    return found


def _memory(chosen: Settings, each: Live) -> int:
    used = usage.usage(inside.directory(chosen, each), {})
    return used.memory if used else 0


def requests(client: Any, doc: Doc, now: dt.datetime) -> int:
    """Requests of the last minutes, of all variants."""
    queries = [
        {
            "Id": f"m{place}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": "Invocations",
                    "Dimensions": [
                        {"Name": "EndpointName", "Value": doc["EndpointName"]},
                        {"Name": "VariantName", "Value": variant["VariantName"]},
                    ],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for place, variant in enumerate(doc.get("ProductionVariants", ()))
    ]
    if not queries:
        return 0
    start = now - dt.timedelta(minutes=RECENT)
    found = client.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=now)
    return int(sum(sum(each["Values"]) for each in found["MetricDataResults"]))


def row(
    doc: Doc, held: Held, asked: int, groups: Sequence[tuple[str, int]], now: dt.datetime
) -> tuple[str, ...]:
    """One line of the table."""
    load = f"{asked:,} request{'' if asked == 1 else 's'}"
    memory = amount(held.memory) if held.processes else "-"
    name, state = doc["EndpointName"], state_of(doc, held)
    if sizes := serverless(doc):
        return name, state, load, memory, sizes, NOT_KNOWN, NOT_KNOWN
    live = doc["EndpointStatus"] in costs.ANSWERING
    seconds = (now - doc["CreationTime"]).total_seconds()
    so_far, month = (
        _dollars(costs.priced(groups, span)) if live else "-" for span in (seconds, MONTH)
    )
    return name, state, load, memory, instances(doc, groups), so_far, month


def state_of(doc: Doc, held: Held) -> str:
    """Whether it answers, sleeps, wakes or changes, or why it does not."""
    status: str = doc["EndpointStatus"]
    if status != "InService":
        return f"{status}: {doc['FailureReason'][:80]}" if doc.get("FailureReason") else status
    variants = doc.get("ProductionVariants", ())
    ready = any(v.get("CurrentInstanceCount") for v in variants)
    if not held.processes and ready:
        return "no copies"  # instances without processes: for inference components
    if not held.processes:
        wanted = any(v.get("DesiredInstanceCount") for v in variants)
        return "asleep" if wanted or serverless(doc) else "scaled to 0"
    return "answers" if ready or serverless(doc) else "starting"


def serverless(doc: Doc) -> str:
    """The size of a serverless endpoint in words; "" for another."""
    for variant in doc.get("ProductionVariants", ()):
        if config := variant.get("CurrentServerlessConfig"):
            kept = config.get("ProvisionedConcurrency")
            words = f"serverless {config['MemorySizeInMB']} MB, {config['MaxConcurrency']} at once"
            return words + (f", {kept} kept" if kept else "")
    return ""


def instances(doc: Doc, groups: Sequence[tuple[str, int]]) -> str:
    """How many instances there are of how many there should be, and their types."""
    variants = doc.get("ProductionVariants", ())
    current = sum(v.get("CurrentInstanceCount", 0) for v in variants)
    desired = sum(v.get("DesiredInstanceCount", 0) for v in variants)
    count = str(desired) if current == desired else f"{current} of {desired}"
    return f"{count} x {', '.join(dict.fromkeys(name for name, _ in groups)) or 'instances'}"


def _dollars(amount: float | None) -> str:
    return NOT_KNOWN if amount is None else facts.dollars(amount)
