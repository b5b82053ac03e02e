"""Asynchronous inference end to end: boto3, a running server, a real model server, SNS and SQS."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.services.sagemaker_runtime.asynchronous import locations, place
from sagebrush.services.sagemaker_runtime.notifications import notification
from sagebrush.store.series import Metric
from tests.conftest import Server
from tests.services.sagemaker.doubles import FakeEnvironments, archive
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sns.policies import lets_send
from tests.waiting import until

ACCOUNT, REGION = "123456789012", "us-east-1"
CODE = """
import json, time
def model_fn(folder):
    return None
def input_fn(body, kind):
    return {"body": body if isinstance(body, str) else bytes(body).decode(), "type": kind}
def predict_fn(data, model):
    if data["body"] == "raise":
        raise ValueError("a column is missing")
    if data["body"] == "sleep":
        time.sleep(30)
    return {"size": len(data["body"]), "type": data["type"]}
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


class Stand:
    """The endpoint `e`, whose successes and failures a queue hears of."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.world.environments = FakeEnvironments()  # type: ignore[assignment]
        self.sm, self.rt = server.client("sagemaker"), server.client("sagemaker-runtime")
        self.s3, self.sns, self.sqs = (server.client(name) for name in ("s3", "sns", "sqs"))
        self.s3.create_bucket(Bucket="bkt")
        body = archive({"code/inference.py": CODE})
        self.s3.put_object(Bucket="bkt", Key="m.tar.gz", Body=body)
        self.sm.create_model(
            ModelName="m",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://bkt/m.tar.gz"},
        )
        self.topic = self.sns.create_topic(Name="t")["TopicArn"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
        policy = {"Policy": lets_send(arn, self.topic)}
        self.queue = self.sqs.create_queue(QueueName="q", Attributes=policy)["QueueUrl"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        self.notified = {
            "SuccessTopic": self.topic,
            "ErrorTopic": self.topic,
            "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
        }
        self.create("e", self.notified)

    def create(self, name: str, notified: dict[str, Any]) -> None:
        output = {
            "S3OutputPath": "s3://bkt/out/",
            "S3FailurePath": "s3://bkt/failed",
            "NotificationConfig": notified,
        }
        variant = {
            "VariantName": "v",
            "ModelName": "m",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        self.sm.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[variant],
            AsyncInferenceConfig={"OutputConfig": output},
        )
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.settled(name)

    def settled(self, name: str = "e") -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.sm.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] == "InService" else None

        return until(look, f"the endpoint {name}")

    def scale(self, count: int) -> dict[str, Any]:
        wanted = [{"VariantName": "v", "DesiredInstanceCount": count}]
        self.sm.update_endpoint_weights_and_capacities(
            EndpointName="e", DesiredWeightsAndCapacities=wanted
        )
        return self.settled()

    def ask(self, body: bytes | None = None, **more: Any) -> dict[str, Any]:
        given: dict[str, Any] = {} if body is None else {"Body": body}
        return self.rt.invoke_endpoint_async(EndpointName="e", **given, **more)

    def told(self) -> dict[str, Any]:
        """The next notification."""
        got = self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=20)["Messages"][0]
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=got["ReceiptHandle"])
        return json.loads(json.loads(got["Body"])["Message"])

    def read(self, location: str) -> tuple[bytes, str]:
        found = self.s3.get_object(Bucket="bkt", Key=location.removeprefix("s3://bkt/"))
        return found["Body"].read(), found["ContentType"]

    def count(self, metric: str) -> float:
        found = Metric("AWS/SageMaker", metric, {"EndpointName": "e", "VariantName": "v"})
        points = self.server.world.series.query(ACCOUNT, REGION, found, 0, 1e12)
        return sum(p.value for p in points)


@pytest.fixture(scope="module")
def stand(server: Server) -> Iterator[Stand]:
    made = Stand(server)
    yield made
    made.sm.delete_endpoint(EndpointName="e")
    until(lambda: not made.sm.list_endpoints()["Endpoints"], "the endpoint's end")


def test_an_objects_result_is_stored_and_told(stand: Stand) -> None:
    stand.s3.put_object(Bucket="bkt", Key="in/x y.csv", Body=b"1,2", ContentType="text/csv")
    answer = stand.ask(InputLocation="s3://bkt/in/x y.csv", CustomAttributes="mine")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    output, failure = answer["OutputLocation"], answer["FailureLocation"]
    told = stand.told()
    result = {"size": 3, "type": "text/csv"}  # of the object's type, where the request has none
    body, kind = stand.read(output)
    assert (json.loads(body), kind) == (result, "application/json")
    uid = output.removeprefix("s3://bkt/out/").removesuffix(".out")
    assert len(uid) == 36
    assert failure == f"s3://bkt/failed/{uid}-error.out"
    content = told.pop("responseBody")
    assert json.loads(base64.b64decode(content["content"])) == result
    assert told.pop("receivedTime") <= told.pop("eventTime")
    assert told == {
        "awsRegion": REGION,
        "invocationStatus": "Completed",
        "requestParameters": {
            "customAttributes": "mine",
            "endpointName": "e",
            "inputLocation": "s3://bkt/in/x y.csv",
        },
        "responseParameters": {"contentType": "application/json", "outputLocation": output},
        "inferenceId": answer["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def test_a_large_input_is_not_held_in_memory(stand: Stand) -> None:
    size = 3 * (1 << 20) + 7
    stand.s3.put_object(Bucket="bkt", Key="in/large", Body=b"x" * size)
    answer = stand.ask(InputLocation="s3://bkt/in/large", ContentType="text/plain")
    assert stand.told()["invocationStatus"] == "Completed"
    assert json.loads(stand.read(answer["OutputLocation"])[0])["size"] == size


def test_a_models_error_is_a_failure_with_its_words(stand: Stand) -> None:
    answer = stand.ask(
        b"raise",
        ContentType="text/plain",
        InferenceId="mine",
        S3OutputPathExtension="today/",
        Filename="f.json",
    )
    assert answer["OutputLocation"] == "s3://bkt/out/today/f.json"
    assert answer["FailureLocation"] == "s3://bkt/failed/today/f-error.out"
    told = stand.told()
    assert told["invocationStatus"] == "Failed"
    assert told["failureReason"] == (
        "ClientError: Received server error (500) from model. See the SageMaker Endpoint logs in"
        " your account for more information."
    )
    assert told["inferenceId"] == "mine"
    assert "responseBody" not in told
    assert b"a column is missing" in stand.read(answer["FailureLocation"])[0]
    with pytest.raises(ClientError, match="NoSuchKey"):
        stand.read(answer["OutputLocation"])
    logs = stand.server.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/e")["logStreams"]
    name = next(s["logStreamName"] for s in streams if s["logStreamName"].endswith("/data-log"))
    group = "/aws/sagemaker/Endpoints/e"
    (event,) = logs.get_log_events(logGroupName=group, logStreamName=name)["events"]
    assert event["message"].startswith("mine: ClientError")


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"InputLocation": "s3://bkt/none"}, "The specified key does not exist"),
        ({"Body": b"sleep", "InvocationTimeoutSeconds": 1}, "timed out"),
    ],
)
def test_other_failures_say_why(stand: Stand, request_: dict[str, Any], says: str) -> None:
    answer = stand.ask(**request_)
    told = stand.told()
    assert told["invocationStatus"] == "Failed"
    assert says in told["failureReason"]
    body, _ = stand.read(answer["FailureLocation"])
    assert json.loads(body) == {"failureReason": told["failureReason"]}


def test_requests_wait_for_an_instance_and_are_lost_by_no_restart(stand: Stand) -> None:
    variant = stand.scale(0)["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (0, 0)
    answers = [stand.ask(f"{n}".encode()) for n in range(3)]
    stand.scale(1)
    assert {stand.told()["inferenceId"] for _ in answers} == {a["InferenceId"] for a in answers}
    assert stand.count("InvocationsProcessed") >= 2
    assert stand.count("InvocationFailures") >= 3
    assert stand.count("RequestDownloadFailures") == 1


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({}, "exactly one of Body and InputLocation"),
        ({"Body": b"x", "InputLocation": "s3://bkt/k"}, "exactly one of Body and InputLocation"),
        ({"Body": b"x" * 128_001}, "less than or equal to 128000"),
        ({"InputLocation": "s3://bucket-alone"}, "names no Amazon S3 object"),
        ({"InputLocation": "https://example.com/k"}, "names no Amazon S3 object"),
        ({"Body": b"x", "InvocationTimeoutSeconds": 3601}, "3600"),
        ({"Body": b"x", "EndpointName": "none"}, "Endpoint none of account .* not found"),
    ],
)
def test_requests_that_could_not_be_carried_out(
    stand: Stand, request_: dict[str, Any], says: str
) -> None:
    with pytest.raises(ClientError, match=says) as caught:
        stand.rt.invoke_endpoint_async(**{"EndpointName": "e", **request_})
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_a_synchronous_request_is_refused(stand: Stand) -> None:
    with pytest.raises(ClientError, match="is an asynchronous endpoint"):
        stand.rt.invoke_endpoint(EndpointName="e", Body=b"x")


@pytest.mark.parametrize(
    ("given", "output", "failure"),
    [
        ({}, "s3://b/o/u.out", "s3://b/f/u-error.out"),
        ({"Filename": "n.json"}, "s3://b/o/n.json", "s3://b/f/n-error.out"),
        ({"Filename": "n"}, "s3://b/o/n", "s3://b/f/n-error.out"),
        ({"S3OutputPathExtension": "/x/y/"}, "s3://b/o/x/y/u.out", "s3://b/f/x/y/u-error.out"),
    ],
)
def test_where_results_are(given: dict[str, str], output: str, failure: str) -> None:
    config = {"S3OutputPath": "s3://b/o/", "S3FailurePath": "s3://b/f"}
    assert locations(given, config, "u") == {"output": output, "failure": failure}


def test_paths_that_the_configuration_lacks_have_no_results() -> None:
    assert locations({}, {}, "u") == {}
    assert locations({}, {"S3OutputPath": "s3://b"}, "u") == {"output": "s3://b/u.out"}


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("s3://b/k/l", ("b", "k/l")),
        ("https://b.s3.us-east-1.amazonaws.com/k", ("b", "k")),
        ("https://b.s3.amazonaws.com/k l", ("b", "k l")),
        ("https://s3.us-east-1.amazonaws.com/b/k", ("b", "k")),
        ("https://s3.amazonaws.com/b", None),
        ("s3://b", None),
        ("https://b.example.com/k", None),
    ],
)
def test_places_of_inputs(location: str, found: tuple[str, str] | None) -> None:
    assert place(location) == found


def test_a_response_that_is_too_large_is_not_included() -> None:
    outcome = {"type": "t", "location": "s3://b/k", "body": b"x" * (128 * 1024 + 1)}
    found = notification("r", "e", {"InferenceId": "i"}, (0.0, 1.5), outcome)
    assert "responseBody" not in found
    assert found["eventTime"] == "1970-01-01T00:00:01.500Z"
