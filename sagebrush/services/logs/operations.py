"""CloudWatch Logs: groups, streams, events of jobs while they run, and events put by users.

Source: Amazon CloudWatch Logs API Reference. A job's log is read from the file that its shim
writes; a stream's tokens are positions in it, so paging continues with what is written later.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator
from itertools import islice, pairwise, takewhile

from sagebrush.access import references
from sagebrush.errors import AwsError, Doc
from sagebrush.services.logs import filter as log_filter
from sagebrush.store.streams import Event, Extent, Gone, Group, Stream
from sagebrush.world import Ctx

_BLOCK = 1000
_WINDOW = 1 << 18
"""Bytes of a job's log that are read at once from its end backwards."""
_PAGE_BYTES = 1024 * 1024
_EVENT_BYTES = 26
"""Bytes that an event counts in addition to its message in UTF-8."""
_RETENTION = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
              2557, 2922, 3288, 3653)  # fmt: skip


# -- groups


def create_log_group(ctx: Ctx, request: Doc) -> None:
    """The group exists; raises ResourceAlreadyExistsException."""
    if not ctx.world.streams.add_group(ctx.account, ctx.region, request["logGroupName"]):
        raise _exists("log group")


def delete_log_group(ctx: Ctx, request: Doc) -> None:
    """The group, its streams and the events put by users are deleted."""
    if not ctx.world.streams.delete_group(ctx.account, ctx.region, request["logGroupName"]):
        raise _missing("log group")


def describe_log_groups(ctx: Ctx, request: Doc) -> Doc:
    """One page (50) of the groups by name, or of those that `logGroupIdentifiers` names."""
    prefix, pattern = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern", "")
    if prefix and pattern:
        raise AwsError(
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        )
    given = request.get("logGroupIdentifiers")
    named = None if given is None else {references.log_group(ctx, each) for each in given}
    if named is not None and (prefix or pattern):
        raise AwsError(
            "InvalidParameterException",
            "logGroupIdentifiers and a prefix or pattern are mutually exclusive parameters.",
        )
    found = [
        g
        for g in ctx.world.streams.groups(ctx.account, ctx.region)
        if g.name.startswith(prefix)
        and pattern.lower() in g.name.lower()
        and (named is None or g.name in named)
    ]
    page, token = _page(found, request, 50)
    groups = [_group_doc(ctx, g) for g in page]
    return {"logGroups": groups, **({"nextToken": token} if token else {})}


def put_retention_policy(ctx: Ctx, request: Doc) -> None:
    """Events of the group expire after that many days."""
    days = request["retentionInDays"]
    if days not in _RETENTION:
        raise AwsError("InvalidParameterException", f"Invalid retention value: {days}")
    _set_retention(ctx, request, days)


def delete_retention_policy(ctx: Ctx, request: Doc) -> None:
    """Events of the group never expire."""
    _set_retention(ctx, request, None)


def _set_retention(ctx: Ctx, request: Doc, days: int | None) -> None:
    name = request["logGroupName"]
    if not ctx.world.streams.set_retention(ctx.account, ctx.region, name, days):
        raise _missing("log group")


def _group_doc(ctx: Ctx, group: Group) -> Doc:
    arn = _group_arn(ctx, group.name)
    doc: Doc = {
        "logGroupName": group.name,
        "creationTime": int(group.created * 1000),
        "metricFilterCount": 0,
        "arn": arn + ":*",
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
    }
    size = ctx.world.streams.size(ctx.account, ctx.region, group.name, _EVENT_BYTES)
    if size is not None:  # the logs of jobs are not counted: no storedBytes then
        doc["storedBytes"] = size
    return {**doc, "retentionInDays": group.retention} if group.retention else doc


def _group_arn(ctx: Ctx, name: str) -> str:
    return f"arn:aws:logs:{ctx.region}:{ctx.account}:log-group:{name}"


# -- streams


def create_log_stream(ctx: Ctx, request: Doc) -> None:
    """The stream exists in its group; raises ResourceAlreadyExistsException."""
    group = _group(ctx, request)
    name = request["logStreamName"]
    try:
        added = ctx.world.streams.add_stream(ctx.account, ctx.region, group, name)
    except Gone as error:
        raise _missing("log group") from error
    if not added:
        raise _exists("log stream")


