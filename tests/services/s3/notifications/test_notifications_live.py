"""Notifications by boto3 on a running server, and by one that is killed."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.aws_session import SESSION
from tests.crowding import crowding
from tests.services.s3.test_s3_faults import serving
from tests.waiting import until

ARN = "arn:aws:sqs:us-east-1:123456789012:"


def open_queue(sqs: Any, name: str, bucket: str) -> str:
    """The URL of a queue that S3 may send to for the bucket."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": f"{ARN}{name}",
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(document)})["QueueUrl"]


def drained(sqs: Any, url: str, wait: int) -> list[dict[str, Any]]:
    """The messages of the queue, until none has come for `wait` seconds."""
    found = list[dict[str, Any]]()
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        if not got.get("Messages"):
            return found
        found += [json.loads(each["Body"]) for each in got["Messages"]]
        entries = [
            {"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]}
            for n, each in enumerate(got["Messages"])
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def test_a_bucket_that_notifies_a_queue(client: Any) -> None:
    s3, sqs = client("s3"), client("sqs")
    s3.create_bucket(Bucket="notifying")
    given = {
        "QueueConfigurations": [
            {"QueueArn": f"{ARN}uploads", "Events": ["s3:ObjectCreated:*"], "Id": "mine"}
        ],
        "EventBridgeConfiguration": {},
    }
    put = {"Bucket": "notifying", "NotificationConfiguration": given}
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_notification_configuration(**put)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidArgument"
    assert error["ArgumentName1"] == f"{ARN}uploads"
    assert error["ArgumentValue1"] == "The destination queue does not exist"
    url = open_queue(sqs, "uploads", "notifying")
    s3.put_bucket_notification_configuration(**put)
    found = s3.get_bucket_notification_configuration(Bucket="notifying")
    found.pop("ResponseMetadata")
    assert found == given
    answer = s3.put_object(Bucket="notifying", Key="a/b c.csv", Body=b"1,2")
    (test, told) = (
        json.loads(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]["Body"])
        for _ in range(2)
    )
    assert test["Event"] == "s3:TestEvent"
    (record,) = told["Records"]
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert record["responseElements"] == {
        name: headers[name] for name in ("x-amz-request-id", "x-amz-id-2")
    }
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["object"]["key"] == "a/b+c.csv"
    assert record["s3"]["object"]["eTag"] == answer["ETag"].strip('"')
    s3.delete_object(Bucket="notifying", Key="a/b c.csv")
    s3.delete_bucket(Bucket="notifying")


FUNCTION = """
def handler(event, context):
    record = event["Records"][0]
    print("told of", record["eventName"], record["s3"]["object"]["key"])
"""


def test_a_bucket_that_invokes_a_function(client: Any) -> None:
    s3, functions, logs = client("s3"), client("lambda"), client("logs")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("app.py", FUNCTION)
    arn = functions.create_function(
        FunctionName="told",
        Runtime="python3.12",
        Role="arn:aws:iam::123456789012:role/SagebrushExecutionRole",
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    s3.create_bucket(Bucket="invoking")
    wanted = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    put = {
        "Bucket": "invoking",
        "NotificationConfiguration": {"LambdaFunctionConfigurations": [wanted]},
    }
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_notification_configuration(**put)
    assert caught.value.response["Error"]["ArgumentName1"] == f"{arn}, null"
    functions.add_permission(
        FunctionName="told",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::invoking",
        SourceAccount="123456789012",
    )
    s3.put_bucket_notification_configuration(**put)
    s3.put_object(Bucket="invoking", Key="text.csv", Body=b"1")

    def said() -> bool:
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/told")["events"]
        except ClientError:  # there is no such group yet
            return False
        return any("told of ObjectCreated:Put text.csv" in each["message"] for each in found)

    until(said, "the function's log", 60 * crowding())


@pytest.mark.full
def test_kill_between_put_and_delivery_loses_no_notification(tmp_path: Path) -> None:
    """Every object whose PUT was answered is told of, though the server is killed three times while
    objects are put and told of. Small counterpart: `test_notifying.py`, what outlives the server."""
    answered, gate, told = set[str](), threading.Lock(), list[dict[str, Any]]()
    for number in range(4):
        with serving(tmp_path / "home") as server:
            meta = server.s3.meta
            sqs = SESSION.client(
                "sqs", endpoint_url=meta.endpoint_url, region_name="us-east-1",
                aws_access_key_id=server.s3._request_signer._credentials.access_key,
                aws_secret_access_key=server.s3._request_signer._credentials.secret_key,
            )  # fmt: skip
            if not number:
                server.s3.create_bucket(Bucket="killed")
                url = open_queue(sqs, "killed", "killed")
                wanted = {"QueueArn": f"{ARN}killed", "Events": ["s3:ObjectCreated:*"]}
                server.s3.put_bucket_notification_configuration(
                    Bucket="killed", NotificationConfiguration={"QueueConfigurations": [wanted]}
                )
            if number == 3:
                url = sqs.get_queue_url(QueueName="killed")["QueueUrl"]
                told = drained(sqs, url, 3)
                break
            enough = threading.Event()

            def put(
                worker: int,
                run: int = number,
                s3: Any = server.s3,
                enough: threading.Event = enough,
            ) -> None:
                for n in range(1000):
                    key = f"{run}-{worker}-{n}"
                    try:
                        s3.put_object(Bucket="killed", Key=key, Body=b"x")
                    except (BotoCoreError, ClientError):
                        return
                    with gate:
                        answered.add(key)
                        if sum(each.startswith(f"{run}-") for each in answered) >= 60:
                            enough.set()

            workers = [threading.Thread(target=put, args=(n,)) for n in range(4)]
            for worker in workers:
                worker.start()
            assert enough.wait(60)
            server.kill()
            for worker in workers:
                worker.join()
    keys = {each["Records"][0]["s3"]["object"]["key"] for each in told if "Records" in each}
    assert answered <= keys
    assert len(answered) >= 180
