"""Every operation of every service, both ways, against botocore's own serialiser and parser."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.aws import models
from sagebrush.protocol import reply, rest
from sagebrush.protocol.detect import Target
from tests.protocol.samples import different, parsed_reply, request_of, sample

TWINS = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
"""S3 operations that cannot be told from another by their requests: deprecated forms, and one that
AWS serves on a host of its own. The other one answers."""

UNREADABLE = {
    "GetBucketNotification": "two of its members share the XML name Event: botocore cannot read it"
}
"""Filled answers that botocore itself cannot parse back -> why."""

EMPTY_STRUCTURES = {
    "AssumeRoot": {"TaskPolicyArn"},
    "CreateDelegationRequest": {"Permissions"},
}
"""Query operations -> members that the sample leaves empty: a form cannot say so."""

EMPTY_PAYLOADS = {
    "SendDurableExecutionCallbackFailure": {"Error"},
    "StopDurableExecution": {"Error"},
}
"""REST operations -> optional payloads for whose absence botocore sends `{}`."""

CASES = [
    pytest.param(
        service, protocol, full, id=f"{service}-{protocol}-{'all' if full else 'required'}"
    )
    for service in models.SERVICES
    for protocol in models.protocols(service)
    for full in (True, False)
]


def test_the_services_and_protocols_are_those_of_the_issue() -> None:
    spoken = {(s, p) for s in models.SERVICES for p in models.protocols(s)}
    assert len(models.SERVICES) == 17
    assert sum(len(models.names(s)) for s in models.SERVICES) >= 1_255
    assert {p for _, p in spoken} == set(models.PROTOCOLS)
    assert {s for s, p in spoken if p == "smithy-rpc-v2-cbor"} == {"comprehend", "cloudwatch"}
    assert ("cloudwatch", "query") in spoken
    assert ("cloudwatch", "json") in spoken


@pytest.mark.parametrize(("service", "protocol", "full"), CASES)
def test_requests(service: str, protocol: str, full: bool) -> None:
    wrong = {}
    for name in models.names(service):
        op: Any = models.operation(service, name, protocol)
        params = sample(op.input_shape, full) if op.input_shape else {}
        found, got = rest.parse(Target(service, protocol), request_of(op, protocol, params))
        if name in TWINS:
            assert found.name == TWINS[name]
            continue
        if not full and protocol == "query":
            params = {k: v for k, v in params.items() if k not in EMPTY_STRUCTURES.get(name, ())}
        if not full:
            got = {k: v for k, v in got.items() if v or k not in EMPTY_PAYLOADS.get(name, ())}
        difference = "" if found.name == name else f"parsed as {found.name}"
        if difference or (difference := different(params, got)):
            wrong[name] = difference
    assert not wrong


@pytest.mark.costs("every operation of a service")
@pytest.mark.parametrize(("service", "protocol", "full"), CASES)
def test_results(service: str, protocol: str, full: bool) -> None:
    wrong = {}
    for name in models.names(service):
        op: Any = models.operation(service, name, protocol)
        if op.has_event_stream_output or (full and name in UNREADABLE):
            continue  # event streams: test_eventstream.py
        result = sample(op.output_shape, full) if op.output_shape else {}
        rendered = reply.render(op, protocol, result | {"NoSuchMember": 1}, "request-1")
        parsed = parsed_reply(op, protocol, rendered)
        metadata = parsed.pop("ResponseMetadata")
        assert metadata.get("RequestId", "request-1" if not op.output_shape else "") == "request-1"
        expected = result if full else _as_read(op, result, rendered)
        if difference := different(expected, parsed):
            wrong[name] = difference
    assert not wrong


def _as_read(op: Any, result: dict[str, Any], rendered: reply.Reply) -> dict[str, Any]:
    """`result` with what botocore adds to an answer that lacks it: the status, an empty payload,
    the type of a body."""
    expected = dict(result)
    shape = op.output_shape
    for name, member in shape.members.items() if shape else ():
        if member.serialization.get("location") == "statusCode":
            expected.setdefault(name, rendered.status)
        elif name == shape.serialization.get("payload"):
            expected.setdefault(name, {"structure": {}, "string": ""}.get(member.type_name, b""))
        elif member.serialization.get("location") == "headers":
            expected.setdefault(name, {})
        elif (
            member.serialization.get("name") == "Content-Type"
            and "Content-Type" in rendered.headers
        ):
            expected.setdefault(name, rendered.headers["Content-Type"])
    return expected
