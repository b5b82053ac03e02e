"""Requests of Object2Vec's endpoint as instances, and answers as bodies.

Source: Amazon SageMaker AI Developer Guide, Data Formats for Object2Vec Inference, and Encoder Embeddings
for Object2Vec.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contract import channels
from contract.bodies import JSON, JSON_LINES
from contract.errors import BadRequest

LENGTHS = "infer_max_seqlens"
SIDES = ("in0", "in1")


@dataclass(frozen=True)
class Batch:
    """The instances of a request, or their answers, in order."""

    form: str
    """The content type of the request."""
    items: Sequence[Any]
    longest: tuple[int, int] | None = None
    """What `infer_max_seqlens` says: tokens of in0 and of in1 that count."""


def input_fn(body: bytes | str, content_type: str = JSON) -> Batch:
    """The instances of a request; raises BadRequest."""
    form, options = channels.content_type(content_type)
    if form not in (JSON, JSON_LINES):
        raise BadRequest(
            f"Content type {content_type} is not supported: use {JSON} or {JSON_LINES}", 415
        )
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}") from None
    text = text.removeprefix("\ufeff")  # as training does
    items = _from_json(text) if form == JSON else _from_lines(text)
    return Batch(form, items, _longest(options[LENGTHS]) if LENGTHS in options else None)


def output_fn(answers: Batch, accept: str, context: Any = None) -> tuple[str, str]:
    """The body and its content type: what the request accepts, in the form of the request where it
    accepts anything; raises BadRequest."""
    # `accept` is JSON where the request names nothing.
    named = accept if context is None else context.get_request_header(0, "accept")
    form = channels.content_type((named or "*/*").partition(",")[0])[0]
    if form in ("", "*/*", "application/*"):
        form = answers.form
    if form == JSON_LINES:
        return "".join(json.dumps(each) + "\n" for each in answers.items), JSON_LINES
    if form == JSON:
        return json.dumps({"predictions": answers.items}), JSON
    raise BadRequest(f"Accept type {named} is not supported: use {JSON} or {JSON_LINES}", 406)


def _longest(text: str) -> tuple[int, int]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(
        p.isdecimal() and len(p) < 9 and 1 <= int(p) <= 5000 for p in parts
    ):
        raise BadRequest(f"{LENGTHS}={text} must be two whole numbers from 1 to 5000, like 20,30")
    return int(parts[0]), int(parts[1])


def _from_json(text: str) -> list[dict[str, Any]]:
    request = _json(text, "The body")
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise BadRequest('The body must be {"instances": [{"in0": [6, 17], "in1": [16]}, ...]}')
    return [
        _instance(each, f"instances[{number}]") for number, each in enumerate(request["instances"])
    ]


def _from_lines(text: str) -> list[dict[str, Any]]:
    return [
        _instance(_json(line, f"Line {number}"), f"Line {number}")
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()
    ]


def _instance(found: Any, where: str) -> dict[str, Any]:
    """An object with in0, in1 or both; other members, such as the label of test data, do not matter."""
    if not isinstance(found, dict) or not any(name in found for name in SIDES):
        raise BadRequest(
            f'{where} must be an object with "in0", "in1" or both, like {{"in0": [6, 17]}}'
        )
    return found


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from None
