"""SQS by boto3 on a running server."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from sagebrush.services.sqs import digests
from tests.conftest import Server, make_settings, started
from tests.waiting import until


@pytest.fixture
def sqs(client: Any) -> Any:
    return client("sqs")


@pytest.fixture
def queue(sqs: Any, request: pytest.FixtureRequest) -> str:
    """The URL of a queue of the test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:80]
    return sqs.create_queue(QueueName=name)["QueueUrl"]


def refused(code: str, call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    assert error["Code"] in (code, f"AWS.SimpleQueueService.{code}"), error
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Message"]


def bodies(sqs: Any, queue: str, **more: Any) -> list[str]:
    given = {"MaxNumberOfMessages": 10, **more}
    found = sqs.receive_message(QueueUrl=queue, **given).get("Messages", [])
    return sorted(m["Body"] for m in found)


def test_a_queues_life(sqs: Any) -> None:
    given = {"VisibilityTimeout": "5", "ReceiveMessageWaitTimeSeconds": "0"}
    url = sqs.create_queue(QueueName="life", Attributes=given, tags={"a": "b"})["QueueUrl"]
    assert url.endswith("/123456789012/life")
    assert sqs.create_queue(QueueName="life")["QueueUrl"] == url
    assert sqs.get_queue_url(QueueName="life")["QueueUrl"] == url
    assert url in sqs.list_queues(QueueNamePrefix="lif")["QueueUrls"]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
    sqs.tag_queue(QueueUrl=url, Tags={"c": "d"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"c": "d"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "3"})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found.pop("CreatedTimestamp") <= found.pop("LastModifiedTimestamp")
    assert found == {
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:life",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "DelaySeconds": "3",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "VisibilityTimeout": "5",
    }
    one = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert one["Attributes"] == {"VisibilityTimeout": "5"}
    sqs.delete_queue(QueueUrl=url)
    refused("NonExistentQueue", sqs.send_message, QueueUrl=url, MessageBody="x")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.delete_queue(QueueUrl=url)


def test_lists_in_pages(sqs: Any) -> None:
    urls = [sqs.create_queue(QueueName=f"page-{n}")["QueueUrl"] for n in range(3)]
    pages = sqs.get_paginator("list_queues").paginate(
        QueueNamePrefix="page-", PaginationConfig={"PageSize": 2}
    )
    assert [page["QueueUrls"] for page in pages] == [urls[:2], urls[2:]]


def test_a_message_with_attributes(sqs: Any, queue: str) -> None:
    given = {
        "n": {"DataType": "Number", "StringValue": "5"},
        "t.x": {"DataType": "String.mine", "StringValue": "é"},
        "b": {"DataType": "Binary", "BinaryValue": b"\0\1"},
    }
    sent = sqs.send_message(QueueUrl=queue, MessageBody="hé", MessageAttributes=given)
    assert sent["MD5OfMessageBody"] == hashlib.md5("hé".encode()).hexdigest()
    (got,) = sqs.receive_message(
        QueueUrl=queue, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"]
    assert (got["MessageId"], got["Body"]) == (sent["MessageId"], "hé")
    assert got["MessageAttributes"] == given
    assert got["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert got["Attributes"]["ApproximateReceiveCount"] == "1"
    assert abs(int(got["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 60
    handle = {"QueueUrl": queue, "ReceiptHandle": got["ReceiptHandle"]}
    sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    (got,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["t.*"])["Messages"]
    assert list(got["MessageAttributes"]) == ["t.x"]
    sqs.delete_message(**handle)  # an old handle deletes nothing
    refused("MessageNotInflight", sqs.change_message_visibility, **handle, VisibilityTimeout=1)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"])
    assert bodies(sqs, queue, VisibilityTimeout=0) == []


def test_the_digest_of_attributes_is_awss() -> None:
    """Source: Amazon SQS Developer Guide, "Calculating the MD5 message digest": name, type and value,
    each with its length in four bytes, one byte for what the value is."""
    parts = [b"\0\0\0\1a\0\0\0\6String\1\0\0\0\2hi", b"\0\0\0\1b\0\0\0\6Binary\2\0\0\0\1\7"]
    found = digests.of_attributes(
        {
            "b": {"DataType": "Binary", "BinaryValue": b"\7"},
            "a": {"DataType": "String", "StringValue": "hi"},
        }
    )
    assert found == hashlib.md5(b"".join(parts)).hexdigest()


def test_batches(sqs: Any, queue: str) -> None:
    entries = [{"Id": str(n), "MessageBody": "x" if n else "\x01"} for n in range(3)]
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert [e["Id"] for e in sent["Successful"]] == ["1", "2"]
    assert [(e["Id"], e["Code"]) for e in sent["Failed"]] == [("0", "InvalidMessageContents")]
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=queue, Entries=[{**h, "VisibilityTimeout": 9} for h in handles]
    )
    assert len(changed["Successful"]) == 2
    wrong = {"Id": "w", "ReceiptHandle": "nonsense"}
    deleted = sqs.delete_message_batch(QueueUrl=queue, Entries=[*handles, wrong])
    assert [e["Id"] for e in deleted["Successful"]] == ["0", "1"]
    assert [e["Code"] for e in deleted["Failed"]] == ["ReceiptHandleIsInvalid"]
    for code, given in (
        ("EmptyBatchRequest", []),
        ("TooManyEntriesInBatchRequest", [{"Id": str(n), "MessageBody": "x"} for n in range(11)]),
        ("BatchEntryIdsNotDistinct", [{"Id": "a", "MessageBody": "x"}] * 2),
        ("InvalidBatchEntryId", [{"Id": "a b", "MessageBody": "x"}]),
        ("BatchRequestTooLong", [{"Id": c, "MessageBody": "x" * 600_000} for c in "ab"]),
    ):
        refused(code, sqs.send_message_batch, QueueUrl=queue, Entries=given)


def test_who_waits_gets_a_message_when_it_is_sent(sqs: Any, queue: str) -> None:
    def send() -> None:
        sqs.send_message(QueueUrl=queue, MessageBody="late")

    began = time.monotonic()
    timer = threading.Timer(0.1, send)
    timer.start()
    assert bodies(sqs, queue, WaitTimeSeconds=20, VisibilityTimeout=0) == ["late"]
    assert time.monotonic() - began < 15
    timer.join()
    # ... and when one that was hidden or delayed comes back
    assert bodies(sqs, queue, VisibilityTimeout=1) == ["late"]
    assert bodies(sqs, queue, WaitTimeSeconds=20) == ["late"]
    assert time.monotonic() - began < 18


def test_who_waited_and_left_takes_no_message(server: Server, sqs: Any, queue: str) -> None:
    impatient = server.client(
        "sqs", config=Config(read_timeout=0.2, retries={"total_max_attempts": 1})
    )
    with pytest.raises(ReadTimeoutError):
        impatient.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
    impatient.close()
    found = server.world.rows.get("123456789012", "us-east-1", "queue", queue.rpartition("/")[2])
    assert found is not None
    listeners = server.world.messages._listeners
    until(lambda: found.id not in listeners, "its leaving", 10)
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    assert bodies(sqs, queue, WaitTimeSeconds=5) == ["hello"]


def test_whoever_waits_at_a_queue_that_is_deleted_is_told(sqs: Any, queue: str) -> None:
    timer = threading.Timer(0.1, lambda: sqs.delete_queue(QueueUrl=queue))
    timer.start()
    refused("NonExistentQueue", sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20)
    timer.join()


def test_a_dead_letter_queue(sqs: Any, queue: str) -> None:
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:dead"
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "1"}}'
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]
    sqs.send_message(QueueUrl=queue, MessageBody="poison")
    assert bodies(sqs, queue, VisibilityTimeout=0) == ["poison"]
    assert bodies(sqs, queue) == []
    (got,) = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"])["Messages"]
    assert got["Body"] == "poison"
    assert got["Attributes"]["DeadLetterQueueSourceArn"].endswith(queue.rpartition("/")[2])


def test_a_purge(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.purge_queue(QueueUrl=queue)
    assert bodies(sqs, queue) == []
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress) as caught:
        sqs.purge_queue(QueueUrl=queue)
    assert "every 60 seconds" in str(caught.value)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_awss_own_urls_name_the_queue(sqs: Any, queue: str) -> None:
    name = queue.rpartition("/")[2]
    for url in (
        f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}",
        f"https://us-east-1.queue.amazonaws.com/123456789012/{name}",
        f"http://localhost:4566/123456789012/{name}",
    ):
        sqs.send_message(QueueUrl=url, MessageBody=url)
    assert len(bodies(sqs, queue)) == 3
    foreign = f"https://sqs.us-east-1.amazonaws.com/210987654321/{name}"
    refused("NonExistentQueue", sqs.send_message, QueueUrl=foreign, MessageBody="x")


def policy(number: int, **more: Any) -> str:
    """A policy of so many statements."""
    one = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*", **more}
    return json.dumps({"Statement": [one] * number})


@pytest.mark.parametrize(
    ("attributes", "code", "says"),
    [
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue", "VisibilityTimeout"),
        ({"DelaySeconds": "-1"}, "InvalidAttributeValue", "DelaySeconds"),
        ({"QueueArn": "1"}, "InvalidAttributeName", "Unknown Attribute QueueArn"),
        ({"FifoQueue": "true"}, "InvalidParameterValue", "must end with .fifo suffix"),
        ({"FifoQueue": "false"}, "InvalidAttributeName", "Unknown Attribute FifoQueue"),
        ({"DeduplicationScope": "queue"}, "InvalidAttributeName", "only when FifoQueue is set"),
        ({"RedriveAllowPolicy": '{"redrivePermission": "byQueue"}'}, "InvalidAttributeValue", ""),
        ({"KmsMasterKeyId": "k"}, "UnsupportedOperation", "KMS"),
        ({"RedrivePolicy": "{"}, "InvalidAttributeValue", "JSON"),
        (
            {"RedrivePolicy": '{"deadLetterTargetArn": "arn:x", "maxReceiveCount": 1}'},
            "InvalidAttributeValue",
            "does not exist",
        ),
        (
            {"Policy": '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": 5}]}'},
            "InvalidAttributeValue",
            "Policy",
        ),
        ({"Policy": policy(21)}, "InvalidAttributeValue", "21 Statements were found"),
        ({"Policy": policy(1, Action=["sqs:A"] * 8)}, "InvalidAttributeValue", "8 Actions"),
        ({"Policy": policy(1, Sid="x" * 8192)}, "InvalidAttributeValue", "Bytes were found"),
        (
            {"Policy": policy(11, Condition={"Bool": {"aws:SecureTransport": "false"}})},
            "InvalidAttributeValue",
            "11 Conditions were found",
        ),
        (
            {"Policy": policy(3, Principal={"AWS": ["123456789012"] * 17})},
            "InvalidAttributeValue",
            "51 Principals were found",
        ),
    ],
)
def test_attributes_that_are_refused(
    sqs: Any, attributes: dict[str, str], code: str, says: str
) -> None:
    said = refused(code, sqs.create_queue, QueueName="refused", Attributes=attributes)
    assert says in said


def test_other_requests_that_are_refused(sqs: Any, queue: str) -> None:
    refused("InvalidParameterValue", sqs.create_queue, QueueName="a.fifo")
    refused("InvalidParameterValue", sqs.create_queue, QueueName="a b")
    name = queue.rpartition("/")[2]
    other = {"VisibilityTimeout": "7"}
    refused("QueueAlreadyExists", sqs.create_queue, QueueName=name, Attributes=other)
    refused("NonExistentQueue", sqs.get_queue_url, QueueName="none")
    refused("InvalidParameterValue", sqs.receive_message, QueueUrl=queue, MaxNumberOfMessages=11)
    refused("InvalidParameterValue", sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=21)
    given = {"QueueUrl": queue, "MessageBody": "x"}
    refused("InvalidParameterValue", sqs.send_message, **given, DelaySeconds=901)
    refused("InvalidParameterValue", sqs.send_message, **given, MessageDeduplicationId="g")
    small = {"MaximumMessageSize": "1024"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=small)
    long = {"QueueUrl": queue, "MessageBody": "x" * 1025}
    assert "1024" in refused("InvalidParameterValue", sqs.send_message, **long)


def test_messages_outlive_the_server(tmp_path: Any) -> None:
    settings = make_settings(tmp_path / "home", isolation="process")
    server: Server = started(settings)
    url = server.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    server.client("sqs").send_message(QueueUrl=url, MessageBody="kept")
    server.stop()
    server = started(settings)
    try:
        assert bodies(server.client("sqs"), url) == ["kept"]
    finally:
        server.stop()
