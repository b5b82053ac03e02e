"""Errors through botocore's parsers, in every protocol; and what answers look like beside their body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.aws import models, names
from sagebrush.errors import AwsError
from sagebrush.protocol import reply
from sagebrush.protocol.detect import CBOR
from sagebrush.store.objects import Blob
from sagebrush.store.spool import Spooled
from tests.protocol.samples import WHEN, normal, parsed_reply, sample

CASES = [(s, p) for s in models.SERVICES for p in models.protocols(s)]


@pytest.mark.parametrize(("service", "protocol"), CASES)
def test_every_modelled_error_arrives(service: str, protocol: str) -> None:
    wrong = {}
    op: Any = models.operation(service, models.names(service)[0], protocol)
    for code, found in models.error_shapes(service).items():
        shape: Any = found.shape
        fields = sample(shape, True) or {}
        fields = {k: v for k, v in fields.items() if k.lower() not in ("message", "code")}
        error = AwsError(code, "what went <wrong> é", **fields)
        rendered = reply.render_error(error, protocol, op, "request-1")
        parsed = parsed_reply(op, protocol, rendered)
        told = parsed["Error"]
        if told["Code"] != found.code or told["Message"] != "what went <wrong> é":
            wrong[code] = told
        if parsed["ResponseMetadata"]["RequestId"] != "request-1":
            wrong[code] = parsed["ResponseMetadata"]
        members = parsed_reply(op, protocol, rendered, shape)
        members = {k: v for k, v in members.items() if k in fields}
        if normal(members) != normal(fields):
            wrong[code] = (members, fields)
    assert not wrong


@pytest.mark.parametrize(("service", "protocol"), CASES)
def test_errors_of_no_model_arrive(service: str, protocol: str) -> None:
    error = AwsError("SlowDown<>&", "too\x00 fast", 429)
    rendered = reply.render_error(error, protocol, None, "request-1", service)
    op: Any = models.operation(service, models.names(service)[0], protocol)
    parsed = parsed_reply(op, protocol, rendered)
    assert parsed["Error"]["Code"] == "SlowDown<>&"
    assert parsed["Error"]["Message"].startswith("too")
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_the_status_of_the_model_stands_where_the_raiser_left_the_default() -> None:
    def status(service: str, code: str, protocol: str, **kwargs: int) -> int:
        error = AwsError(code, "", **kwargs)
        return reply.render_error(error, protocol, None, "r", service).status

    assert status("iam", "NoSuchEntity", "query") == 404
    assert status("iam", "NoSuchEntityException", "query") == 404
    assert status("sagemaker-runtime", "ModelError", "rest-json") == 424
    assert status("lambda", "ResourceNotFoundException", "rest-json") == 404
    assert status("lambda", "ResourceNotFoundException", "rest-json", status=410) == 410
    assert status("sagemaker", "ValidationException", "json") == 400


def test_json_errors_carry_the_members_of_their_shape() -> None:
    error = AwsError("ModelError", "the model said no", OriginalStatusCode=500, OriginalMessage="x")
    rendered = reply.render_error(error, "rest-json", None, "r", "sagemaker-runtime")
    assert isinstance(rendered.body, bytes)
    assert json.loads(rendered.body) == {
        "__type": "ModelError",
        "Message": "the model said no",
        "OriginalStatusCode": 500,
        "OriginalMessage": "x",
    }
    assert rendered.headers["x-amzn-ErrorType"] == "ModelError"
    assert rendered.headers["Content-Type"] == "application/json"
    assert rendered.headers["x-amzn-RequestId"] == "r"


@pytest.mark.parametrize("protocol", ["json", "rest-json", CBOR, "query", "rest-xml"])
def test_fields_that_the_shape_lacks_never_break_an_error(protocol: str) -> None:
    error = AwsError("Odd", "m", When=WHEN, Raw=b"\xff", Nothing=None, Many={"a": {1}})
    answer = reply.render_error(error, protocol, None, "r", "cloudwatch")
    assert answer.status == 400
    assert answer.body


@pytest.mark.parametrize("protocol", ["json", CBOR])
def test_cloudwatch_tells_the_code_of_its_old_protocol(protocol: str) -> None:
    op: Any = models.operation("cloudwatch", "DescribeAlarms")
    error = AwsError("InvalidParameterValueException", "no")
    rendered = reply.render_error(error, protocol, op, "r")
    assert rendered.headers["x-amzn-query-error"] == "InvalidParameterValue;Sender"
    parsed = parsed_reply(op, protocol, rendered)
    assert parsed["Error"]["Code"] == "InvalidParameterValue"
    assert parsed["Error"]["Type"] == "Sender"


def test_s3_errors() -> None:
    op: Any = models.operation("s3", "GetObject")
    error = AwsError("NoSuchKey", "The specified key does not exist.", 404, Key="a&b")
    rendered = reply.render_error(error, "rest-xml", op, "r", method="GET", resource="/b/a&b")
    assert isinstance(rendered.body, bytes)
    assert rendered.body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey'
    )
    parsed = parsed_reply(op, "rest-xml", rendered)
    assert parsed["Error"] == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "Key": "a&b",
        "Resource": "/b/a&b",
    }
    assert parsed["ResponseMetadata"]["RequestId"] == "r"
    assert parsed["ResponseMetadata"]["HostId"] == names.host_id("r")
    head = reply.render_error(error, "rest-xml", op, "r", method="HEAD")
    assert (head.status, head.body) == (404, b"")
    unchanged = reply.render_error(AwsError("NotModified", "", 304), "rest-xml", op, "r")
    assert (unchanged.status, unchanged.body) == (304, b"")


# ---- answers ---------------------------------------------------------------------------------


def rendered(service: str, name: str, result: dict[str, Any] | None) -> reply.Reply:
    op: Any = models.operation(service, name)
    return reply.render(op, models.protocols(service)[0], result, "r")


def test_answers_without_a_body_have_none() -> None:
    deleted = rendered("s3", "DeleteObject", {"VersionId": "v"})
    assert (deleted.status, deleted.body) == (204, b"")
    assert deleted.headers["x-amz-version-id"] == "v"
    assert "Content-Type" not in deleted.headers
    assert rendered("s3", "CreateBucket", {"Location": "/b"}).body == b""
    assert rendered("sagemaker", "DeleteModel", None).body == b"{}"


def test_streams_pass_untouched() -> None:
    async def chunks() -> Any:
        yield b"a"

    stream = chunks()
    assert rendered("s3", "GetObject", {"Body": stream}).body is stream
    blob = Blob(3, data=b"abc")
    assert rendered("s3", "GetObject", {"Body": blob, "ContentLength": 3}).body is blob
    spooled = rendered("sagemaker-runtime", "InvokeEndpoint", {"Body": Spooled(1, "", data=b"x")})
    assert spooled.body == Blob(1, data=b"x")
    found = rendered("s3", "GetObject", {"Body": b"x", "ContentType": "text/html"})
    assert found.headers["Content-Type"] == "text/html"


def test_headers_cannot_be_split() -> None:
    found = rendered("s3", "GetObject", {"ContentType": "text/html\r\nX-Evil: 1", "Body": b""})
    assert "\r" not in found.headers["Content-Type"]
    assert "\n" not in found.headers["Content-Type"]
    found = rendered("s3", "GetObject", {"Metadata": {"a": "b\r\nX-Evil: 1"}, "Body": b""})
    assert not {"\r", "\n"} & set("".join(found.headers.values()))


def test_s3_listings_have_the_root_and_namespace_that_strict_clients_read() -> None:
    body = rendered("s3", "ListObjectsV2", {"Name": "b", "Contents": [{"Key": "k"}]}).body
    assert isinstance(body, bytes)
    assert body.split(b"\n", 1)[1] == (
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Contents><Key>k</Key></Contents><Name>b</Name></ListBucketResult>"
    )


def test_times_numbers_and_missing_members() -> None:
    found = rendered(
        "sagemaker",
        "DescribeTrainingJob",
        {
            "TrainingJobName": "j",
            "CreationTime": WHEN,
            "LastModifiedTime": 1_714_979_289.1234,
            "FinalMetricDataList": [{"MetricName": "m", "Value": float("nan"), "Timestamp": 1}],
            "FailureReason": None,
            "NotAMember": 1,
            "TrainingTimeInSeconds": 3,
        },
    )
    assert isinstance(found.body, bytes)
    assert json.loads(found.body) == {
        "TrainingJobName": "j",
        "CreationTime": 1714979289,
        "LastModifiedTime": 1714979289.123,
        "FinalMetricDataList": [{"MetricName": "m", "Value": "NaN", "Timestamp": 1}],
        "TrainingTimeInSeconds": 3,
    }
    assert found.headers["Content-Type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize("value", [WHEN, WHEN.timestamp(), "2024-05-06T07:08:09Z", "1714979289"])
def test_a_time_may_be_given_in_any_form(value: Any) -> None:
    found = rendered("s3", "GetObject", {"LastModified": value, "Body": b""})
    assert found.headers["Last-Modified"] == "Mon, 06 May 2024 07:08:09 GMT"


def test_s3_keeps_an_expires_that_is_no_date() -> None:
    assert rendered("s3", "GetObject", {"Expires": "whenever", "Body": b""}).headers["Expires"] == (
        "whenever"
    )
