"""`endpoints` without a part: what answers, what sleeps, their load, memory, instances and AWS's price."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from botocore.exceptions import ClientError

from sagebrush import services
from sagebrush.commands import beside, places, running
from sagebrush.commands.job import comprehend, costs, facts, inside
from sagebrush.commands.running import CommandError
from sagebrush.compute.local import usage
from sagebrush.engine.running import Live, live
from sagebrush.scheduler.sizes import amount
from sagebrush.services.sagemaker.hosting import billed
from sagebrush.services.sagemaker.hosting.plan import plan_of
from sagebrush.settings import Settings
from sagebrush.store.rows import Reader, Row

Doc = Mapping[str, Any]
RECENT = 5
"""Minutes of which requests are told."""
MONTH = 730 * 3600.0
"""Seconds of a month, as AWS's calculator counts them."""
HEADER = ("ENDPOINT", "STATE", f"LAST {RECENT} MIN", "MEMORY", "INSTANCES", "AWS SO FAR", "A MONTH")
NOT_KNOWN = "unknown"
"""The price of what is in no price list that Sagebrush has: serverless endpoints' GB-seconds."""
PARTLY = "*"
"""Marks a cost of which the beginning is not known."""
SLACK = 60.0
"""Seconds from an endpoint's creation within which its instances begin to be counted."""


@dataclass(frozen=True)
class Held:
    """What an endpoint's processes hold now, those of its inference components too."""

    processes: int = 0
    memory: int = 0
    """Bytes."""
    bare: bool = False
    """Whether it is one of inference components, without a model of its own."""
    billed: billed.Billed | None = None
    """For how long it had how many instances; None where that is not known."""


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
            for name in ("sagemaker", "cloudwatch", places.TEXT)
        }
        held = holding(chosen, server.account, region)
        for doc in described(clients["sagemaker"]):
            its = held.get(doc["EndpointName"], Held())
            groups = costs.instances("Endpoint", doc, clients["sagemaker"])
            if not groups and its.billed:  # its configuration was deleted
                groups = list(its.billed["counts"].items())
            priced += [name for name, _ in groups]
            told = row(
                doc,
                its,
                requests(clients["cloudwatch"], doc, now),
                groups,
                now,
            )
            lines.append((*((region,) if len(regions) > 1 else ()), *told))
        for doc in comprehend.endpoints(clients[places.TEXT]):
            asked = text_requests(clients["cloudwatch"], doc, now)
            lines.append((*((region,) if len(regions) > 1 else ()), *text_row(doc, asked)))
    if not lines:
        print("no endpoints")
        return 0
    header = (*(("REGION",) if len(regions) > 1 else ()), *HEADER)
    for line in running.columns([header, *lines]):
        print(line)
    if any(part.startswith("serverless ") for line in lines for part in line):
        print("what serverless endpoints cost on AWS is in no price list that Sagebrush has")
    if any(part.endswith(PARTLY) for line in lines for part in line):
        print(
            f"{PARTLY} without what ran before an update of Sagebrush, which was not counted then"
        )
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


def holding(chosen: Settings, account: str, region: str) -> dict[str, Held]:
    """Endpoint -> what its processes hold."""
    try:
        with beside.database(chosen) as stored:
            rows = Reader(stored.read)
            lives = live(rows, services.running())
            endpoints = _rows(rows, "endpoint", account, region)
            components = _rows(rows, "inference-component", account, region)
    except CommandError:
        return {}
    found = {row.name: _held(row) for row in endpoints}
    owners = {
        **{("endpoint", row.name): row.name for row in endpoints},
        **{("inference-component", row.name): row.doc["EndpointName"] for row in components},
    }
    for each in lives:
        owner = owners.get((each.kind, each.name))
        if owner in found and (each.account, each.region) == (account, region):
            was = found[owner]
            more = _memory(chosen, each)
            found[owner] = replace(was, processes=was.processes + 1, memory=was.memory + more)
    return found


