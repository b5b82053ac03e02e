"""`logs`: what the server, its requests, a job, an endpoint or a notebook wrote."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sagebrush import services
from sagebrush.commands import function_logs, places, running
from sagebrush.commands.running import CommandError
from sagebrush.facts import Running

FUNCTION = "function"
FILES = {"server": "logs/server.log", "requests": "logs/access.log"}
TAIL = 100
"""Lines of a file that are shown first."""
POLL_SECONDS = 0.5
ENDED = ("Completed", "Failed", "Stopped")
"""Statuses after which nothing is written any more."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `logs`."""
    parser.add_argument(
        "what",
        nargs="?",
        default="server",
        metavar="server | requests | [KIND] NAME",
        help=f"a name of any kind; KIND, where several have it: {', '.join(_labels())}",
    )
    parser.add_argument("name", nargs="?", metavar="", help=argparse.SUPPRESS)
    places.add_argument(parser)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until it ends, or Ctrl-C"
    )


def _labels() -> list[str]:
    kinds = services.running().values()
    return sorted([FUNCTION, *(kind.label for kind in kinds if kind.listed)])


def run(args: argparse.Namespace) -> int:
    """Prints the log; raises CommandError when there is no such thing."""
    chosen = running.settings()
    if args.what in FILES and not args.name:
        lines = _file(chosen.home / FILES[args.what], args.follow)
    else:
        lines = _named(chosen, (args.what, args.name), args)
    for line in lines:
        print(line, flush=args.follow)
    return 0


def _file(path: Path, follow: bool) -> Iterator[str]:
    """The last lines of a file, then those that are added."""
    if not path.exists():
        raise CommandError(f"there is no {path} yet (a server writes it)")
    with path.open(errors="replace") as log:
        yield from (line.rstrip("\n") for line in log.readlines()[-TAIL:])
        while follow:
            line = log.readline()
            if line:
                yield line.rstrip("\n")
            else:
                time.sleep(POLL_SECONDS)


def _named(chosen: Any, asked: tuple[str, str | None], args: argparse.Namespace) -> Iterator[str]:
    """The log of the resource that is `asked` for by its kind and name, or (name, None)."""
    from sagebrush.commands.job import named

    what, name = asked
    if what == FUNCTION:
        if name is None:
            raise CommandError("which function? sagebrush logs function NAME")
        server = places.server(chosen, args)
        return function_logs.of(chosen, server, name, args.region, args.follow)
    kinds, kind = named.listed(services.running()), named.of_word(what)
    if name is not None and kind is None:
        raise CommandError(f"{what} is no kind: {', '.join(_labels())}")
    if kind is not None:
        kinds = [kind]
    server = places.server(chosen, args)
    place = named.place(chosen, server, kinds, args.region)
    region = places.region_of(chosen, server, name or what, args.region)
    clients = named.clients(chosen, server, kinds, region)
    if kind is not None and name is None:
        there = named.newest(named.everything(kinds, place))
        lines = [f"which {what}? sagebrush logs {what} NAME", *there]
        raise CommandError("\n".join(lines))
    logs = running.client(chosen, server, "logs", region)
    return of((clients, place), kinds, name or what, logs, args.follow)


def of(
    where: tuple[Mapping[str, Any], places.Place],
    kinds: Sequence[Running],
    name: str,
    logs: Any,
    follow: bool,
) -> Iterator[str]:
    """The log of the only resource of that name, or what is left of one that was deleted; `where`
    has its region's clients. Raises CommandError where there is none, or where there are several."""
    from sagebrush.commands.job import named

    clients, place = where
    left = [kind for kind in kinds if kind.logs and _streams(logs, streams_of(kind, name))]
    if len(left) == 1 and not named.look(clients, kinds, name):
        return _left(left[0], name, logs)
    found = named.one(clients, kinds, name, "logs", place)
    client = clients[found.kind.service]
    if at := found.doc.get("EndpointMetadata"):  # an inference experiment
        words = f"{name} writes no log: its endpoint does, sagebrush logs endpoint"
        raise CommandError(f"{words} {at['EndpointName']}")
    if found.kind.logs is None:
        return _trials(found.doc, name, client, follow)
    return _events(found.kind, name, client, logs, follow)


