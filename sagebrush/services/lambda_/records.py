"""What becomes of an asynchronous invocation after an attempt, and the records of its end. Pure.

Source: Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation" (two
retries after one and two minutes; throttled and failed by the system: again and again, from a second to
five minutes, for up to six hours), "Capturing records of Lambda asynchronous invocations" and "Adding a
dead-letter queue".
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.store.deliveries import Delivery

PAUSES = (60.0, 120.0)
"""Seconds until the second and the third attempt."""
RETRIES, AGE = 2, 21600
"""What holds where nothing is configured: attempts beyond the first, and seconds."""
FIRST, LONGEST = 1.0, 300.0
"""Seconds between attempts that were throttled."""
EXHAUSTED, AGED, SUCCESS = "RetriesExhausted", "EventAgeExceeded", "Success"
_UNSENT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no message may have ("SendMessage")."""
LOOP = "RecursiveInvocationException"
PRINCIPAL = "lambda.amazonaws.com"


@dataclass(frozen=True)
class Event:
    """An asynchronous invocation that has ended, or waits."""

    request_id: str
    arn: str
    """As invoked."""
    payload: str
    sent: float
    """Seconds since the epoch."""
    attempts: int
    """How often the function has had it."""
    throttled: int = 0
    """How often it was throttled in a row."""


@dataclass(frozen=True)
class Ended:
    """How an attempt ended."""

    error: str = ""
    """"" or Unhandled."""
    payload: bytes = b""
    version: str = ""


@dataclass(frozen=True)
class Again:
    """It is tried again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Over:
    """It is over, for that condition."""

    condition: str


def after_error(event: Event, config: Doc, now: float) -> Again | Over:
    """What becomes of an event that the function has failed on, this attempt counted."""
    if event.attempts > config.get("MaximumRetryAttempts", RETRIES):
        return Over(EXHAUSTED)
    pause = PAUSES[min(event.attempts, len(PAUSES)) - 1]
    if aged(event, config, now + pause):
        return Over(AGED)
    return Again(pause)


def after_throttle(event: Event, config: Doc, now: float, chance: float) -> Again | Over:
    """What becomes of an event that no environment took; `chance` is from 0 to 1."""
    pause = min(LONGEST, FIRST * 2.0 ** min(event.throttled, 20)) * (0.5 + chance / 2)
    return Over(AGED) if aged(event, config, now + pause) else Again(pause)


def aged(event: Event, config: Doc, now: float) -> bool:
    """Whether the event is too old at `now`."""
    return now - event.sent > config.get("MaximumEventAgeInSeconds", AGE)


def record(event: Event, arn: str, condition: str, ended: Ended | None, now: float) -> Doc:
    """The invocation record, as destinations get it; `arn` is the function's, qualified."""
    found: Doc = {
        "version": "1.0",
        "timestamp": _time(now),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": arn,
            "condition": condition,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": _json(event.payload),
    }
    if ended is not None and ended.version:
        context: Doc = {"statusCode": 200, "executedVersion": ended.version}
        if ended.error:
            context["functionError"] = ended.error
        found |= {"responseContext": context, "responsePayload": _json(ended.payload)}
    return found


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_none, parse_float=_finite)
    except (ValueError, RecursionError):
        return text if isinstance(text, str) else text.decode(errors="replace")


def _none(name: str) -> NoReturn:
    """NaN and its like are no JSON: what has them is told as text. Raises ValueError."""
    raise ValueError(name)


def _finite(text: str) -> float:
    """A number too large for a float would be told as Infinity. Raises ValueError."""
    number = float(text)
    return number if math.isfinite(number) else _none(text)


def _time(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def delivery(function: Doc, target: str, found: Doc, good: bool) -> Delivery:
    """The record on its way to the destination; `function` is the function's configuration."""
    arn = Arn.parse(function["FunctionArn"])
    assert arn is not None
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    if _UNSENT.search(text):  # escaped, they are the same JSON
        text = json.dumps(found, separators=(",", ":"))
    of = Arn.parse(target)
    options: Doc = {}
    if of is not None and of.service == "events":
        options = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {'Success' if good else 'Failure'}",
            "Resources": [target, found["requestContext"]["functionArn"]],
        }
    return Delivery(
        arn.account, arn.region, target, text, PRINCIPAL, function["FunctionArn"], function["Role"],
        options,
    )  # fmt: skip


def dead_letter(function: Doc, target: str, event: Event, ended: Ended | None) -> Delivery:
    """The event on its way to the function's dead-letter queue or topic, with why."""
    arn = Arn.parse(function["FunctionArn"])
    assert arn is not None
    said = _json(ended.payload) if ended is not None and ended.payload else {}
    words = str(said.get("errorMessage", "")) if isinstance(said, dict) else ""
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": event.request_id},
        "ErrorCode": {
            "DataType": "Number",
            "StringValue": "200" if ended and ended.error else "429",
        },
    }
    if words:  # of characters that messages may have
        words = _UNSENT.sub("\ufffd", words[:1024])
        attributes["ErrorMessage"] = {"DataType": "String", "StringValue": words}
    return Delivery(
        arn.account, arn.region, target, event.payload, PRINCIPAL, function["FunctionArn"],
        function["Role"], {"MessageAttributes": attributes},
    )  # fmt: skip


def deliveries(
    function: Doc, config: Doc, event: Event, arn: str, over: tuple[str, Ended | None], now: float
) -> list[Delivery]:
    """What is sent once the event is over; `over`: the condition, and how the last attempt ended."""
    condition, ended = over
    good = condition == SUCCESS
    given = (config.get("DestinationConfig") or {}).get("OnSuccess" if good else "OnFailure") or {}
    found: list[Delivery] = []
    if target := given.get("Destination"):
        found.append(delivery(function, target, record(event, arn, condition, ended, now), good))
    letters = (function.get("DeadLetterConfig") or {}).get("TargetArn")
    if letters and not good:
        found.append(dead_letter(function, letters, event, ended))
    return found