def _rows(rows: Reader, kind: str, account: str, region: str) -> list[Row]:
    return [row for row in rows.select(kind, account=account) if row.region == region]


def _held(row: Row) -> Held:
    """What is known of the endpoint without its processes."""
    plan = plan_of(row)
    fleet = plan.get("active") or plan.get("pending")
    bare = fleet is not None and not fleet["variants"][0]["containers"]
    return Held(bare=bare, billed=cast(billed.Billed | None, plan.get("billed")))


def _memory(chosen: Settings, each: Live) -> int:
    used = usage.usage(inside.directory(chosen, each), {})
    return used.memory if used else 0


def requests(client: Any, doc: Doc, now: dt.datetime) -> int:
    """Requests of the last minutes, of all variants."""
    return _sum(
        client,
        [
            _statistic(
                ("AWS/SageMaker", "Invocations", "Sum"),
                {"EndpointName": doc["EndpointName"], "VariantName": variant["VariantName"]},
            )
            for variant in doc.get("ProductionVariants", ())
        ],
        now,
    )


def text_requests(client: Any, doc: Doc, now: dt.datetime) -> int:
    """Requests of the last minutes to an endpoint of a custom text model, but for those refused: each
    is one sample of what they consumed."""
    metric = ("AWS/Comprehend", "ConsumedInferenceUnits", "SampleCount")
    return _sum(client, [_statistic(metric, {"EndpointArn": doc["EndpointArn"]})], now)


def _statistic(metric: tuple[str, str, str], dimensions: Mapping[str, str]) -> Doc:
    """A statistic of a metric: (namespace, name, statistic)."""
    namespace, name, statistic = metric
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    of = {"Namespace": namespace, "MetricName": name, "Dimensions": named}
    return {"Metric": of, "Period": 60, "Stat": statistic}


def _sum(client: Any, statistics: Sequence[Doc], now: dt.datetime) -> int:
    if not statistics:
        return 0
    queries = [{"Id": f"m{n}", "MetricStat": each} for n, each in enumerate(statistics)]
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
    if doc["EndpointStatus"] not in costs.ANSWERING:
        return name, state, load, memory, instances(doc, groups), "-", "-"
    month = _dollars(costs.priced(groups, MONTH))
    return name, state, load, memory, instances(doc, groups), so_far(doc, held, now), month


def text_row(doc: Doc, asked: int) -> tuple[str, ...]:
    """One line of the table, for an endpoint of a custom text model."""
    status: str = doc["Status"]
    state = "answers" if status == "IN_SERVICE" else status
    if doc.get("Message"):
        state = f"{state}: {doc['Message'][:80]}"
    load = f"{asked:,} request{'' if asked == 1 else 's'}"
    name = comprehend.name(doc["EndpointArn"])
    return name, state, load, "-", comprehend.units(doc), NOT_KNOWN, NOT_KNOWN


def so_far(doc: Doc, held: Held, now: dt.datetime) -> str:
    """What the instances that the endpoint had until now would have cost."""
    known = held.billed
    if known is None:
        return NOT_KNOWN
    spans = billed.until(known, now.timestamp())
    costing = [costs.priced([(name, 1)], seconds) for name, seconds in spans.items()]
    if any(each is None for each in costing):
        return NOT_KNOWN
    late = known["since"] - doc["CreationTime"].timestamp() > SLACK
    return _dollars(sum(each or 0.0 for each in costing)) + (PARTLY if late else "")


def state_of(doc: Doc, held: Held) -> str:
    """Whether it answers, sleeps, wakes or changes, or why it does not."""
    status: str = doc["EndpointStatus"]
    if status != "InService":
        return f"{status}: {doc['FailureReason'][:80]}" if doc.get("FailureReason") else status
    variants = doc.get("ProductionVariants", ())
    ready = any(v.get("CurrentInstanceCount") for v in variants)
    if not held.processes:
        if held.bare:  # instances without processes: for inference components
            return "no copies"
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
