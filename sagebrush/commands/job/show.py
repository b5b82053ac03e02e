"""`jobs show`: all that is known of one job, endpoint or notebook instance."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from sagebrush import services
from sagebrush.commands import running
from sagebrush.commands.job import facts, inside, table
from sagebrush.commands.running import CommandError, Server
from sagebrush.facts import Running
from sagebrush.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs show`."""
    parser.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    """Prints it; raises CommandError when there is no such job."""
    chosen = running.settings()
    server = running.require(chosen)
    client = running.client(chosen, server, "sagemaker")
    try:
        doc = describe(client, args.name)
    except CommandError:
        if _other(chosen, server, args.name):
            return 0
        raise
    rows = [*_facts(doc), *_live(chosen, "training-job", args.name), *_results(doc)]
    for line in running.columns(rows):
        print(line)
    print()
    for line in _transitions(doc):
        print(line)
    if reason := doc.get("FailureReason"):
        print(f"\n{reason}")
    return 0


def _other(chosen: Settings, server: Server, name: str) -> bool:
    """Whether there is something of that name that is no training job; it is printed."""
    from botocore.exceptions import ClientError

    kinds = table.listed(services.running())
    clients = {
        each: running.client(chosen, server, each) for each in {kind.service for kind in kinds}
    }
    for kind in kinds:
        with suppress(ClientError):
            doc = running.describe(clients[kind.service], kind, name)
            for line in running.columns([*general(kind, doc), *_live(chosen, kind.kind, name)]):
                print(line)
            return True
    return False


def general(kind: Running, doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the description of a resource of any kind says: its plain members, under AWS's names."""
    yield kind.label, doc[kind.id_member]
    yield "status", doc[kind.status_member]
    for types in (
        [f"{n} × {name}" for name, n in kind.instances(dict(doc), {})] if kind.ended else ()
    ):
        yield "instances", types
    for member, value in doc.items():
        if member in (kind.id_member, kind.status_member, "ResponseMetadata"):
            continue
        if isinstance(value, dt.datetime):
            yield member, _time(value)
        elif isinstance(value, str | int | float):
            yield member, str(value)


def describe(client: Any, name: str) -> dict[str, Any]:
    """The training job; raises CommandError when there is none."""
    from botocore.exceptions import ClientError

    try:
        return client.describe_training_job(TrainingJobName=name)
    except ClientError as error:
        message = error.response["Error"].get("Message", str(error))
        if message == "Requested resource not found.":
            message = f"there is no training job {name} (sagebrush jobs)"
            if tunes(client, name):
                message = f"{name} is a tuning job: sagebrush jobs plot {name} draws its trials"
        raise CommandError(message) from error


def tunes(client: Any, name: str) -> bool:
    """Whether there is a tuning job of that name."""
    from botocore.exceptions import ClientError

    try:
        client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    except ClientError:
        return False
    return True


def _facts(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was asked for, and how far it is."""
    status = doc["TrainingJobStatus"]
    second = doc.get("SecondaryStatus", status)
    yield "training job", doc["TrainingJobName"]
    yield "status", status if second == status else f"{status}: {second}"
    yield "says", facts.told(doc)
    algorithm = doc["AlgorithmSpecification"]
    yield "image", algorithm.get("TrainingImage") or algorithm.get("AlgorithmName", "")
    yield "instances", facts.machines(doc)
    if hourly := facts.price(doc):
        yield "price on AWS", f"{facts.dollars(hourly)} an hour ({facts.prices()})"
    if doc.get("EnableManagedSpotTraining"):
        yield "managed spot", "yes"
    for name, value in doc.get("HyperParameters", {}).items():
        yield "hyperparameter", f"{name} = {value}"
    for channel in doc.get("InputDataConfig", ()):
        source = channel["DataSource"]
        where = source.get("S3DataSource", {}).get("S3Uri") or next(iter(source), "")
        yield "input", f"{channel['ChannelName']}: {where}"
    if where := doc.get("CheckpointConfig", {}).get("S3Uri"):
        yield "checkpoints", where
    if where := doc.get("ModelArtifacts", {}).get("S3ModelArtifacts"):
        yield "model", where


def _live(chosen: Settings, kind: str, name: str) -> Iterator[tuple[str, str]]:
    """What its live instances really have."""
    for each in inside.everything(chosen):
        if each.kind != kind or each.name != name:
            continue
        limits = inside.limits(inside.directory(chosen, each))
        if limits is not None:
            size = facts.scaled(each.type, limits) or "all that its type has"
            yield f"here, {each.host}", size


def _results(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Times, money, metrics."""
    yield "created", _time(doc["CreationTime"])
    if (seconds := facts.took(doc)) is not None:
        yield "took here", running.span(seconds)
    if "BillableTimeInSeconds" in doc:
        yield "billable", f"{doc['BillableTimeInSeconds']} s on each instance"
    if (amount := facts.cost(doc)) is not None:
        yield "on AWS", f"{facts.dollars(amount)} would have been charged"
    if (saved := facts.savings(doc)) is not None:
        yield "spot savings", f"{saved:.1f}%"
    for metric in doc.get("FinalMetricDataList", ()):
        yield "metric", f"{metric['MetricName']} = {metric['Value']:g}"


def _transitions(doc: Mapping[str, Any]) -> list[str]:
    rows = []
    for each in doc.get("SecondaryStatusTransitions", ()):
        start, end = each["StartTime"], each.get("EndTime")
        spent = running.span((end - start).total_seconds()) if end else ""
        rows.append((_time(start), each["Status"], spent, each.get("StatusMessage", "")))
    return running.columns(rows)


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
