"""kill -9 of the server while asynchronous requests wait and are in flight."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, IMAGE, ROLE, archive
from tests.waiting import until

pytestmark = pytest.mark.sandbox
REQUESTS, AT_ONCE = 60, 2
HANDLER = """
import sys, time

def model_fn(folder):
    return None

def input_fn(body, kind):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(data, model):
    sys.stdout.write(f"had {data}\\n")  # in one piece: two workers write to one log
    sys.stdout.flush()
    time.sleep(0.03)
    return data

def output_fn(prediction, accept):
    return "answer " + prediction, "text/plain"
"""


@pytest.mark.full
def test_nothing_is_lost_and_only_what_was_in_flight_is_repeated(start: Start) -> None:
    stand = start()
    body = archive({"code/inference.py": HANDLER})
    stand.s3.put_object(Bucket=BUCKET, Key="queued.tar.gz", Body=body)
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/queued.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"},
    }
    stand.sm.create_model(ModelName="queued", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "v",
        "ModelName": "queued",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    stand.sm.create_endpoint_config(
        EndpointConfigName="later",
        ProductionVariants=[variant],
        AsyncInferenceConfig={
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": AT_ONCE},
            "OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        },
    )
    stand.sm.create_endpoint(EndpointName="later", EndpointConfigName="later")
    found = stand.in_service("later")
    assert found["EndpointStatus"] == "InService", found
    runtime = stand.client("sagemaker-runtime")
    acknowledged = [
        runtime.invoke_endpoint_async(
            EndpointName="later", Body=str(n).encode(), ContentType="text/plain"
        )["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
        for n in range(REQUESTS)
    ]

    def stored() -> int:
        return stand.s3.list_objects_v2(Bucket=BUCKET, Prefix="out/")["KeyCount"]

    for part in (1, 2):
        until(lambda part=part: stored() >= REQUESTS * part // 4, "some results")
        stand.kill()
        stand.up()
    until(lambda: stored() == REQUESTS, "all results")
    for number, key in enumerate(acknowledged):
        found = stand.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert found == f"answer {number}".encode()
    said = "\n".join(stand.log("later", "Endpoints"))
    had = Counter(re.findall(r"had (\d+)", said))
    assert set(had) == {str(n) for n in range(REQUESTS)}
    # in flight: at the model, or answered and not yet stored and deleted
    assert sum(had.values()) - REQUESTS <= 2 * (AT_ONCE + 8)
