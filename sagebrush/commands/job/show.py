"""`jobs show`: all that is known of one job, endpoint or notebook instance."""

from __future__ import annotations

import argparse
import datetime as dt
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sagebrush import services
from sagebrush.commands import places, running
from sagebrush.commands.job import facts, inside, table
from sagebrush.commands.running import CommandError, Server
from sagebrush.facts import Running
from sagebrush.settings import Settings

MISSING = ("Requested resource not found", "Could not find", "Amazon SageMaker can't find")
"""How messages begin that say that there is no such job."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs show`."""
    parser.add_argument("name", metavar="NAME")
    places.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Prints it; raises CommandError when there is no such job."""
    chosen = running.settings()
    server = running.require(chosen)
    region = places.region_of(chosen, server, args.name, args.region)
    client = running.client(chosen, server, "sagemaker", region)
    doc = look(client, args.name)
    if doc is None and (found := look(client, args.name, "processing_job")):
        rows = processing(found, dict(_live(chosen, ("processing-job", args.name, region))))
        _print(rows, [], found)
        return 0
    if doc is None and _other(chosen, server, args.name, region):
        return 0
    doc = doc or describe(client, args.name)
    live = _live(chosen, ("training-job", args.name, region))
    _print([*_facts(doc), *live, *_results(doc)], _transitions(doc), doc)
    return 0


def _print(
    rows: Iterable[tuple[str, str]], transitions: Sequence[str], doc: Mapping[str, Any]
) -> None:
    for line in running.columns(list(rows)):
        print(line)
    for line in ("", *transitions) if transitions else ():
        print(line)
    if reason := doc.get("FailureReason"):
        print(f"\n{reason}")


def _other(chosen: Settings, server: Server, name: str, region: str) -> bool:
    """Whether another resource, no training job, has that name; it is printed."""
    from botocore.exceptions import ClientError

    kinds = table.listed(services.running())
    clients = {
        each: running.client(chosen, server, each, region)
        for each in {kind.service for kind in kinds}
    }
    for kind in kinds:
        with suppress(ClientError):
            doc = running.describe(clients[kind.service], kind, name)
            _print([*general(kind, doc), *_live(chosen, (kind.kind, name, region))], [], doc)
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
        if member in (kind.id_member, kind.status_member, "ResponseMetadata", "FailureReason"):
            continue
        if isinstance(value, dt.datetime):
            yield member, _time(value)
        elif isinstance(value, str | int | float):
            yield member, str(value)


def describe(client: Any, name: str) -> dict[str, Any]:
    """The training job; raises CommandError when there is none."""
    if (doc := look(client, name)) is not None:
        return doc
    if look(client, name, "hyper_parameter_tuning_job") is not None:
        raise CommandError(f"{name} is a tuning job: sagebrush jobs plot {name} draws its trials")
    if look(client, name, "processing_job") is not None:
        raise CommandError(f"{name} is a processing job: sagebrush jobs show {name}")
    raise CommandError(f"there is no training or processing job {name} (sagebrush jobs)")


def look(client: Any, name: str, kind: str = "training_job") -> dict[str, Any] | None:
    """The job of that kind, None where there is none; raises CommandError for another error."""
    from botocore.exceptions import ClientError

    member = "".join(word.capitalize() for word in kind.split("_")) + "Name"
    try:
        return getattr(client, f"describe_{kind}")(**{member: name})
    except ClientError as error:
        message = error.response["Error"].get("Message", str(error))
        if message.startswith(MISSING):
            return None
        raise CommandError(message) from error


def processing(doc: Mapping[str, Any], live: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """All that is known of a processing job; `live` is what its instances really have."""
    app = doc["AppSpecification"]
    yield "processing job", doc["ProcessingJobName"]
    yield "status", doc["ProcessingJobStatus"]
    if said := doc.get("ExitMessage"):
        yield "says", said
    yield "image", app["ImageUri"]
    program = [*app.get("ContainerEntrypoint", ()), *app.get("ContainerArguments", ())]
    if program:
        yield "program", shlex.join(program)
    yield "instances", facts.machines(doc)
    if hourly := facts.price(doc):
        yield "price on AWS", f"{facts.dollars(hourly)} an hour ({facts.prices()})"
    for each in doc.get("ProcessingInputs", ()):
        source = each.get("S3Input", {})
        where = f"{source.get('S3Uri', '')} -> {source.get('LocalPath', '')}"
        yield "input", f"{each['InputName']}: {where}"
    for each in doc.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        target = each.get("S3Output", {})
        where = f"{target.get('LocalPath', '')} -> {target.get('S3Uri', '')}"
        yield "output", f"{each['OutputName']}: {where}"
    yield from live.items()
    yield "created", _time(doc["CreationTime"])
    begun, end = doc.get("ProcessingStartTime"), doc.get("ProcessingEndTime")
    if begun and end:
        seconds = (end - begun).total_seconds()
        yield "took here", running.span(seconds)
        if hourly:
            amount = facts.dollars(hourly * seconds / 3600)
            yield "on AWS", f"{amount} would have been charged"


def _facts(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The request's main members, and the progress."""
    status = doc["TrainingJobStatus"]
    second = doc.get("SecondaryStatus", status)
    yield "training job", doc["TrainingJobName"]
    yield "status", status if second == status else f"{status}: {second}"
    yield "says", facts.status_message(doc)
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


def _live(chosen: Settings, of: tuple[str, str, str]) -> Iterator[tuple[str, str]]:
    """What the live instances of that kind, name and region really have."""
    for each in inside.everything(chosen):
        if (each.kind, each.name, each.region) != of:
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