def _left(kind: Running, name: str, logs: Any) -> Iterator[str]:
    """The log of a resource that was deleted: CloudWatch keeps it."""
    yield from _all(logs, streams_of(kind, name), {}, [])


def _events(kind: Running, name: str, own: Any, logs: Any, follow: bool) -> Iterator[str]:
    """The messages of all streams of a resource, in order within each stream."""
    status = _status(kind, name, own)
    tokens: dict[str, str] = {}
    shown: list[str] = []
    while True:
        ended = status in ENDED
        yield from _all(logs, streams_of(kind, name), tokens, shown)
        if not follow or ended:
            return
        time.sleep(POLL_SECONDS)
        status = _status(kind, name, own)


def _all(
    logs: Any, where: dict[str, str], tokens: dict[str, str], shown: list[str]
) -> Iterator[str]:
    """The new messages of all streams; of several, each under its name as `tail` has it. The last of
    `shown` is the stream whose messages were printed last."""
    streams = _streams(logs, where)
    for stream in streams:
        for message in _new(logs, where["logGroupName"], stream, tokens):
            if len(streams) > 1 and shown[-1:] != [stream]:
                shown.append(stream)
                yield f"==> {stream} <=="
            yield message


def _trials(doc: Mapping[str, Any], name: str, client: Any, follow: bool) -> Iterator[str]:
    """A tuning job writes no log: a line for each of its training jobs, again when one changes."""
    from sagebrush.commands.job import trials

    shown: dict[str, str] = {}
    while True:
        ended = doc["HyperParameterTuningJobStatus"] in ENDED
        summaries = trials.listed(client, name)
        if not follow:
            yield from trials.lines(doc, summaries)
            yield f"{len(summaries)} training jobs; sagebrush logs TRIAL shows the log of one"
            return
        for each in summaries:
            line = trials.line(each)
            if shown.get(each["TrainingJobName"]) != line:
                shown[each["TrainingJobName"]] = line
                yield line
        if ended:
            return
        time.sleep(POLL_SECONDS)
        doc = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def streams_of(kind: Running, name: str) -> dict[str, str]:
    """DescribeLogStreams' parameters for the logs of the resource."""
    group = (kind.logs or "").format(name=name)
    if group != kind.logs:
        return {"logGroupName": group}
    return {"logGroupName": group, "logStreamNamePrefix": f"{name}/"}


def _status(kind: Running, name: str, client: Any) -> str:
    """The status of the resource; raises CommandError when there is none of that name."""
    from botocore.exceptions import ClientError

    try:
        return running.describe(client, kind, name)[kind.status_member]
    except ClientError as error:
        raise CommandError(error.response["Error"].get("Message", str(error))) from error


def _streams(logs: Any, where: dict[str, str]) -> list[str]:
    """The names of the group's streams; none while the group is not there yet."""
    from botocore.exceptions import ClientError

    try:
        pages = logs.get_paginator("describe_log_streams").paginate(**where)
        return [s["logStreamName"] for page in pages for s in page["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    except ClientError as error:
        if error.response["Error"].get("Code") == "InvalidParameterException":
            return []  # a name that nothing can have
        raise


def _new(logs: Any, group: str, stream: str, tokens: dict[str, str]) -> Iterator[str]:
    """The messages that came since the last time, remembering the place in `tokens`."""
    while True:
        at = {"nextToken": tokens[stream]} if stream in tokens else {}
        page = logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True, **at
        )
        yield from (event["message"] for event in page["events"])
        unmoved = page["nextForwardToken"] == tokens.get(stream)
        tokens[stream] = page["nextForwardToken"]
        if unmoved or not page["events"]:
            return
