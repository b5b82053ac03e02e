"""Each request's own service and protocol, from what boto3 sends and from what others send."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from sagebrush.aws import models
from sagebrush.errors import AwsError
from sagebrush.protocol.detect import CBOR, Target, detect, dialect, scope_service
from sagebrush.protocol.message import Request
from tests.protocol.samples import request_of, sample


class Caught(Exception):
    """Stops a client before it sends."""


def sent_by_boto3(service: str, call: str, **params: Any) -> Request:
    """The signed request that boto3 makes, as far as detection reads it."""
    client: Any = boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url="http://localhost:4566",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(inject_host_prefix=False),
    )
    caught: list[AWSRequest] = []

    def catch(request: AWSRequest, **_: Any) -> None:
        caught.append(request)
        raise Caught

    client.meta.events.register("before-send", catch)
    with pytest.raises(Caught):
        getattr(client, call)(**params)
    request: Any = caught[0]
    path, _, query = request.url.removeprefix("http://localhost:4566").partition("?")
    pairs = [(k, v) for k, _, v in (part.partition("=") for part in query.split("&") if part)]
    headers = {
        k.lower(): v if isinstance(v, str) else v.decode() for k, v in request.headers.items()
    }
    return Request(request.method, path, pairs, headers, request.body or b"")


@pytest.mark.parametrize(
    ("service", "call", "params", "protocol"),
    [
        ("s3", "list_buckets", {}, "rest-xml"),
        ("s3", "get_object", {"Bucket": "b-1", "Key": "endpoints/x/invocations"}, "rest-xml"),
        ("sagemaker", "list_training_jobs", {}, "json"),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"x"}, "rest-json"),
        ("sagemaker-runtime", "invoke_endpoint_async",
         {"EndpointName": "e", "InputLocation": "s3://b/k"}, "rest-json"),
        ("sagemaker-metrics", "batch_put_metrics",
         {"TrialComponentName": "t", "MetricData": [{"MetricName": "m", "Timestamp": 0, "Value": 1}]},
         "rest-json"),
        ("lambda", "list_functions", {}, "rest-json"),
        ("stepfunctions", "list_state_machines", {}, "json"),
        ("comprehend", "detect_sentiment", {"Text": "x", "LanguageCode": "en"}, "json"),
        ("application-autoscaling", "describe_scaling_policies",
         {"ServiceNamespace": "sagemaker"}, "json"),
        ("cloudwatch", "list_metrics", {}, "json"),
        ("logs", "describe_log_groups", {}, "json"),
        ("sts", "get_caller_identity", {}, "query"),
        ("iam", "list_roles", {}, "query"),
        ("ecr", "describe_repositories", {}, "json"),
        ("events", "list_rules", {}, "json"),
    ],
)  # fmt: skip
def test_what_boto3_sends(service: str, call: str, params: dict[str, Any], protocol: str) -> None:
    request = sent_by_boto3(service, call, **params)
    target = detect(request)
    assert target == Target(service, protocol)
    assert target.signing_name == scope_service(request)


def signed(service: str, **headers: str) -> dict[str, str]:
    scope = f"Credential=AKIA/20240101/us-east-1/{service}/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        **headers,
    }


@pytest.mark.parametrize("protocol", ["query", "json", CBOR])
def test_cloudwatch_speaks_three_protocols_and_each_request_tells(protocol: str) -> None:
    op: Any = models.operation("cloudwatch", "PutMetricData")
    plain = request_of(op, protocol, sample(op.input_shape, True))
    request = Request("POST", plain.path, plain.query, dict(plain.headers) | signed("monitoring"))
    assert detect(request) == Target("cloudwatch", protocol)
    assert dialect(request) == protocol


def test_a_presigned_request_is_known_by_its_query() -> None:
    query = [("X-Amz-Credential", "AKIA/20240101/us-east-1/s3/aws4_request")]
    assert detect(Request("GET", "/b/k", query, {})) == Target("s3", "rest-xml")
    query = [("Action", "GetCallerIdentity"),
             ("X-Amz-Credential", "AKIA/20240101/us-east-1/sts/aws4_request")]  # fmt: skip
    assert detect(Request("GET", "/", query, {})) == Target("sts", "query")


def test_unsigned_requests_are_told_by_their_form() -> None:
    form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
    assert detect(Request("POST", "/", [], form, body)) == Target("sts", "query")
    assert detect(Request("POST", "/", [], form, b"Action=ListRoles")) == Target("iam", "query")
    body = b"Action=ListQueues&Version=2012-11-05"
    assert detect(Request("POST", "/", [], form, body)) == Target("sqs", "query")
    assert detect(Request("POST", "/", [], form | signed("sqs"))) == Target("sqs", "query")
    assert detect(Request("GET", "/b/k", [], {})) == Target("s3", "rest-xml")
    target = {"x-amz-target": "SageMaker.ListModels"}
    assert detect(Request("POST", "/", [], target, b"{}")) == Target("sagemaker", "json")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (signed("dynamodb"), "NotImplemented"),
        (signed("states"), "UnknownOperationException"),
        (signed("states") | {"x-amz-target": "SageMaker.ListModels"}, "UnknownOperationException"),
        ({"x-amz-target": "Nobody.Nothing"}, "UnknownOperationException"),
        ({"smithy-protocol": "rpc-v2-cbor"}, "UnknownOperationException"),
    ],
)
def test_what_nobody_serves_is_an_error_of_the_client(headers: dict[str, str], code: str) -> None:
    with pytest.raises(AwsError) as caught:
        detect(Request("POST", "/", [], headers))
    assert caught.value.code == code
    assert 400 <= caught.value.status < 500
