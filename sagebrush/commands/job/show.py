"""`jobs show`: all that is known of one job, endpoint or notebook instance."""

from __future__ import annotations

import argparse
import datetime as dt
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sagebrush import services
from sagebrush.commands import places, running
from sagebrush.commands.job import costs, facts, inside, named, progress, table, trials
from sagebrush.commands.job.costs import Bill
from sagebrush.commands.job.named import Found
from sagebrush.commands.running import CommandError
from sagebrush.facts import Running
from sagebrush.settings import Settings

MISSING = ("Requested resource not found", "Could not find", "Amazon SageMaker can't find")
"""How messages begin that say that there is no such job."""
Rows = list[tuple[str, str]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs show`."""
    parser.add_argument("kind", nargs="?", metavar="KIND", help="where several have the name")
    parser.add_argument("name", metavar="NAME", help="of a job of any kind, endpoint or notebook")
    places.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Prints it; raises CommandError when there is none of that name."""
    kinds, name = meant(args.kind), args.name
    chosen = running.settings()
    server = places.server(chosen, args)
    region = places.region_of(chosen, server, name, args.region)
    clients = named.clients(chosen, server, kinds, region)
    place = named.place(chosen, server, kinds, args.region)
    found = named.one(clients, kinds, name, "jobs show", place)
    client, live = (
        clients[found.kind.service],
        _live(chosen, (found.kind.kind, name, region, server.account)),
    )
    rows, below = told(found, client, list(live))
    _print(rows, below, found.doc)
    return 0


def meant(word: str | None) -> list[Running]:
    """The kinds that a user means by `word`, all by none; raises CommandError for no kind."""
    kinds = named.listed(services.running())
    if word is None:
        return kinds
    kind = named.of_word(word)
    if kind is None:
        raise CommandError(f"{word} is no kind: {', '.join(each.label for each in kinds)}")
    return [kind]


def told(found: Found, client: Any, live: Rows) -> tuple[Rows, list[str]]:
    """(rows, lines below them): all that is known of the resource; `live` is what its instances
    really have."""
    doc, noun = found.doc, found.kind.noun
    now = dt.datetime.now(dt.UTC)
    if noun == "TrainingJob":
        return [*_facts(doc), *live, *_results(doc)], _transitions(doc)
    if noun == "ProcessingJob":
        return list(processing(doc, dict(live))), []
    if noun == "HyperParameterTuningJob":
        return _tuning(found, client)
    cost = costs.of(found.kind, doc, client, now)
    of = {"Endpoint": _endpoint, "TransformJob": _transform}.get(noun)
    own = of(doc) if of else ()
    rows = [*general(found.kind, doc), *own, *live]
    if groups := costs.instances(noun, doc, client):
        rows.append(("price on AWS", costs.hourly(groups)))
    if cost is not None and cost.amount is not None:
        rows.append(("on AWS", f"would have cost {facts.dollars(cost.amount)}{cost.span}"))
    return rows, []


def _tuning(found: Found, client: Any) -> tuple[Rows, list[str]]:
    """What is known of a tuning job, and a line for each of its trials."""
    doc, tuned = found.doc, trials.listed(client, found.name)
    bill = Bill()
    for each in tuned:
        bill.add("TrainingJob", each["TrainingJobName"], trials.cost(doc, each))
    config = doc["HyperParameterTuningJobConfig"]
    rows = [
        *general(found.kind, doc),
        ("says", table.tuning(doc)),
        ("strategy", config["Strategy"]),
    ]
    if objective := config.get("HyperParameterTuningJobObjective"):
        rows.append(("objective", f"{objective['Type']} {objective['MetricName']}"))
    rows += [("on AWS", line.replace(" on AWS", "")) for line in bill.lines()]
    below = trials.lines(doc, tuned)
    if below:
        below += ["", f"sagebrush logs TRIAL shows a trial's log; sagebrush jobs plot {found.name}"]
    return rows, below


def _endpoint(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The variants: how many instances answer, of how many, at which weight, from which image."""
    for each in doc.get("ProductionVariants", ()):
        counts = f"{each.get('CurrentInstanceCount', 0)} of {each.get('DesiredInstanceCount', 0)}"
        yield (
            "variant",
            (
                f"{each['VariantName']}: {counts} instances in service,"
                f" weight {each.get('CurrentWeight', 0):g}"
            ),
        )
        for state in each.get("VariantStatus", ()):
            yield "", f"{state['Status']}: {state.get('StatusMessage', '')}".rstrip(": ")
        for image in each.get("DeployedImages", ()):
            yield "image", image.get("SpecifiedImage", "")
            yield "runs as", image.get("ResolvedImage", "")


def _transform(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a transform job's records come from and go to, and what is done to them."""
    given, asked = doc["TransformInput"], doc["TransformOutput"]
    how = (given.get("ContentType"), given.get("SplitType"), given.get("CompressionType"))
    told = ", ".join(word for word in how if word and word != "None")
    where = given["DataSource"]["S3DataSource"]["S3Uri"]
    yield "input", f"{where} ({told})" if told else where
    yield "output", asked["S3OutputPath"]
    for name, value in doc.get("DataProcessing", {}).items():
        if value not in ("$", "None"):
            yield name, value


def _print(rows: Iterable[tuple[str, str]], below: Sequence[str], doc: Mapping[str, Any]) -> None:
    for line in running.columns(list(rows)):
        print(line)
    for line in ("", *below) if below else ():
        print(line)
    if reason := doc.get("FailureReason"):
        print(f"\n{reason}")


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
            yield member, named.moment(value)
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
    yield "price on AWS", costs.hourly(facts.instances(doc))
    for each in doc.get("ProcessingInputs", ()):
        source = each.get("S3Input", {})
        where = f"{source.get('S3Uri', '')} -> {source.get('LocalPath', '')}"
        yield "input", f"{each['InputName']}: {where}"
    for each in doc.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        target = each.get("S3Output", {})
        where = f"{target.get('LocalPath', '')} -> {target.get('S3Uri', '')}"
        yield "output", f"{each['OutputName']}: {where}"
    yield from live.items()
    yield "created", named.moment(doc["CreationTime"])
    begun, end = doc.get("ProcessingStartTime"), doc.get("ProcessingEndTime")
    if begun and end:
        seconds = (end - begun).total_seconds()
        yield "took here", running.span(seconds)
        if (amount := costs.priced(facts.instances(doc), seconds)) is not None:
            yield "on AWS", f"would have cost {facts.dollars(amount)}"


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
    yield "price on AWS", costs.hourly(facts.instances(doc))
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


def _live(chosen: Settings, of: tuple[str, str, str, str]) -> Iterator[tuple[str, str]]:
    """What the live instances of that kind, name, region and account really have."""
    mine = [
        each
        for each in inside.everything(chosen)
        if (each.kind, each.name, each.region, each.account) == of
    ]
    if said := progress.told(chosen, mine):
        yield "progress", said
    for each in mine:
        limits = inside.limits(inside.directory(chosen, each))
        if limits is not None:
            size = facts.scaled(each.type, limits) or "all that its type has"
            yield ", ".join(filter(None, ("here", each.host))), size


def _results(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Times, money, metrics."""
    yield "created", named.moment(doc["CreationTime"])
    if (seconds := facts.took(doc)) is not None:
        yield "took here", running.span(seconds)
    if "BillableTimeInSeconds" in doc:
        yield "billable", f"{doc['BillableTimeInSeconds']} s on each instance"
    if (amount := facts.cost(doc)) is not None:
        yield "on AWS", f"would have cost {facts.dollars(amount)}"
    if (saved := facts.savings(doc)) is not None:
        yield "spot savings", f"{saved:.1f}%"
    if pool := doc.get("WarmPoolStatus"):
        kept = pool.get("ResourceRetainedBillableTimeInSeconds")
        by = pool.get("ReusedByJob")
        more = [f"kept for {running.span(kept)}" if kept else "", f"reused by {by}" if by else ""]
        yield "warm pool", ", ".join(filter(None, (pool["Status"], *more)))
    for metric in doc.get("FinalMetricDataList", ()):
        yield "metric", f"{metric['MetricName']} = {metric['Value']:g}"


def _transitions(doc: Mapping[str, Any]) -> list[str]:
    rows = []
    for each in doc.get("SecondaryStatusTransitions", ()):
        start, end = each["StartTime"], each.get("EndTime")
        spent = running.span((end - start).total_seconds()) if end else ""
        rows.append((named.moment(start), each["Status"], spent, each.get("StatusMessage", "")))
    return running.columns(rows)
