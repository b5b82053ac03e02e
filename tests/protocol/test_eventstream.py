"""Event streams through botocore's EventStream, for every operation that answers with one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict
from botocore.exceptions import EventStreamError

from sagebrush.aws import models
from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import eventstream, reply
from tests.protocol.samples import normal, sample

OPERATIONS = [
    (service, protocol, name)
    for service in models.SERVICES
    for protocol in models.protocols(service)
    for name in models.names(service)
    if getattr(models.operation(service, name), "has_event_stream_output", False)
]


class Raw:
    """What urllib3 gives botocore: chunks of the stream."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def stream(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        pass


def answered(service: str, protocol: str, name: str, events: list[Doc | AwsError]) -> Any:
    """What botocore makes of a reply that streams `events`, with the name of its stream."""
    op: Any = models.operation(service, name)
    stream = op.output_shape.event_stream_name

    async def give() -> AsyncIterator[Doc]:
        for event in events:
            if isinstance(event, AwsError):
                raise event
            yield event

    async def collect(body: Any) -> list[bytes]:
        return [chunk async for chunk in body]

    result = sample(op.output_shape, True) | {stream: give()}
    result.pop("ResponseStreamContentType", None)  # Lambda lets the function choose it
    found = reply.render(op, protocol, result, "r")
    assert found.headers["Content-Type"] == "application/vnd.amazon.eventstream"
    body = Raw(asyncio.run(collect(found.body)))
    raw: Any = {"headers": HeadersDict(found.headers), "body": body, "status_code": found.status}
    parser: Any = botocore.parsers.create_parser(protocol)
    raw["context"] = {"operation_name": name}
    return parser.parse(raw, op.output_shape)[stream]


def test_the_operations_that_stream() -> None:
    assert [name for *_, name in OPERATIONS] == [
        "SelectObjectContent",
        "InvokeEndpointWithResponseStream",
        "InvokeWithResponseStream",
        "GetLogObject",
        "StartLiveTail",
    ]


@pytest.mark.parametrize(("service", "protocol", "name"), OPERATIONS)
def test_every_event_arrives(service: str, protocol: str, name: str) -> None:
    op: Any = models.operation(service, name)
    shape = op.output_shape.members[op.output_shape.event_stream_name]
    events: list[Doc | AwsError] = [
        {event: sample(member, True)}
        for event, member in shape.members.items()
        if not member.metadata.get("exception")
    ]
    assert normal(list(answered(service, protocol, name, events))) == normal(events)


def test_an_error_ends_the_stream_and_is_raised_by_the_client() -> None:
    name = "InvokeEndpointWithResponseStream"
    error = AwsError("ModelStreamError", "the model died", ErrorCode="ModelInvocationTimeExceeded")
    part: Doc = {"PayloadPart": {"Bytes": b"\x00half"}}
    stream = iter(answered("sagemaker-runtime", "rest-json", name, [part, error, part]))
    assert next(stream) == part
    with pytest.raises(EventStreamError) as caught:
        next(stream)
    response: Any = caught.value.response
    assert response["Error"]["Code"] == "ModelStreamError"
    assert response["Error"]["Message"] == "the model died"


def test_an_error_that_the_stream_does_not_model() -> None:
    name = "InvokeEndpointWithResponseStream"
    error = AwsError("Throttled", "later")
    with pytest.raises(EventStreamError, match="later"):
        list(answered("sagemaker-runtime", "rest-json", name, [error]))


def test_frames_have_every_kind_of_header() -> None:
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    headers: dict[str, eventstream.Header] = {
        "t": True,
        "f": False,
        "n": -5,
        "b": b"\x00",
        "s": "é",
    }
    data = eventstream.frame(headers, b"payload") * 2
    for at in range(0, len(data), 7):
        buffer.add_data(data[at : at + 7])
    found = list(buffer)
    assert [message.payload for message in found] == [b"payload", b"payload"]
    assert found[0].headers == headers
