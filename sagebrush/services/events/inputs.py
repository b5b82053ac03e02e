"""What a target gets of an event: all of it, a part, a constant, or a text made of its parts. Pure.

Source: EventBridge user guide, "Amazon EventBridge input transformation"; what it leaves open is as
localstack's tests recorded it of AWS (`test_events_inputs`, 2024).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sagebrush import jackson
from sagebrush.errors import Doc
from sagebrush.patterns import tokens
from sagebrush.patterns.tokens import PatternError, Tokens
from sagebrush.services.events.envelopes import moment
from sagebrush.services.events.names import compact

RESERVED = (
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
)
_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.\-]+)>")
_STEP = re.compile(
    r"\.(?P<name>[^.\[\]\s'\"()*?@,:]+)"
    r"|\.(?P<all>\*)"
    r"|\[(?P<index>-?[0-9]{1,9}|\*)\]"
)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MISSING = object()


@dataclass(frozen=True)
class Rule:
    """What transformers may say of the rule."""

    name: str
    arn: str


def payload(target: Doc, envelope: Doc, rule: Rule, ingested: float) -> str:
    """The text that the target gets; `ingested` is when the event came, in seconds since the epoch."""
    if "Input" in target:
        return target["Input"]
    if "InputPath" in target:
        found = at_path(envelope, target["InputPath"])
        return compact(None if found is _MISSING else found)
    if "InputTransformer" in target:
        return _transformed(target["InputTransformer"], envelope, rule, ingested)
    return compact(envelope)


# Paths --------------------------------------------------------------------------------------------


def path_of(text: str) -> tuple[str | int, ...] | None:
    """The steps of a JSON path: names, indices, `*`; None for what EventBridge does not read, as names
    in brackets."""
    if not text.startswith("$"):
        return None
    steps: list[str | int] = []
    rest = text[1:].removesuffix(".") if text == "$." else text[1:]
    at = 0
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None:
            return None
        index = found["index"]
        if found["all"] or index == "*":
            steps.append("*")
        elif index is not None:
            steps.append(int(index))
        else:
            steps.append(found["name"])
        at = found.end()
    return tuple(steps)


def at_path(document: Any, text: str) -> Any:
    """The value at the path, a list of values where it has a `*`; `_MISSING` where there is none."""
    steps = path_of(text)
    if steps is None:
        return _MISSING
    found = [document]
    for step in steps:
        found = [value for each in found for value in _stepped(each, step)]
    if "*" in steps:
        return found
    return found[0] if found else _MISSING


def _stepped(value: Any, step: str | int) -> Iterator[Any]:
    if step == "*":
        yield from (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        )
    elif isinstance(step, int):
        if isinstance(value, list) and -len(value) <= step < len(value):
            yield value[step]
    elif isinstance(value, dict) and step in value:
        yield value[step]


# Templates ----------------------------------------------------------------------------------------


def _transformed(given: Doc, envelope: Doc, rule: Rule, ingested: float) -> str:
    paths, template = given.get("InputPathsMap") or {}, given["InputTemplate"]
    values = {name: at_path(envelope, path) for name, path in paths.items()}
    values |= _reserved(envelope, rule, ingested)
    made: list[str] = []
    end = 0
    inside = _inside(template)
    for found in _PLACEHOLDER.finditer(template):
        made.append(template[end : found.start()])
        value = values.get(found[1], _MISSING)
        made.append(_within(value) if inside[found.start()] else _alone(value))
        end = found.end()
    return "".join([*made, template[end:]])


def _reserved(envelope: Doc, rule: Rule, ingested: float) -> Doc:
    time = moment(ingested)
    event = {
        "id": envelope["id"],
        "account": envelope["account"],
        "detailType": envelope["detail-type"],
        "time": time,
        "source": envelope["source"],
        "region": envelope["region"],
        "resources": envelope["resources"],
        "version": envelope["version"],
    }
    return dict(zip(RESERVED, (rule.arn, rule.name, time, event, envelope), strict=True))


def _within(value: Any) -> str:
    """A value within a text of the template. Texts are put there as they are, and the quotes of
    objects and arrays are left out ("to ensure a valid string")."""
    if value is _MISSING:
        return ""
    if isinstance(value, str):
        return value
    return compact(value).replace('"', "")


def _alone(value: Any) -> str:
    """A value that is not within a text: a text gets its quotes; one that is not there is empty."""
    return compact("" if value is _MISSING else value)


def _inside(template: str) -> list[bool]:
    """Of each character, whether it is within a text."""
    found: list[bool] = []
    quoted = escaped = False
    for character in template:
        found.append(quoted)
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
    return found


# Checks -------------------------------------------------------------------------------------------


def lacking(given: Doc) -> str | None:
    """The first placeholder of the template that stands for nothing."""
    known = {*(given.get("InputPathsMap") or {}), *RESERVED}
    found = _PLACEHOLDER.finditer(given["InputTemplate"])
    return next((each[1] for each in found if each[1] not in known), None)


def whole_event(given: Doc) -> str | None:
    """The first placeholder of the template that stands for the whole event."""
    found = _PLACEHOLDER.finditer(given["InputTemplate"])
    return next((each[1] for each in found if each[1] in RESERVED[3:]), None)


def template_fault(given: Doc) -> str | None:
    """Where the template would make no JSON, in AWS's words; None where it does."""
    template = given["InputTemplate"]
    inside = _inside(template)
    filled = _PLACEHOLDER.sub(
        lambda found: " " * len(found[0]) if inside[found.start()] else "0".ljust(len(found[0])),
        template,
    )
    return json_fault(filled, shown=template)


def json_fault(text: str, shown: str = "") -> str | None:
    """Where `text` is no JSON, as AWS's messages name the place; `shown`: the text that they show."""
    reader = Tokens(text)
    try:
        depth, first = 0, True
        while (kind := reader.next()) != tokens.END:
            first = False
            depth += (kind in (tokens.OBJECT, tokens.ARRAY)) - (
                kind in (tokens.END_OBJECT, tokens.END_ARRAY)
            )
        if not first:
            return None
    except PatternError:
        pass
    place = reader.place()
    return place.replace(text[: jackson.SHOWN], shown[: jackson.SHOWN], 1) if shown else place


def is_object(text: str) -> Doc | None:
    """The JSON object in `text`; None for another value, and for what is no JSON or has numbers that
    are none here. Halves of surrogate pairs, which no UTF-8 can hold, are `?`, as Java writes them."""
    try:
        found = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if _SURROGATE.search(text):
            whole = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
            found = json.loads(whole)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
