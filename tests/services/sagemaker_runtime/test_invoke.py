"""InvokeEndpoint end to end: boto3, a running server, real model servers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.compute.local import probe
from sagebrush.store.series import Metric
from tests.conftest import Server, make_settings, started
from tests.needs import missing
from tests.services.sagemaker.doubles import FakeEnvironments, archive
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.waiting import until

ECHO = """
import json, os, time
def model_fn(model_dir):
    return open(os.path.join(model_dir, "weights")).read()
def input_fn(body, content_type):
    if content_type == "text/plain":
        return body.decode()
    return json.loads(body)
def predict_fn(data, model):
    if data == "die":
        os._exit(7)
    if data == "raise":
        raise ValueError("a column is missing")
    if data == "sleep":
        time.sleep(30)
    return {"model": model, "data": data, "pid": os.getpid(), "ppid": os.getppid()}
def output_fn(prediction, accept, context):
    attributes = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    if attributes:
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", attributes + " too")
    if prediction["data"] == "stream":
        return (piece for piece in ["one ", "two ", "three"])
    if prediction["data"] == "break":
        return broken()
    return json.dumps(prediction), "application/json"
def broken():
    yield "begun "
    raise ValueError("halfway")
"""


class Stand:
    """A running server and what a test does with it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.world.environments = FakeEnvironments()  # type: ignore[assignment]
        self.sm = server.client("sagemaker")
        self.rt = server.client("sagemaker-runtime")

    def model(
        self, name: str, code: str = ECHO, workers: int = 1, data: str = "w", **variables: str
    ) -> None:
        """A model, and a configuration of its name that serves it."""
        s3 = self.server.client("s3")
        s3.create_bucket(Bucket="models")
        body = archive({"weights": data, "code/inference.py": code})
        s3.put_object(Bucket="models", Key=f"{name}/model.tar.gz", Body=body)
        self.sm.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://models/{name}/model.tar.gz",
                "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers), **variables},
            },
        )
        self.config(name, {"AllTraffic": name})

    def config(self, name: str, variants: dict[str, str], count: int = 1) -> None:
        self.sm.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": variant,
                    "ModelName": model,
                    "InstanceType": "ml.t2.medium",
                    "InitialInstanceCount": count,
                }
                for variant, model in variants.items()
            ],
        )

    def endpoint(self, name: str, config: str) -> dict[str, Any]:
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.settled(name)

    def settled(self, name: str) -> dict[str, Any]:
        """The endpoint once it is neither Creating nor Updating."""

        def look() -> dict[str, Any] | None:
            found = self.sm.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] not in ("Creating", "Updating") else None

        return until(look, f"the endpoint {name}")

    def clear(self) -> None:
        """No endpoint is left, and none of their processes."""
        deadline = time.monotonic() + 30
        while found := self.sm.list_endpoints(MaxResults=100)["Endpoints"]:
            assert time.monotonic() < deadline, found
            for each in found:
                if each["EndpointStatus"] in ("InService", "Failed"):
                    self.sm.delete_endpoint(EndpointName=each["EndpointName"])
            time.sleep(0.01)

    def ask(self, name: str, data: object, **more: Any) -> Any:
        answer = self.rt.invoke_endpoint(
            EndpointName=name,
            ContentType="application/json",
            Body=json.dumps(data).encode(),
            **more,
        )
        return json.loads(answer["Body"].read())


@pytest.fixture(scope="module")
def stand(server: Server) -> Iterator[Stand]:
    made = Stand(server)
    made.model("echo")
    made.endpoint("echo", "echo")
    yield made
    made.clear()


