"""`logs`: what the server, its requests, a training job, an endpoint or a notebook wrote."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagebrush import services
from sagebrush.commands import places, running
from sagebrush.commands.running import CommandError
from sagebrush.facts import Running

FILES = {"server": "logs/server.log", "requests": "logs/access.log"}
TAIL = 100
"""Lines of a file that are shown first."""
POLL_SECONDS = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `logs`."""
    parser.add_argument("what", nargs="?", choices=(*FILES, *_logged()), default="server")
    parser.add_argument("name", nargs="?", help="name of the job, endpoint or notebook")
    places.add_argument(parser)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until it ends, or Ctrl-C"
    )


def _logged() -> dict[str, Running]:
    """Label -> the kind, of those that write logs."""
    found = {kind.label: kind for kind in services.running().values() if kind.logs}
    return dict(sorted(found.items()))


def run(args: argparse.Namespace) -> int:
    """Prints the log; raises CommandError when there is no such thing."""
    chosen = running.settings()
    if args.what in FILES:
        lines = _file(chosen.home / FILES[args.what], args.follow)
    else:
        if not args.name:
            raise CommandError(f"which {args.what}? sagebrush logs {args.what} NAME")
        server = running.require(chosen)
        kind = _logged()[args.what]
        region = places.region_of(chosen, server, args.name, args.region)
        own, logs = (
            running.client(chosen, server, name, region) for name in (kind.service, "logs")
        )
        lines = _events(kind, args.name, own, logs, args.follow)
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


def _events(kind: Running, name: str, own: Any, logs: Any, follow: bool) -> Iterator[str]:
    """The messages of all streams of a resource, in order within each stream."""
    status = _status(kind, name, own)
    streams = streams_of(kind, name)
    tokens: dict[str, str] = {}
    while True:
        ended = status in ("Completed", "Failed", "Stopped")
        for stream in _streams(logs, streams):
            yield from _new(logs, streams["logGroupName"], stream, tokens)
        if not follow or ended:
            return
        time.sleep(POLL_SECONDS)
        status = _status(kind, name, own)


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
    try:
        pages = logs.get_paginator("describe_log_streams").paginate(**where)
        return [s["logStreamName"] for page in pages for s in page["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


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