def delete_log_stream(ctx: Ctx, request: Doc) -> None:
    """The stream is deleted; raises ResourceNotFoundException."""
    if not ctx.world.streams.delete_stream(_stream(ctx, request)):
        raise _missing("log stream")


def describe_log_streams(ctx: Ctx, request: Doc) -> Doc:
    """One page (50) of the group's streams; no token after the last (SDK v2 loops while there is
    one)."""
    by_time = request.get("orderBy") == "LastEventTime"
    prefix = request.get("logStreamNamePrefix", "")
    if by_time and prefix:
        raise AwsError(
            "InvalidParameterException",
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        )
    _start(request)
    group = _group(ctx, request)
    found = [
        s
        for s in ctx.world.streams.streams(ctx.account, ctx.region, group)
        if s.name.startswith(prefix)
    ]
    if by_time:
        extents = {s.id: _extent(ctx, s) for s in found}
        found.sort(key=lambda s: extent.last if (extent := extents[s.id]) else 0)
    if request.get("descending"):
        found.reverse()
    page, token = _page(found, request, 50)
    streams = [_stream_doc(ctx, s) for s in page]
    return {"logStreams": streams, **({"nextToken": token} if token else {})}


def _stream_doc(ctx: Ctx, stream: Stream) -> Doc:
    doc: Doc = {
        "logStreamName": stream.name,
        "creationTime": int(stream.created * 1000),
        "arn": f"{_group_arn(ctx, stream.group)}:log-stream:{stream.name}",
        "storedBytes": 0,  # always, since 2019 (API reference, LogStream)
    }
    extent = _extent(ctx, stream)
    if extent is not None:
        doc.update(
            firstEventTimestamp=extent.first,
            lastEventTimestamp=extent.last,
            lastIngestionTime=extent.ingested,
        )
        if stream.job is None:
            doc["uploadSequenceToken"] = _sequence_token(extent)
    return doc


def _extent(ctx: Ctx, stream: Stream) -> Extent | None:
    """The times and size of the stream's events; None when there are none."""
    if stream.job is None:
        return ctx.world.streams.extent(stream)
    first, last = _first(ctx, stream), next(_backwards(ctx, stream), None)
    if first is None or last is None:
        return None
    return Extent(first.ms, last.ms, last.ingested, last.position + 1)


def _sequence_token(extent: Extent) -> str:
    """A token that the next batch may send; it changes with each batch."""
    return f"{extent.end:056d}"


# -- events


def put_log_events(ctx: Ctx, request: Doc) -> Doc:
    """All events are in the stream, or none; those too old or too new are rejected and reported."""
    events = [(e["timestamp"], e["message"]) for e in request["logEvents"]]
    if any(b[0] < a[0] for a, b in pairwise(events)):
        raise AwsError(
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.",
        )
    _check_batch(events)
    stream = _stream(ctx, request)
    if stream.job is not None:
        raise AwsError(
            "InvalidParameterException",
            f"The log stream {stream.name} shows the log of a job and takes no other events.",
        )
    now = int(ctx.world.clock() * 1000)
    old = [e for e in events if e[0] < now - 14 * 86_400_000]
    new = [e for e in events if e[0] > now + 2 * 3_600_000]
    kept = events[len(old) : len(events) - len(new)]
    try:
        if kept:
            ctx.world.streams.put(stream, kept)
    except Gone as error:
        raise _missing("log stream") from error
    rejected: Doc = {}
    if old:
        rejected["tooOldLogEventEndIndex"] = len(old)
    if new:
        rejected["tooNewLogEventStartIndex"] = len(events) - len(new)
    extent = ctx.world.streams.extent(stream)
    result: Doc = {"nextSequenceToken": _sequence_token(extent)} if extent else {}
    return {**result, "rejectedLogEventsInfo": rejected} if rejected else result


