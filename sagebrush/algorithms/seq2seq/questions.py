"""Requests of Sequence-to-Sequence's endpoint: sentences, or the numbers of tokens.

Source: Amazon SageMaker AI Developer Guide, Sequence-to-Sequence Algorithm, Input/Output Interface;
AWS's example notebook of it for the names in JSON.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contract import record_protobuf, recordio
from contract.bodies import JSON, JSON_LINES
from contract.channels import RECORDIO_PROTOBUF as RECORDS
from contract.errors import BadRequest, ClientError

from .data import sequence


@dataclass(frozen=True)
class Question:
    """One sequence: a sentence of tokens between spaces, or their numbers."""

    source: str | list[int]
    attention: bool = False


@dataclass(frozen=True)
class Batch:
    """The questions of a request, or their answers, in order; the answer's form is the request's."""

    form: str
    items: Sequence[Any]


def read(body: bytes | str, content_type: str = JSON) -> Batch:
    """The questions that a request asks; raises BadRequest."""
    form = content_type.partition(";")[0].strip().lower()
    raw = body.encode() if isinstance(body, str) else body
    if form == RECORDS:
        return Batch(form, _from_records(raw))
    if form not in (JSON, JSON_LINES):
        raise BadRequest(
            f"Content type {content_type} is not supported: use {JSON}, {JSON_LINES} or {RECORDS}",
            415,
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}") from None
    return Batch(form, _from_json(text) if form == JSON else _from_lines(text))


def _from_records(body: bytes) -> list[Question]:
    found = []
    try:
        for number, payload in enumerate(recordio.records(io.BytesIO(body)), 1):
            source = record_protobuf.decode(payload).features.get("source")
            values = sequence(source, "source", 1 << 31, f"record {number}")
            found.append(Question(values.tolist()))
    except ClientError as error:
        raise BadRequest(str(error)) from None
    return found


def _from_json(text: str) -> list[Question]:
    request = _json(text, "The body")
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise BadRequest('The body must be {"instances": [{"data": "a sentence"}, ...]}')
    found = []
    for number, instance in enumerate(request["instances"]):
        if not isinstance(instance, dict) or not isinstance(instance.get("data"), str):
            raise BadRequest(f'instances[{number}] must be {{"data": "a sentence"}}')
        configuration = instance.get("configuration", {})
        if not isinstance(configuration, dict):
            raise BadRequest(f'instances[{number}]: "configuration" must be an object')
        attention = str(configuration.get("attention_matrix", "false")).lower() == "true"
        found.append(Question(instance["data"], attention))
    return found


def _from_lines(text: str) -> list[Question]:
    found = []
    # Not splitlines: a sentence may hold U+2028, which ends no line of JSON Lines.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        sample = _json(line, f"Line {number}")
        if not isinstance(sample, dict) or not isinstance(sample.get("source"), str):
            raise BadRequest(f'Line {number} must be {{"source": "a sentence"}}')
        found.append(Question(sample["source"]))
    return found


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from None
