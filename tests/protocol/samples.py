"""Sample parameters for any shape, and botocore's two halves of the wire, for the round trips."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import botocore.parsers
import botocore.serialize
from botocore.awsrequest import HeadersDict, prepare_request_dict
from botocore.model import OperationModel

from sagebrush.protocol.message import Reply, Request

WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
DEEPEST = 7


def sample(shape: Any, full: bool, depth: int = 0, seen: tuple[str, ...] = ()) -> Any:
    """A value of `shape` with every member, or with the required ones only; None where it recurs."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, full, depth, seen)
    if kind == "list":
        item = sample(shape.member, full, depth + 1, seen)
        return None if item is None else [item, item]
    if kind == "map":
        item = sample(shape.value, full, depth + 1, seen)
        enum = getattr(shape.key, "enum", None)
        return None if item is None else {(enum[0] if enum else "k1"): item}
    if shape.serialization.get("jsonvalue"):
        return {"j": 1}
    enum = getattr(shape, "enum", None)
    if shape.serialization.get("hostLabel"):
        return "label-1"
    scalars = {
        "integer": 7,
        "long": 7,
        "float": 1.5,
        "double": 1.5,
        "boolean": True,
        "timestamp": WHEN,
        "blob": b"bl\x00b",
    }
    return scalars.get(kind, enum[0] if enum else "va1-x é<&>\"'")


def _structure(shape: Any, full: bool, depth: int, seen: tuple[str, ...]) -> Any:
    if shape.is_document_type:
        return {"a": 1}
    if shape.name in seen or depth > DEEPEST:
        return None
    members = list(shape.members.items())
    if shape.is_tagged_union:
        members = members[:1]
    out = {}
    for name, member in members:
        if member.serialization.get("eventstream"):
            continue
        if full or name in shape.required_members or shape.is_tagged_union:
            value = sample(member, full, depth + 1, (*seen, shape.name))
            if value is not None:
                out[name] = value
    return out


def request_of(op: OperationModel, protocol: str, params: dict[str, Any]) -> Request:
    """The request that botocore sends for `params`."""
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    prepared: Any = serializer.serialize_to_request(params, op)
    prepare_request_dict(prepared, "http://localhost:4566")
    url = urlsplit(prepared["url"])
    body: Any = prepared["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    headers = {key.lower(): str(value) for key, value in prepared["headers"].items()}
    query = parse_qsl(url.query, keep_blank_values=True)
    return Request(prepared["method"], url.path, query, headers, body or b"")


def parsed_reply(op: Any, protocol: str, reply: Reply, shape: Any = None) -> dict[str, Any]:
    """What botocore makes of `reply`; `shape` defaults to the operation's output."""
    body: Any = reply.body
    if op.has_streaming_output and reply.status < 300:
        body = io.BytesIO(body)
    raw = {"headers": HeadersDict(reply.headers), "body": body, "status_code": reply.status}
    parser: Any = botocore.parsers.create_parser(protocol)
    return parser.parse(raw, shape or op.output_shape)


def normal(value: Any) -> Any:
    """`value` without what differs only in form: nulls, time zones, open bodies."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value.read() if hasattr(value, "read") else value


def different(expected: Any, found: Any) -> str:
    """The members in which two results differ, or ""."""
    a, b = normal(expected), normal(found)
    if a == b:
        return ""
    keys = [k for k in {*a, *b} if a.get(k) != b.get(k)]
    return json.dumps({k: [a.get(k), b.get(k)] for k in keys}, default=str)[:300]