def _check_batch(events: list[tuple[int, str]]) -> None:
    """Raises InvalidParameterException for a batch beyond the limits of PutLogEvents."""
    if events and events[-1][0] - events[0][0] > 86_400_000:
        raise AwsError(
            "InvalidParameterException",
            "The batch of log events in a single PutLogEvents request cannot span more than 24"
            " hours.",
        )
    sizes = [len(message.encode()) + _EVENT_BYTES for _, message in events]
    if max(sizes, default=0) > _PAGE_BYTES:
        words = f"Log event too large: {max(sizes)} bytes exceeds limit of {_PAGE_BYTES}"
        raise AwsError("InvalidParameterException", words)
    if sum(sizes) > _PAGE_BYTES:
        words = f"Upload too large: {sum(sizes)} bytes exceeds limit of {_PAGE_BYTES}"
        raise AwsError("InvalidParameterException", words)


def get_log_events(ctx: Ctx, request: Doc) -> Doc:
    """One page of a stream, and the tokens of the pages after and before it.

    At the end of the stream the page is empty and the forward token is the one given, which ends
    the clients' loops; the same token shows more once the job has written more.
    """
    direction, place = _token(request.get("nextToken"))
    stream = _stream(ctx, request)
    limit = request.get("limit", 10_000)
    if direction is None and request.get("startFromHead"):
        direction, place = "f", 0
    wanted = _within(request)
    if direction == "f":
        page = _cap(islice(filter(wanted, _events(ctx, stream, place)), limit))
    else:
        latest = _backwards(ctx, stream, place if direction == "b" else None)
        page = list(reversed(_cap(islice(filter(wanted, latest), limit))))
    ahead = page[-1].position + 1 if page else place
    if not page and direction is None:
        last = next(_backwards(ctx, stream), None)
        ahead = last.position + 1 if last else 0
    behind = page[0].position if page else place
    return {
        "events": [_event_doc(e) for e in page],
        "nextForwardToken": f"f/{ahead:056d}",
        "nextBackwardToken": f"b/{behind:056d}",
    }


def filter_log_events(ctx: Ctx, request: Doc) -> Doc:
    """One page of the group's events that match, oldest first over all its streams."""
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names and prefix:
        raise AwsError(
            "InvalidParameterException",
            "Parameters logStreamNames and logStreamNamePrefix are mutually exclusive.",
        )
    matches = log_filter.compile_pattern(request.get("filterPattern", ""))
    after = _filter_token(request.get("nextToken"))
    group = _group(ctx, request)
    streams = ctx.world.streams.streams(ctx.account, ctx.region, group)
    if names:
        streams = [s for s in streams if s.name in names]
        if len(streams) < len(set(names)):
            raise _missing("log stream")
    elif prefix:
        streams = [s for s in streams if s.name.startswith(prefix)]
    limit, wanted = request.get("limit", 10_000), _within(request)
    merged = heapq.merge(*(_keyed(ctx, s) for s in streams), key=lambda pair: pair[0])
    page: list[Doc] = []
    size, last, more = 0, after, False
    for key, event, stream in merged:
        if key <= after or not wanted(event) or not matches(event.message):
            continue
        if len(page) == limit or size > _PAGE_BYTES:
            more = True
            break
        page.append(_found_doc(stream, event))
        size, last = size + len(event.message) + _EVENT_BYTES, key
    # The list of streams that were searched is always empty since 2020 (API reference).
    result: Doc = {"events": page, "searchedLogStreams": []}
    return {**result, "nextToken": "/".join(map(str, last))} if more else result


Key = tuple[int, int, int]


def _keyed(ctx: Ctx, stream: Stream) -> Iterator[tuple[Key, Event, Stream]]:
    """The stream's events in order of time, each with the place that a token names."""
    events = _events(ctx, stream)
    if stream.job is None:  # users may put older events after newer ones; a job's log never does
        events = iter(sorted(events, key=lambda e: (e.ms, e.position)))
    for event in events:
        yield (event.ms, stream.id, event.position), event, stream


def _filter_token(token: str | None) -> Key:
    if token is None:
        return (-1, -1, -1)
    found = re.fullmatch(r"(\d+)/(\d+)/(\d+)", token)
    if not found:
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    return (int(found[1]), int(found[2]), int(found[3]))


def _events(ctx: Ctx, stream: Stream, position: int = 0) -> Iterator[Event]:
    """The stream's events from `position` on, read lazily."""
    while True:
        if stream.job is None:
            block = ctx.world.streams.events(stream, position, _BLOCK)
        else:
            lines = ctx.world.backend.logs(stream.job, position, _BLOCK)
            # A line's time is when it arrived and was stored: its ingestion too.
            block = [
                Event(line.offset, line.ms, _text(stream, line.text), line.ms) for line in lines
            ]
        yield from block
        if len(block) < _BLOCK:
            return
        position = block[-1].position + 1


