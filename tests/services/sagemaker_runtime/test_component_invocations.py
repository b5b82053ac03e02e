"""Inference components end to end: boto3, a running server, real model servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Server
from tests.services.sagemaker.hosting.test_model import ROLE
from tests.services.sagemaker_runtime.test_invoke import Stand, failed
from tests.waiting import until


@pytest.fixture(scope="module")
def stand(server: Server) -> Iterator[Stand]:
    made = Stand(server)
    made.model("old", data="old")
    made.model("new", data="new")
    made.sm.create_endpoint_config(
        EndpointConfigName="room",
        ExecutionRoleArn=ROLE,
        ProductionVariants=[
            {
                "VariantName": "v",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                "ManagedInstanceScaling": {
                    "Status": "ENABLED",
                    "MinInstanceCount": 0,
                    "MaxInstanceCount": 2,
                },
            }
        ],
    )
    assert made.endpoint("e", "room")["EndpointStatus"] == "InService"
    yield made
    made.clear()


def settled(stand: Stand) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = stand.sm.describe_inference_component(InferenceComponentName="c")
        busy = found["InferenceComponentStatus"] in ("Creating", "Updating")
        return None if busy else found

    return until(look, "the inference component")


def test_a_component_answers_while_it_is_updated_and_scales_to_zero_and_back(
    stand: Stand,
) -> None:
    needs = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 256}
    stand.sm.create_inference_component(
        InferenceComponentName="c",
        EndpointName="e",
        VariantName="v",
        Specification={"ModelName": "old", "ComputeResourceRequirements": needs},
        RuntimeConfig={"CopyCount": 1},
    )
    assert settled(stand)["InferenceComponentStatus"] == "InService"
    assert stand.ask("e", 1, InferenceComponentName="c")["model"] == "old"
    found = failed("ValidationError", stand.ask, "e", 1)
    assert "Inference Component Name header is required" in found["Error"]["Message"]
    found = failed("ModelError", stand.ask, "e", "raise", InferenceComponentName="c")
    group = "/aws/sagemaker/InferenceComponents/c"
    assert f"log-group:{group}:" in found["LogStreamArn"]
    assert stand.server.client("logs").describe_log_streams(logGroupName=group)["logStreams"]

    stop, models = threading.Event(), list[str]()

    def ask() -> None:
        while not stop.is_set():
            models.append(stand.ask("e", 1, InferenceComponentName="c")["model"])
        models.append("done")

    asking = threading.Thread(target=ask)
    asking.start()
    stand.sm.update_inference_component(
        InferenceComponentName="c", Specification={"ModelName": "new"}
    )
    assert settled(stand)["Specification"]["ModelName"] == "new"
    stop.set()
    asking.join()
    assert models.pop() == "done", "a request failed"
    assert models == sorted(models, reverse=True)  # old, then new
    answer = stand.rt.invoke_endpoint_with_response_stream(
        EndpointName="e",
        InferenceComponentName="c",
        ContentType="application/json",
        Body=b'"stream"',
    )
    parts = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert parts == b"one two three"

    for copies in (0, 1):
        stand.sm.update_inference_component_runtime_config(
            InferenceComponentName="c", DesiredRuntimeConfig={"CopyCount": copies}
        )
        assert settled(stand)["RuntimeConfig"]["DesiredCopyCount"] == copies
        if not copies:
            found = failed("ValidationError", stand.ask, "e", 1, InferenceComponentName="c")
            assert "has no capacity to process this request" in found["Error"]["Message"]
    assert stand.ask("e", 1, InferenceComponentName="c")["model"] == "new"
    stand.sm.delete_inference_component(InferenceComponentName="c")
    until(lambda: not stand.sm.list_inference_components()["InferenceComponents"], "its end")
