"""The wire over HTTP: real clients with their own checks off, and hand-made requests, signed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.aws import models
from sagebrush.protocol.detect import CBOR
from sagebrush.protocol.message import Reply
from tests.protocol.samples import parsed_reply, request_of

UNCHECKED = Config(parameter_validation=False, retries={"total_max_attempts": 1})

Post = Callable[..., Reply]


@pytest.fixture
def post(server: Any) -> Post:
    """`post(signing name, body, headers, path)`: the reply to a signed POST."""
    keys = botocore.credentials.Credentials(*server.world.credentials.user_key)

    def send(scope: str, body: bytes, headers: dict[str, str], path: str = "/") -> Reply:
        request: Any = AWSRequest("POST", server.url + path, headers, body)
        botocore.auth.SigV4Auth(keys, scope, "us-east-1").add_auth(request)
        made = urllib.request.Request(server.url + path, body, dict(request.headers), method="POST")
        try:
            with urllib.request.urlopen(made, timeout=20) as answer:
                return Reply(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, dict(error.headers), error.read())

    return send


def refused(call: Callable[..., Any], **params: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that a client raises."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response: Any = caught.value.response
    error = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def test_constraints_are_told_in_awss_words(client: Any) -> None:
    sagemaker = client("sagemaker", config=UNCHECKED)
    assert refused(sagemaker.describe_training_job, TrainingJobName="-") == (
        400,
        "ValidationException",
        "1 validation error detected: Value '-' at 'trainingJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
    )
    status, code, message = refused(client("iam", config=UNCHECKED).create_role)
    assert (status, code) == (400, "ValidationError")
    assert message.startswith("2 validation errors detected: Value null at 'roleName' failed")


@pytest.mark.parametrize("service", models.SERVICES)
def test_an_operation_that_is_lacking_is_named_and_not_tried_again(
    client: Any, server: Any, service: str
) -> None:
    lacking = [n for n in models.names(service) if (service, n) not in server.world.operations]
    plain = [n for n in lacking if n.startswith(("List", "Get", "Describe"))]
    for name in plain[:3]:
        op: Any = models.operation(service, name)
        shape = op.input_shape
        if op.has_event_stream_output or (shape and shape.required_members):
            continue
        snake = next(k for k, v in models.known(service).items() if v == name)
        call = getattr(client(service, config=Config(inject_host_prefix=False)), snake)
        status, code, message = refused(call)
        assert "NotImplemented" in code
        assert name in message
        assert status in (400, 501)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b'{"MaxResults": "many"}', "SerializationException"),
        (b'{"MaxResults": 1000}', "ValidationException"),
        (b"\xff", "SerializationException"),
        (b'{"Strange": 1}', ""),
    ],
)
def test_malformed_json(post: Post, body: bytes, code: str) -> None:
    headers = {
        "X-Amz-Target": "SageMaker.ListTrainingJobs",
        "Content-Type": "application/x-amz-json-1.1",
    }
    answer = post("sagemaker", body, headers)
    assert isinstance(answer.body, bytes)
    assert answer.status == (400 if code else 200)
    assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert answer.headers["x-amzn-RequestId"]
    assert json.loads(answer.body).get("__type", "") == code


def test_unknown_services_and_targets(post: Post) -> None:
    answer = post("dynamodb", b"{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"})
    assert answer.status == 400
    assert isinstance(answer.body, bytes)
    assert b"dynamodb" in answer.body
    answer = post("sagemaker", b"{}", {"X-Amz-Target": "SageMaker.MakeCoffee"})
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["__type"] == "UnknownOperationException"


@pytest.mark.parametrize("protocol", ["json", "query", CBOR])
def test_cloudwatch_answers_each_request_in_its_own_protocol(post: Post, protocol: str) -> None:
    def call(name: str, params: dict[str, Any]) -> dict[str, Any]:
        op: Any = models.operation("cloudwatch", name)
        request = request_of(op, protocol, params)
        assert isinstance(request.body, bytes)
        answer = post("monitoring", request.body, dict(request.headers), request.path)
        return parsed_reply(op, protocol, answer)

    space = f"Test/{protocol}"
    put = call(
        "PutMetricData", {"Namespace": space, "MetricData": [{"MetricName": "m", "Value": 2}]}
    )
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 200
    listed = call("ListMetrics", {"Namespace": space})
    assert [metric["MetricName"] for metric in listed["Metrics"]] == ["m"]
    wrong = call("PutMetricData", {"Namespace": "x" * 300, "MetricData": []})
    assert wrong["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert wrong["Error"]["Message"]


def test_a_large_put_metric_data_comes_compressed(client: Any) -> None:
    cloudwatch = client("cloudwatch")
    sent: list[str] = []
    cloudwatch.meta.events.register(
        "before-send.cloudwatch.PutMetricData",
        lambda request, **_: sent.append(str(request.headers.get("Content-Encoding"))),
    )
    names = [f"metric-with-a-rather-long-name-{n:04d}" for n in range(300)]
    data = [{"MetricName": name, "Value": 1.0} for name in names]
    cloudwatch.put_metric_data(Namespace="Test/Compressed", MetricData=data)
    assert "gzip" in sent[0]
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="Test/Compressed")
    assert {m["MetricName"] for page in pages for m in page["Metrics"]} == set(names)


KEYS = ["a b", "a+b", "a//b", "/", "é/ü", "a%2Fb", "a&b=c?d#e", "dir/", "./x/../y", "😀", "~!*'()"]


def test_awkward_keys_survive(client: Any) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="keys")
    for key in KEYS:
        s3.put_object(Bucket="keys", Key=key, Body=key.encode())
    for key in KEYS:
        assert s3.get_object(Bucket="keys", Key=key)["Body"].read() == key.encode()
    listed = s3.list_objects_v2(Bucket="keys")["Contents"]
    assert sorted(item["Key"] for item in listed) == sorted(KEYS)
    found = s3.delete_objects(Bucket="keys", Delete={"Objects": [{"Key": key} for key in KEYS]})
    assert {item["Key"] for item in found["Deleted"]} == set(KEYS)


def test_bad_xml_and_bad_numbers_in_s3(client: Any) -> None:
    s3 = client("s3", config=UNCHECKED)
    s3.create_bucket(Bucket="wrong")
    call = s3.put_bucket_tagging
    status, code, _ = refused(call, Bucket="wrong", Tagging={"TagSet": [{"Key": "k"}]})
    assert (status, code) == (400, "MalformedXML")
    status, code, _ = refused(s3.list_objects_v2, Bucket="wrong", MaxKeys="many")
    assert (status, code) == (400, "InvalidArgument")