def failed(code: str, call: Callable[..., Any], *args: Any, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(*args, **params)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return dict(caught.value.response)


def until_gone(pid: int) -> None:
    """The process has ended (a worker's end may follow its server's by a moment)."""
    deadline = time.monotonic() + 10
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_answer_comes_back_with_its_type_and_variant(stand: Stand) -> None:
    answer = stand.rt.invoke_endpoint(
        EndpointName="echo",
        ContentType="application/json",
        Accept="application/json",
        CustomAttributes="trace=1",
        InferenceId="i-1",
        Body=b"[1, 2]",
    )
    assert json.loads(answer["Body"].read())["data"] == [1, 2]
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "trace=1 too"


def test_many_at_once_are_each_answered_once(stand: Stand) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: stand.ask("echo", n)["data"], range(200)))
    assert found == list(range(200))


def test_the_users_exception_is_a_model_error(stand: Stand) -> None:
    found = failed("ModelError", stand.ask, "echo", "raise")
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert found["OriginalStatusCode"] == 500
    assert found["OriginalMessage"] == "ValueError: a column is missing"
    assert found["LogStreamArn"].startswith(
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/echo:log-stream:All"
    )
    assert found["Error"]["Message"].startswith(
        'Received server error (500) from primary with message "ValueError: a column is missing".'
    )


def test_a_client_error_of_the_model_keeps_its_status(stand: Stand) -> None:
    stand.model("plain", "def model_fn(model_dir):\n    return len\n")
    stand.endpoint("plain", "plain")
    found = failed(
        "ModelError",
        stand.rt.invoke_endpoint,
        EndpointName="plain",
        ContentType="application/xml",
        Body=b"<x/>",
    )
    assert found["OriginalStatusCode"] == 415
    assert found["Error"]["Message"].startswith("Received client error (415) from primary")


def test_a_worker_that_dies_loses_its_request_and_no_other(stand: Stand) -> None:
    before = stand.ask("echo", 1)["pid"]
    found = failed("ModelError", stand.ask, "echo", "die")
    assert found["OriginalStatusCode"] == 502
    assert stand.ask("echo", 2)["pid"] != before


def test_beyond_the_queue_callers_are_told_at_once_and_sdks_do_not_repeat(stand: Stand) -> None:
    """Sources: aws/deep-learning-containers#4478 (the words), ModelError of the API reference."""
    stand.model("full", ECHO.replace("sleep(30)", "sleep(0.2)"), SAGEBRUSH_QUEUE_SIZE="1")
    stand.endpoint("full", "full")

    def ask(_: int) -> dict[str, Any] | None:
        try:
            return None if stand.ask("full", "sleep") else {}
        except ClientError as error:
            return dict(error.response)

    with ThreadPoolExecutor(8) as pool:
        refused = [found for found in pool.map(ask, range(8)) if found is not None]
    assert 1 <= len(refused) <= 6
    for found in refused:
        assert (found["Error"]["Code"], found["OriginalStatusCode"]) == ("ModelError", 503)
        assert json.loads(found["OriginalMessage"])["type"] == "ServiceUnavailableException"
        assert found["ResponseMetadata"]["RetryAttempts"] == 0
    assert stand.ask("full", 1)["data"] == 1


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"EndpointName": "none"}, "Endpoint none of account 123456789012 not found."),
        ({"TargetVariant": "bogus"}, "Variant bogus"),
        ({"TargetModel": "m.tar.gz"}, "multi-model"),
        ({"SessionId": "s-none"}, "Session s-none of endpoint echo was not found"),
        ({"InferenceComponentName": "c"}, "inference components"),
    ],
)
def test_what_cannot_be_asked_is_refused(stand: Stand, params: dict[str, str], words: str) -> None:
    asked = {"EndpointName": "echo", "Body": b"1", **params}
    found = failed("ValidationError", stand.rt.invoke_endpoint, **asked)
    assert words in found["Error"]["Message"]


def test_asynchronous_invocation_is_refused(stand: Stand) -> None:
    found = failed(
        "ValidationError",
        stand.rt.invoke_endpoint_async,
        EndpointName="echo",
        InputLocation="s3://models/x",
    )
    assert "asynchronous" in found["Error"]["Message"]