def _text(stream: Stream, text: str) -> str:
    """A line of a job's log as an event's message: of a function's, one that it divides by carriage
    returns is of several lines (`toolkit.lambda_.logs`)."""
    return text.replace("\r", "\n") if (stream.job or "").startswith("function-") else text


def _first(ctx: Ctx, stream: Stream) -> Event | None:
    """The stream's first event that is kept."""
    if stream.job is None:
        return next(_events(ctx, stream), None)
    lines = ctx.world.backend.logs(stream.job, 0, 1)
    return next((Event(line.offset, line.ms, line.text, line.ms) for line in lines), None)


def _backwards(ctx: Ctx, stream: Stream, stop: int | None = None) -> Iterator[Event]:
    """The stream's events before the position `stop` (None: its end), the latest first, read as they
    are asked for: a log may be a thousand times what its end is."""
    if stream.job is None:
        position = 1 << 62 if stop is None else stop
        while block := ctx.world.streams.before(stream, position, _BLOCK):
            yield from block
            position = block[-1].position
        return
    first, end = _first(ctx, stream), ctx.world.backend.log_end(stream.job)
    stop = end if stop is None else min(stop, end)
    while first is not None and stop > first.position:
        start = max(first.position, stop - _WINDOW)
        found = takewhile(lambda e, stop=stop: e.position < stop, _events(ctx, stream, start))
        yield from reversed(list(found))
        stop = start


def _within(request: Doc) -> Callable[[Event], bool]:
    """A test of an event's time: startTime inclusive, endTime exclusive."""
    start, end = request.get("startTime", 0), request.get("endTime", 1 << 62)
    return lambda event: start <= event.ms < end


def _cap(events: Iterator[Event]) -> list[Event]:
    """The events up to a page's 1 MiB, at least one."""
    page, size = [], 0
    for event in events:
        size += len(event.message) + _EVENT_BYTES
        if page and size > _PAGE_BYTES:
            break
        page.append(event)
    return page


def _token(token: str | None) -> tuple[str | None, int]:
    if token is None:
        return None, 0
    found = re.fullmatch(r"([fb])/(\d+)", token)
    if not found:
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    return found[1], int(found[2])


def _event_doc(event: Event) -> Doc:
    # CloudWatch takes no empty message; the agents send a space for an empty line.
    return {"timestamp": event.ms, "message": event.message or " ", "ingestionTime": event.ingested}


def _found_doc(stream: Stream, event: Event) -> Doc:
    event_id = f"{event.ms:020d}{stream.id:012d}{event.position:024d}"
    return {**_event_doc(event), "logStreamName": stream.name, "eventId": event_id}


# -- lookups


def _group(ctx: Ctx, request: Doc) -> str:
    """The name of the request's group; raises ResourceNotFoundException."""
    names = references.log_groups(ctx, request)
    if len(names) != 1:
        raise AwsError(
            "InvalidParameterException",
            "Exactly one of logGroupName and logGroupIdentifier must be given.",
        )
    name = names[0]
    if not ctx.world.streams.has_group(ctx.account, ctx.region, name):
        raise _missing("log group")
    return name


def _stream(ctx: Ctx, request: Doc) -> Stream:
    group, name = _group(ctx, request), request["logStreamName"]
    found = ctx.world.streams.stream(ctx.account, ctx.region, group, name)
    if found is None:
        raise _missing("log stream")
    return found


def _start(request: Doc) -> int:
    """The index of the page's first entry; raises InvalidParameterException for a foreign token."""
    token = request.get("nextToken", "0")
    if not (token.isascii() and token.isdigit() and len(token) <= 18):
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    return int(token)


def _page(found: list, request: Doc, most: int) -> tuple[list, str | None]:
    start = _start(request)
    end = start + min(request.get("limit", most), most)
    return found[start:end], str(end) if end < len(found) else None


def _missing(what: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"The specified {what} does not exist.")


def _exists(what: str) -> AwsError:
    return AwsError("ResourceAlreadyExistsException", f"The specified {what} already exists")
