"""Event streams: frames of `application/vnd.amazon.eventstream` (AWS event stream encoding)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from sagebrush.aws.scalars import moment, raw
from sagebrush.aws.shapes import Node
from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import codec, markup

CONTENT_TYPE = "application/vnd.amazon.eventstream"

Header = str | bool | int | bytes


def frame(headers: dict[str, Header], payload: bytes = b"") -> bytes:
    """One message: prelude, headers, payload and both checksums."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: Header) -> bytes:
    key = name.encode()
    prefix = struct.pack(">B", len(key)) + key
    if isinstance(value, bool):
        return prefix + (b"\x00" if value else b"\x01")
    if isinstance(value, int):
        return prefix + struct.pack(">Bq", 5, value)
    data = value if isinstance(value, bytes) else value.encode()
    return prefix + struct.pack(">BH", 6 if isinstance(value, bytes) else 7, len(data)) + data


def initial_response(payload: bytes, content_type: str) -> bytes:
    """The first frame of an RPC protocol's stream: the members that are no events."""
    return frame(
        {
            ":message-type": "event",
            ":event-type": "initial-response",
            ":content-type": content_type,
        },
        payload,
    )


def event(stream: Node, document: Doc, protocol: str) -> bytes:
    """The frame of one event, `{event name: its members}`, of the event-stream shape `stream`."""
    ((name, members),) = document.items()
    node = stream.members[name]
    headers: dict[str, Header] = {":message-type": "event", ":event-type": node.wire}
    content_type, payload = "", b""
    body: Doc = {}
    for key, value in members.items():
        member = node.members.get(key)
        if member is None or value is None:
            continue
        if member.event == "header":
            headers[key] = _event_header(member, value)
        elif member.event == "payload":
            content_type, payload = _payload(member, value, protocol)
        else:
            body[key] = value
    if body:
        content_type, payload = _payload(node, body, protocol)
    if content_type:
        headers[":content-type"] = content_type
    return frame(headers, payload)


def _event_header(member: Node, value: Any) -> Header:
    if member.kind == "timestamp":
        return int(moment(value).timestamp() * 1000)
    if member.kind == "blob":
        return raw(value)
    return value if isinstance(value, bool | int) else str(value)


def _payload(node: Node, value: Any, protocol: str) -> tuple[str, bytes]:
    if node.kind == "blob":
        return "application/octet-stream", raw(value)
    if node.kind == "string":
        return "text/plain", str(value).encode()
    if protocol == "rest-xml":
        return "text/xml", markup.write_xml(node, value, node.root or node.shape).encode()
    if protocol == "smithy-rpc-v2-cbor":
        return "application/cbor", codec.write_cbor(node, value)
    return "application/json", codec.write_json(node, value)


def exception(error: AwsError, stream: Node) -> bytes:
    """The frame that ends a stream with `error`: modelled where the stream has such a member."""
    node = stream.members.get(error.code)
    if node is None:
        return frame(
            {
                ":message-type": "error",
                ":error-code": error.code,
                ":error-message": error.message[:1024],
            }
        )
    body = {name: error.message for name in node.members if name.lower() == "message"}
    return frame(
        {
            ":message-type": "exception",
            ":exception-type": node.wire,
            ":content-type": "application/json",
        },
        codec.write_json(node, body | error.fields),
    )


async def frames(
    stream: Node, events: AsyncIterable[Doc], protocol: str, first: bytes = b""
) -> AsyncIterator[bytes]:
    """The frames of `events` after `first`; an AwsError among them ends the stream with its frame."""
    if first:
        yield first
    try:
        async for document in events:
            yield event(stream, document, protocol)
    except AwsError as error:
        yield exception(error, stream)
