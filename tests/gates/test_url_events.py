"""Requests to function URLs as events, and answers as HTTP, in payload format 2.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.gates import url_events
from sagebrush.gates.url_events import Asked


def asked(body: bytes = b"", **headers: str) -> Asked:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(
        "POST", "/my%20path", "a=1&a=2&b=", [("a", "1"), ("a", "2"), ("b", "")],
        {"user-agent": "curl", **named}, body, "id.lambda-url.us-east-1.localhost", "10.0.0.1",
        False, 4566,
    )  # fmt: skip


def test_a_headers_bytes_are_utf_8_or_latin_1() -> None:
    request = asked(x_a="\u00fc".encode().decode(), x_b="\udcfc", cookie="a=\udcfc")
    found = url_events.event(request, "id", "req", 1.0, None)
    assert (found["headers"]["x-a"], found["headers"]["x-b"]) == ("\u00fc", "\u00fc")
    assert found["cookies"] == ["a=\u00fc"]


def test_an_event_has_the_request() -> None:
    request = asked(b'{"x":1}', content_type="application/json", cookie="c=1; d=2")
    found = url_events.event(request, "id", "req", 1583348638.39, None)
    assert found["rawPath"] == "/my path"
    assert found["rawQueryString"] == "a=1&a=2&b="
    assert found["queryStringParameters"] == {"a": "1,2", "b": ""}
    assert found["cookies"] == ["c=1", "d=2"]
    assert (found["body"], found["isBase64Encoded"]) == ('{"x":1}', False)
    assert "cookie" not in found["headers"]
    assert found["headers"]["x-forwarded-for"] == "10.0.0.1"
    context = found["requestContext"]
    assert context["time"] == "04/Mar/2020:19:03:58 +0000"
    assert context["timeEpoch"] == 1583348638390
    assert context["http"] == {
        "method": "POST", "path": "/my path", "protocol": "HTTP/1.1", "sourceIp": "10.0.0.1",
        "userAgent": "curl",
    }  # fmt: skip
    assert "body" not in url_events.event(asked(), "id", "req", 1.0, None)


def test_bytes_are_in_base64() -> None:
    found = url_events.event(asked(b"\x00\xff", content_type="image/png"), "id", "r", 1.0, None)
    assert (found["body"], found["isBase64Encoded"]) == ("AP8=", True)
    plain = url_events.event(asked(b"\xff", content_type="text/plain"), "id", "r", 1.0, None)
    assert plain["isBase64Encoded"] is True


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({"message": "hi"}, 200, b'{"message":"hi"}'),
        ("Hello", 200, b"Hello"),
        (None, 200, b""),
        ([1], 200, b"[1]"),
        ({"statusCode": 201, "body": "made"}, 201, b"made"),
        ({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}, 200, b"\x00\xff"),
        ({"statusCode": 204}, 204, b""),
    ],
)
def test_answers(answer: Any, status: int, body: bytes) -> None:
    found = url_events.answered(json.dumps(answer).encode())
    assert found is not None
    assert (found.status, found.body) == (status, body)
    assert ("Content-Type", "application/json") in found.headers


def test_headers_and_cookies_of_an_answer_cannot_end_the_head() -> None:
    answer = {
        "statusCode": 200,
        "headers": {"X-A": "b\r\nX-Evil: 1", "Content-Length": "9", "content-type": "text/plain"},
        "cookies": ["a=1", "b=2"],
    }
    found = url_events.answered(json.dumps(answer).encode())
    assert found is not None
    assert list(found.headers) == [
        ("X-A", "b  X-Evil: 1"), ("content-type", "text/plain"), ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "x"}, {"statusCode": 42}, {"statusCode": 200, "headers": [1]},
        {"statusCode": 200, "body": "?", "isBase64Encoded": True},
    ],
)  # fmt: skip
def test_what_is_no_answer(answer: Any) -> None:
    assert url_events.answered(json.dumps(answer).encode()) is None


def test_a_streamed_answer_may_begin_with_its_head() -> None:
    head = b'{"statusCode":201,"headers":{"x-a":"b"}}'
    found = url_events.prelude(head + b"\0" * 8 + b"rest")
    assert found is not None
    assert found[0].status == 201
    assert found[1] == b"rest"
    assert url_events.prelude(head) is None
    assert url_events.prelude(b"plain" + b"\0" * 8) is None


def test_cross_origin_requests() -> None:
    cors = {"AllowOrigins": ["https://a"], "AllowMethods": ["GET"], "MaxAge": 5}
    origin = {"origin": "https://a", "access-control-request-method": "GET"}
    assert url_events.preflight(cors, origin) == [
        ("Access-Control-Allow-Origin", "https://a"),
        ("Vary", "Origin"),
        ("Access-Control-Allow-Methods", "GET"),
        ("Access-Control-Max-Age", "5"),
    ]
    assert url_events.preflight(cors, {"origin": "https://a"}) is None
    assert url_events.shared(cors, {"origin": "https://b"}) == []
    any_ = {"AllowOrigins": ["*"], "ExposeHeaders": ["x"]}
    assert url_events.shared(any_, {"origin": "https://b"}) == [
        ("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "x"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"statusCode":200,"cookies":5}',
        b'{"statusCode":200,"headers":{"a\\r\\nb":"c"}}',
        b'{"statusCode":200,"headers":{"":"c"}}',
        b'{"statusCode":101}',
        b'{"statusCode":"' + b"9" * 5000 + b'"}',
    ],
    ids=["deep", "cookies", "line end", "no name", "interim", "long"],
)
def test_what_no_reply_can_be_made_of_is_none(payload: bytes) -> None:
    assert url_events.answered(payload) is None


def test_a_lone_surrogate_is_a_question_mark() -> None:
    answered = url_events.answered(rb'"\ud800"')
    assert answered is not None
    assert answered.body == b"?"
