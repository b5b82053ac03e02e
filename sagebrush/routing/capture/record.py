"""What is captured of a variant's requests, and one captured request as AWS's JSON Lines have it.

SageMaker guide, "Data capture" and "View data captured": `captureData` with `endpointInput` and
`endpointOutput`, `eventMetadata`, `eventVersion`. Pure.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import random
import uuid
from dataclasses import dataclass
from typing import NamedTuple

from sagebrush.errors import Doc

INPUT, OUTPUT = "Input", "Output"
BOTH = "InputAndOutput"
VERSION = "0"


@dataclass(frozen=True)
class Rule:
    """What is captured of a variant's requests, and where it goes (an endpoint configuration's
    DataCaptureConfig)."""

    destination: str
    """The S3 URI under which it is stored, without a slash at its end."""
    share: float
    """The part of the requests, from 0 to 1."""
    modes: frozenset[str]
    """`Input`, `Output` or both."""
    csv: frozenset[str]
    json: frozenset[str]
    """Content types that are kept as text; anything else in Base64."""
    role: str = ""
    """The role that stores it: the model's; "" for the owner's execution role."""


class Exchange(NamedTuple):
    """One request and its answer (a tuple: one is made for each request, and faster than a dataclass)."""

    asked: bytes
    asked_type: str
    answered: bytes
    answered_type: str
    at: float
    """When it was answered, in seconds since the epoch."""
    inference_id: str | None = None
    attributes: str | None = None
    """The CustomAttributes of the answer."""


def rule(config: Doc | None, role: str) -> Rule | None:
    """What a DataCaptureConfig asks for; None where it captures nothing."""
    if not config or not config.get("EnableCapture", True):
        return None
    modes = set[str]()
    for option in config["CaptureOptions"]:
        modes |= {INPUT, OUTPUT} if option["CaptureMode"] == BOTH else {option["CaptureMode"]}
    types = config.get("CaptureContentTypeHeader", {})
    return Rule(
        destination=config["DestinationS3Uri"].rstrip("/"),
        share=config["InitialSamplingPercentage"] / 100,
        modes=frozenset(modes),
        csv=frozenset(map(_base, types.get("CsvContentTypes", ()))),
        json=frozenset(map(_base, types.get("JsonContentTypes", ()))),
        role=role,
    )


def line(rule: Rule, exchange: Exchange) -> bytes:
    """The exchange as one line of a capture file, with its line end.

    Written member by member, as this is done for every request while answers wait for the interpreter;
    and nothing here lets go of it, which would cost two switches of threads (so no `uuid4`).
    """
    data = []
    if INPUT in rule.modes:
        part = _part(rule, "INPUT", exchange.asked, exchange.asked_type)
        data.append(f'"endpointInput":{part}')
    if OUTPUT in rule.modes:
        part = _part(rule, "OUTPUT", exchange.answered, exchange.answered_type)
        data.append(f'"endpointOutput":{part}')
    metadata = [f'"eventId":"{_event()}"']
    if exchange.attributes:
        metadata.append(f'"customAttributes":[{_quoted(exchange.attributes)}]')
    if exchange.inference_id:
        metadata.append(f'"inferenceId":{_quoted(exchange.inference_id)}')
    metadata.append(f'"inferenceTime":"{_moment(int(exchange.at))}"')
    text = (
        f'{{"captureData":{{{",".join(data)}}},"eventMetadata":{{{",".join(metadata)}}},'
        f'"eventVersion":"{VERSION}"}}\n'
    )
    return text.encode()


def _event() -> str:
    """A UUID of version 4."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


_quoted = json.JSONEncoder(ensure_ascii=False).encode
"""A text as JSON writes it."""


@functools.lru_cache(2)
def _moment(at: int) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def key(endpoint: str, variant: str, at: float) -> str:
    """Where a file is kept below the destination whose first request was answered at `at`:
    `endpoint/variant/yyyy/mm/dd/hh/mm-ss-mmm-UUID.jsonl`, in UTC."""
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    name = f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
    return f"{endpoint}/{variant}/{moment:%Y/%m/%d/%H}/{name}"


def _part(rule: Rule, mode: str, body: bytes, content_type: str) -> str:
    kind = _base(content_type)
    encoding = "CSV" if kind in rule.csv else "JSON" if kind in rule.json else "BASE64"
    text = None
    if encoding != "BASE64":
        try:
            text = _quoted(body.decode())
        except UnicodeDecodeError:
            encoding = "BASE64"
    if text is None:
        text = f'"{base64.b64encode(body).decode()}"'
    return (
        f'{{"observedContentType":{_quoted(content_type)},"mode":"{mode}","data":{text},'
        f'"encoding":"{encoding}"}}'
    )


@functools.lru_cache(64)
def _base(content_type: str) -> str:
    """`text/csv` of `text/csv; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()
