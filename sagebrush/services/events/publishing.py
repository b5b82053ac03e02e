"""PutEvents and TestEventPattern. Source: EventBridge API Reference; user guide, "Sending events with
PutEvents in Amazon EventBridge"."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from sagebrush.access import principals
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.patterns.matching import leaves, matches
from sagebrush.patterns.reading import read
from sagebrush.patterns.tokens import PatternError
from sagebrush.services.events import inputs, matched, names
from sagebrush.services.events.envelopes import Arrived, envelope
from sagebrush.services.events.names import invalid
from sagebrush.store.db import Tx
from sagebrush.world import Ctx

LARGEST = 1024 * 1024
"""Bytes of a request's entries: less than this (1 MB since January 2026)."""
TIME_SIZE = 14
"""Bytes that a Time counts for."""
_REQUIRED = ("Source", "DetailType", "Detail")
_TESTED = ("id", "account", "source", "time", "region", "resources", "detail-type")
"""What the event of TestEventPattern must have."""


def put_events(ctx: Ctx, request: Doc) -> Doc | Future[Doc]:
    """The events have come to their buses: what their rules send is on disk. Entries that are refused
    are answered one by one. Raises ValidationException."""
    if request.get("EndpointId"):
        raise invalid("Sagebrush does not support global endpoints (EndpointId) yet.")
    entries: list[Doc] = request["Entries"]
    if sum(map(size_of, entries)) >= LARGEST:
        raise invalid("Total size of the entries in the request is over the limit.")
    answers: list[Doc] = []
    found: list[matched.Sent] = []
    now = ctx.world.clock()
    for entry in entries:
        refused = _refused(entry)
        event = None if refused else _arrived(ctx, entry, now)
        if event is None:
            answers.append(refused or _MALFORMED)
            continue
        answers.append({"EventId": event.envelope["id"]})
        if _comes(ctx, event):
            found.append(matched.sent(ctx.world, event))
    failed = sum("ErrorCode" in answer for answer in answers)
    answer: Doc = {"FailedEntryCount": failed, "Entries": answers}
    if not any(each.counts for each in found):
        return answer

    def work(tx: Tx) -> Doc:
        for each in found:
            ctx.world.deliveries.put_in(tx, each.deliveries)
            points = matched.points(each.counts, now)
            ctx.world.series.append_in(tx, ctx.account, ctx.region, points)
        return answer

    return ctx.world.db.submit(work)


def size_of(entry: Doc) -> int:
    """The bytes that an entry counts for (user guide, "Calculating PutEvents event entry size")."""
    texts = [entry[m] for m in _REQUIRED if entry.get(m)] + list(entry.get("Resources") or ())
    return (TIME_SIZE if entry.get("Time") else 0) + sum(len(text.encode()) for text in texts)


_MALFORMED = {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def _refused(entry: Doc) -> Doc | None:
    for member in _REQUIRED:
        if not entry.get(member):
            words = f"Parameter {member} is not valid. Reason: {member} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": words}
    if entry["Source"].startswith("aws."):
        return {
            "ErrorCode": "NotAuthorizedForSourceException",
            "ErrorMessage": "Not authorized for the source.",
        }
    return None


def _arrived(ctx: Ctx, entry: Doc, now: float) -> Arrived | None:
    """The event; None where its detail is no JSON object. Raises ValidationException."""
    detail = inputs.is_object(entry["Detail"])
    if detail is None:
        return None
    time: Any = entry.get("Time")
    what = (entry["Source"], entry["DetailType"])
    made = envelope(
        what,
        (ctx.account, ctx.region),
        time.timestamp() if time is not None else now,
        detail,
        entry.get("Resources") or (),
    )
    place = names.place_of_bus(ctx, entry.get("EventBusName"))
    return Arrived(made, *place, now)


def _comes(ctx: Ctx, event: Arrived) -> bool:
    """Whether there is such a bus; events to none are lost, as AWS's are. Raises
    AccessDeniedException for another account's that does not let the caller in."""
    arn = Arn("events", event.region, event.account, f"event-bus/{event.bus}")
    who = principals.principal(ctx.world, ctx.caller)
    if matched.lets_in(ctx.world, arn, ctx.account, who):
        return True
    if event.account != ctx.account:
        raise AwsError(
            "AccessDeniedException",
            f"User: {ctx.caller.arn} is not authorized to perform: events:PutEvents on resource:"
            f" {arn} because no resource-based policy allows the events:PutEvents action",
        )
    return False


def test_event_pattern(ctx: Ctx, request: Doc) -> Doc:
    """Whether the event matches the pattern. Raises InvalidEventPatternException and
    ValidationException."""
    try:
        branches = read(request["EventPattern"])
    except PatternError as error:
        raise AwsError(
            "InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}"
        ) from error
    event = inputs.is_object(request["Event"])
    if event is None:
        raise invalid("Parameter Event is not valid.")
    lacking = [member for member in _TESTED if member not in event]
    if "resources" in lacking:  # AWS does without
        lacking.remove("resources")
    if lacking:
        raise invalid(f"Event must contain the field {lacking[0]}.")
    return {"Result": matches(branches, leaves(event))}
