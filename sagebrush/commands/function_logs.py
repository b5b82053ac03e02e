"""`logs function NAME`: what a function's environments wrote, in the order in which it was written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from sagebrush.access.function_references import FUNCTION
from sagebrush.commands import places, running
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings

POLL_SECONDS = 0.5
LATE = 5000
"""Milliseconds by which what one environment wrote may come after what another one wrote later."""


def of(chosen: Settings, server: Server, name: str, region: str, follow: bool) -> Iterator[str]:
    """The log of the function, or what is left of one that was deleted. `name` is a name or an ARN.
    Raises CommandError where there is no such function and no log of one."""
    bare = name.rpartition("function:")[2].partition(":")[0]
    asked = region or (
        name.split(":")[3] if name.startswith("arn:") and name.count(":") > 5 else ""
    )
    where = places.region_of(chosen, server, bare, asked, (FUNCTION,))
    logs = running.client(chosen, server, "logs", where)
    group = _group(running.client(chosen, server, "lambda", where), logs, bare)
    return _messages(logs, group, follow)


def _group(functions: Any, logs: Any, name: str) -> str:
    """The function's log group; of one that is gone the one that it has by default."""
    from botocore.exceptions import ClientError

    try:
        found = functions.get_function_configuration(FunctionName=name)
    except ClientError as error:
        group = f"/aws/lambda/{name}"
        try:
            if logs.describe_log_streams(logGroupName=group, limit=1)["logStreams"]:
                return group
        except ClientError:
            pass
        raise CommandError(
            f"{error.response['Error'].get('Message', error)}{_there(functions)}"
        ) from error
    return found["LoggingConfig"]["LogGroup"]


def _there(functions: Any) -> str:
    pages = functions.get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in pages for each in page["Functions"]]
    return f"; there are: {', '.join(names[:10])}" if names else "; there is no function"


def _messages(logs: Any, group: str, follow: bool) -> Iterator[str]:
    """The messages of all streams of the group by time; with `follow` for ever also those that come."""
    seen: dict[str, int] = {}
    since = 0
    while True:
        for each in _events(logs, group, since):
            if each["eventId"] not in seen:
                seen[each["eventId"]] = each["timestamp"]
                yield each["message"].rstrip("\n")
        if not follow:
            return
        since = max(0, max(seen.values(), default=0) - LATE)
        seen = {uid: at for uid, at in seen.items() if at >= since}
        time.sleep(POLL_SECONDS)


def _events(logs: Any, group: str, since: int) -> Iterator[dict[str, Any]]:
    """The group's events from that time on; none while there is no group yet."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    try:
        for page in pages:
            yield from page["events"]
    except logs.exceptions.ResourceNotFoundException:
        return
