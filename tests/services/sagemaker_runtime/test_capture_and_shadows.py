"""Data capture and shadow variants of a running server: what is in S3 afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.store.series import Metric
from tests.conftest import Server
from tests.services.sagemaker_runtime.test_invoke import Stand, failed
from tests.waiting import until


@pytest.fixture(scope="module")
def stand(server: Server) -> Iterator[Stand]:
    made = Stand(server)
    made.model("old", data="old")
    made.model("new", data="new")
    variants = [
        {
            "VariantName": name,
            "ModelName": name,
            "InstanceType": "ml.t2.medium",
            "InitialInstanceCount": 1,
        }
        for name in ("old", "new")
    ]
    made.sm.create_endpoint_config(
        EndpointConfigName="captured",
        ProductionVariants=variants[:1],
        ShadowProductionVariants=variants[1:],
        DataCaptureConfig={
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://models/captured",
            "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
        },
    )
    assert made.endpoint("e", "captured")["EndpointStatus"] == "InService"
    yield made
    made.clear()


def captured(stand: Stand, variant: str) -> list[Any]:
    stand.server.world.captures.flush()
    s3 = stand.server.client("s3")
    prefix = f"captured/e/{variant}/"
    page = s3.list_objects_v2(Bucket="models", Prefix=prefix)
    found = []
    for each in page.get("Contents", ()):
        body = s3.get_object(Bucket="models", Key=each["Key"])["Body"].read()
        found += [json.loads(line) for line in body.splitlines()]
    return found


def test_both_variants_answers_are_captured_and_only_one_is_given(stand: Stand) -> None:
    answer = stand.ask("e", ["text"], InferenceId="one")
    assert answer["model"] == "old"
    failed("ModelError", stand.ask, "e", "raise")
    shadowed = until(lambda: captured(stand, "new"), "the shadow's answer")
    (line,) = captured(stand, "old")
    assert json.loads(line["captureData"]["endpointInput"]["data"]) == ["text"]
    assert json.loads(line["captureData"]["endpointOutput"]["data"]) == answer
    assert line["eventMetadata"]["inferenceId"] == "one"
    assert json.loads(shadowed[0]["captureData"]["endpointOutput"]["data"])["model"] == "new"
    stand.server.world.tallies.flush()
    dimensions = {"EndpointName": "e", "VariantName": "new"}
    metric = Metric("AWS/SageMaker", "Invocations", dimensions)
    place = ("123456789012", "us-east-1")
    assert stand.server.world.series.query(*place, metric, 0.0, 1e12)


def test_a_streamed_answer_is_captured_whole(stand: Stand) -> None:
    answer = stand.rt.invoke_endpoint_with_response_stream(
        EndpointName="e", ContentType="application/json", Body=b'"stream"', InferenceId="two"
    )
    parts = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])

    def found() -> list[Any]:  # it is captured after its last piece was sent
        lines = captured(stand, "old")
        return [each for each in lines if each["eventMetadata"].get("inferenceId") == "two"]

    (line,) = until(found, "the captured stream")
    assert line["captureData"]["endpointOutput"]["data"] == parts.decode()


def test_describe_tells_of_both(stand: Stand) -> None:
    found = stand.sm.describe_endpoint(EndpointName="e")
    assert [v["VariantName"] for v in found["ProductionVariants"]] == ["old"]
    assert [v["VariantName"] for v in found["ShadowProductionVariants"]] == ["new"]
    assert found["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": "s3://models/captured",
        "KmsKeyId": "",
    }
