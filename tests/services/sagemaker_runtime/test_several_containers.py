"""Endpoints of models with several containers, and stateful sessions: real model servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.services.sagemaker_runtime import invoke
from tests.conftest import Server
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker_runtime.test_invoke import Stand, failed

CLEAN = """
import json, time
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    if content_type != "text/plain":
        raise ValueError("no text")
    return body.decode()
def predict_fn(text, model):
    if text == "bad":
        raise ValueError("not cleanable")
    if text == "nap":
        time.sleep(1)
    return {"clean": text.lower()}
"""
COUNT = """
import json, os, time
SESSIONS = {}
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept, context):
    asked = context.get_request_header(0, "X-Amzn-SageMaker-Session-Id")
    if asked == "NEW_SESSION":
        asked = "s-%d-%d" % (os.getpid(), len(SESSIONS))
        SESSIONS[asked] = 0
        context.set_response_header(
            0, "X-Amzn-SageMaker-New-Session-Id", asked + "; Expires=2999-01-01T00:00:00Z")
    if asked:
        SESSIONS[asked] += 1
        if SESSIONS[asked] == 3:
            context.set_response_header(0, "X-Amzn-SageMaker-Closed-Session-Id", asked)
        return json.dumps(SESSIONS[asked]), "application/json"
    if json.loads(body) == {"clean": "slow"}:
        return slow()
    return json.dumps([content_type, accept, json.loads(body)]), "application/json"
def slow():
    yield "begun"
    time.sleep(1)
    yield "late"
"""


@pytest.fixture(scope="module")
def stand(server: Server) -> Iterator[Stand]:
    made = Stand(server)
    s3 = server.client("s3")
    s3.create_bucket(Bucket="models")
    for name, code in (("clean", CLEAN), ("count", COUNT)):
        body = archive({"code/inference.py": code})
        s3.put_object(Bucket="models", Key=f"{name}.tar.gz", Body=body)
    for mode in ("Serial", "Direct"):
        made.sm.create_model(
            ModelName=mode,
            ExecutionRoleArn=ROLE,
            InferenceExecutionConfig={"Mode": mode},
            Containers=[
                {
                    "Image": IMAGE,
                    "ModelDataUrl": f"s3://models/{name}.tar.gz",
                    "ContainerHostname": name,
                    "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
                }
                for name in ("clean", "count")
            ],
        )
        made.config(mode, {"AllTraffic": mode})
        made.sm.create_endpoint(EndpointName=mode, EndpointConfigName=mode)
    for mode in ("Serial", "Direct"):
        assert made.settled(mode)["EndpointStatus"] == "InService"
    yield made
    made.clear()


def ask(stand: Stand, endpoint: str, body: bytes, **more: Any) -> Any:
    params = {"ContentType": "text/plain", **more}
    answer = stand.rt.invoke_endpoint(EndpointName=endpoint, Body=body, **params)
    return json.loads(answer["Body"].read())


def test_a_pipeline_hands_on_what_each_container_answered(stand: Stand) -> None:
    found = ask(stand, "Serial", b"SOME Text", Accept="application/json")
    assert found == ["application/json", "application/json", {"clean": "some text"}]


def test_the_container_that_fails_is_named_with_its_log(stand: Stand) -> None:
    found = failed("ModelError", ask, stand, "Serial", b"bad")
    assert found["Error"]["Message"].startswith(
        'Received server error (500) from clean with message "ValueError: not cleanable".'
    )
    assert found["LogStreamArn"].endswith("/clean")
    found = failed("ValidationError", ask, stand, "Serial", b"x", TargetContainerHostname="count")
    assert "TargetContainerHostname is allowed only" in found["Error"]["Message"]


def test_a_stream_comes_through_the_pipeline(stand: Stand) -> None:
    answer = stand.rt.invoke_endpoint_with_response_stream(
        EndpointName="Serial", ContentType="text/plain", Body=b"A"
    )
    parts = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert json.loads(parts)[2] == {"clean": "a"}
    failed(
        "ModelError",
        stand.rt.invoke_endpoint_with_response_stream,
        EndpointName="Serial",
        ContentType="text/plain",
        Body=b"bad",
    )


def test_answers_and_streams_have_their_time(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 seconds for an answer, 8 minutes for a stream, its beginning and all its pieces together."""
    assert (invoke.TIMEOUT, invoke.STREAM_TIMEOUT) == (60.0, 480.0)
    monkeypatch.setattr(invoke, "TIMEOUT", 0.3)
    found = failed("ModelError", ask, stand, "Serial", b"nap")
    words = "timed out while waiting for a response from container clean"
    assert words in found["Error"]["Message"]
    monkeypatch.undo()
    assert ask(stand, "Serial", b"a")[2] == {"clean": "a"}  # the worker is free again
    monkeypatch.setattr(invoke, "STREAM_TIMEOUT", 0.5)
    answer = stand.rt.invoke_endpoint_with_response_stream(
        EndpointName="Serial", ContentType="text/plain", Body=b"slow"
    )
    with pytest.raises(ClientError) as caught:
        list(answer["Body"])
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"
    assert "in time" in caught.value.response["Error"]["Message"]


def test_each_container_may_be_asked_directly(stand: Stand) -> None:
    assert ask(stand, "Direct", b"A", TargetContainerHostname="clean") == {"clean": "a"}
    found = ask(
        stand,
        "Direct",
        b"[1]",
        TargetContainerHostname="count",
        ContentType="application/json; charset=utf-8",
    )
    assert found[0] == "application/json; charset=utf-8"
    found = failed("ValidationError", ask, stand, "Direct", b"A")
    assert "TargetContainerHostname is required" in found["Error"]["Message"]


def test_a_session_lasts_until_the_model_closes_it(stand: Stand) -> None:
    def asked(session: str) -> dict[str, Any]:
        return stand.rt.invoke_endpoint(
            EndpointName="Direct",
            ContentType="application/json",
            Body=b"{}",
            TargetContainerHostname="count",
            SessionId=session,
        )

    first = asked("NEW_SESSION")
    session, _, expires = first["NewSessionId"].partition("; ")
    assert expires == "Expires=2999-01-01T00:00:00Z"
    second = asked(session)
    assert (json.loads(second["Body"].read()), second.get("NewSessionId")) == (2, None)
    assert asked(session)["ClosedSessionId"] == session
    found = failed("ValidationError", asked, session)
    assert f"Session {session}" in found["Error"]["Message"]