def test_a_body_beyond_the_limit_is_refused(stand: Stand) -> None:
    body = b" " * (6 * 1024 * 1024) + b"1"
    with pytest.raises(ClientError) as caught:
        stand.rt.invoke_endpoint(EndpointName="echo", ContentType="application/json", Body=body)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    largest = b" " * (6 * 1024 * 1024 - 1) + b"1"
    answer = stand.rt.invoke_endpoint(
        EndpointName="echo", ContentType="application/json", Body=largest
    )
    assert json.loads(answer["Body"].read())["data"] == 1


def test_a_stream_comes_in_its_pieces(stand: Stand) -> None:
    answer = stand.rt.invoke_endpoint_with_response_stream(
        EndpointName="echo", ContentType="application/json", Body=b'"stream"'
    )
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    pieces = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert b"".join(pieces) == b"one two three"


def test_a_stream_that_breaks_ends_with_its_error(stand: Stand) -> None:
    answer = stand.rt.invoke_endpoint_with_response_stream(
        EndpointName="echo", ContentType="application/json", Body=b'"break"'
    )
    with pytest.raises(ClientError) as caught:
        list(answer["Body"])
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"
    failed(
        "ModelError",
        stand.rt.invoke_endpoint_with_response_stream,
        EndpointName="echo",
        ContentType="application/json",
        Body=b'"raise"',
    )


def test_a_target_variant_is_asked_and_weights_hold(stand: Stand) -> None:
    stand.model("a", data="A")
    stand.model("b", data="B")
    stand.config("ab", {"a": "a", "b": "b"})
    stand.endpoint("ab", "ab")
    assert {stand.ask("ab", 1, TargetVariant="b")["model"] for _ in range(5)} == {"B"}
    stand.sm.update_endpoint_weights_and_capacities(
        EndpointName="ab",
        DesiredWeightsAndCapacities=[{"VariantName": "a", "DesiredWeight": 0}],
    )
    stand.settled("ab")
    assert {stand.ask("ab", 1)["model"] for _ in range(20)} == {"B"}


def test_no_request_is_lost_in_an_update(stand: Stand) -> None:
    stand.model("v1", data="1")
    stand.model("v2", data="2")
    stand.endpoint("v", "v1")
    seen, done = [], []

    def load() -> None:
        while not done:
            seen.append(stand.ask("v", 1)["model"])

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(load) for _ in range(4)]
        stand.sm.update_endpoint(EndpointName="v", EndpointConfigName="v2")
        found = stand.settled("v")
        after = stand.ask("v", 1)["model"]
        done.append(True)
        for each in running:
            each.result()
    assert (found["EndpointStatus"], after) == ("InService", "2")
    assert {"1", "2"} >= set(seen)
    assert seen[-1] == "2"


def test_a_killed_replica_is_replaced_and_the_endpoint_answers_again(stand: Stand) -> None:
    stand.model("killed")
    stand.endpoint("killed", "killed")
    master = stand.ask("killed", 1)["ppid"]
    os.kill(master, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline
        try:
            found = stand.ask("killed", 1)
            break
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ModelError", "ServiceUnavailable"):
                raise
    assert found["ppid"] != master
    assert stand.settled("killed")["EndpointStatus"] == "InService"


def test_a_model_that_cannot_load_fails_fast_with_its_traceback(stand: Stand) -> None:
    stand.model("bad", "def model_fn(model_dir):\n    return undefined\n")
    began = time.monotonic()
    found = stand.endpoint("bad", "bad")
    assert found["EndpointStatus"] == "Failed"
    assert "NameError: name 'undefined' is not defined" in found["FailureReason"]
    assert time.monotonic() - began < 20
    found = failed("ValidationError", stand.ask, "bad", 1)
    assert found["Error"]["Message"] == "Endpoint bad of account 123456789012 not found."


def test_a_deleted_endpoint_is_not_found_at_once(stand: Stand) -> None:
    stand.endpoint("gone", "echo")
    pid = stand.ask("gone", 1)["pid"]
    stand.sm.delete_endpoint(EndpointName="gone")
    failed("ValidationError", stand.ask, "gone", 1)
    deadline = time.monotonic() + 30
    while any(e["EndpointName"] == "gone" for e in stand.sm.list_endpoints()["Endpoints"]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    until_gone(pid)


def test_answers_are_counted_as_cloudwatch_metrics(stand: Stand) -> None:
    tallies = stand.server.world.tallies
    tallies.flush()
    stand.endpoint("counted", "echo")
    for data in (1, 2, "raise"):
        with contextlib.suppress(ClientError):
            stand.ask("counted", data)
    tallies.flush()
    dimensions = {"EndpointName": "counted", "VariantName": "AllTraffic"}

    def total(name: str) -> tuple[float, float]:
        metric = Metric("AWS/SageMaker", name, dimensions)
        points = stand.server.world.series.query(*metric_scope, metric, 0, 1e12)
        return sum(p.value for p in points), sum(p.count for p in points)

    metric_scope = ("123456789012", "us-east-1")
    assert total("Invocations") == (3, 3)
    assert total("Invocation5XXErrors") == (1, 3)
    assert total("Invocation4XXErrors") == (0, 3)
    assert total("InvocationModelErrors") == (1, 3)
    latency, count = total("ModelLatency")
    assert count == 3
    assert 0 < latency / 3 < 30e6
    assert total("OverheadLatency")[1] == 3


def test_an_endpoint_answers_again_soon_after_a_restart(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "home", isolation="process")
    server = started(settings)
    stand = Stand(server)
    stand.model("echo")
    stand.endpoint("echo", "echo")
    before = stand.ask("echo", 1)["pid"]
    server.stop()
    server = started(settings)
    try:
        stand = Stand(server)
        began = time.monotonic()
        found = stand.ask("echo", 1)
        assert time.monotonic() - began < 20
        assert found["pid"] == before, "the replica lives on"
        assert stand.settled("echo")["EndpointStatus"] == "InService"
    finally:
        stand.clear()
        server.stop()


def test_an_endpoint_whose_workers_were_stopped_comes_back_with_the_server(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "home", isolation="process")
    server = started(settings)
    stand = Stand(server)
    stand.model("echo")
    stand.endpoint("echo", "echo")
    before = stand.ask("echo", 1)["pid"]
    server.app.stop_jobs(lambda: False)  # as `sagebrush down` does
    server.stop()
    until_gone(before)
    server = started(settings)
    try:
        stand = Stand(server)
        assert stand.ask("echo", 1)["data"] == 1
        assert "FailureReason" not in stand.settled("echo")
    finally:
        stand.clear()
        server.stop()


SPY = """
import json, os, socket
def model_fn(model_dir):
    return model_dir
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    return {"dir": model, "exists": os.path.exists(data), "pids": len(os.listdir("/proc")),
            "hosts": socket.gethostname()}
def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


@pytest.mark.sandbox
def test_an_endpoint_in_a_sandbox_sees_only_its_own(tmp_path: Path) -> None:
    check = probe.sandboxed()
    if not check.ok:
        missing(f"this host cannot isolate: {check.detail}")
    secret = tmp_path / "secret"
    secret.write_text("the host's")
    settings = make_settings(tmp_path / "home", isolation="sandbox")
    server = started(settings)
    stand = Stand(server)
    try:
        stand.model("spy", SPY)
        found = stand.endpoint("spy", "spy")
        assert found["EndpointStatus"] == "InService", found
        told = stand.ask("spy", str(secret))
        assert (told["dir"], told["exists"]) == ("/opt/ml/model", False)
        assert not stand.ask("spy", str(tmp_path / "home" / "keys"))["exists"]
        server.stop()
        server = started(settings)
        stand = Stand(server)
        assert stand.ask("spy", "/opt/ml/model/weights")["exists"], "dialled anew after a restart"
    finally:
        stand.clear()
        server.stop()
