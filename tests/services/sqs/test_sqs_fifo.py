"""FIFO queues by boto3 on a running server; their order is `tests/store/test_fifo.py`'s."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

ARN = "arn:aws:sqs:us-east-1:123456789012:"


@pytest.fixture
def sqs(client: Any) -> Any:
    return client("sqs")


def create(sqs: Any, name: str, **attributes: str) -> str:
    given = {"FifoQueue": "true", **attributes}
    return sqs.create_queue(QueueName=name, Attributes=given)["QueueUrl"]


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"].rpartition(".")[2], error["Message"]


def test_a_fifo_queues_attributes(sqs: Any) -> None:
    url = create(sqs, "attributes.fifo")
    assert create(sqs, "attributes.fifo") == url
    names = ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert list(shown.values()) == ["true", "false", "queue", "perQueue"]
    fast = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=fast)
    for given, code in (
        ({"FifoQueue": "false"}, "InvalidAttributeValue"),
        ({"DeduplicationScope": "topic"}, "InvalidAttributeValue"),
        ({"DeduplicationScope": "queue"}, "InvalidAttributeValue"),  # the limit is per group
    ):
        assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes=given)[0] == code


def test_messages_come_once_and_in_order(sqs: Any) -> None:
    url = create(sqs, "once.fifo", ContentBasedDeduplication="true")
    first = sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    again = sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    assert first["MessageId"] == again["MessageId"]
    assert first["SequenceNumber"] == again["SequenceNumber"]
    entries = [
        {"Id": n, "MessageBody": n, "MessageGroupId": "g", "MessageDeduplicationId": n}
        for n in "bc"
    ]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=[*entries, {"Id": "d", "MessageBody": "d"}])
    assert [e["Code"] for e in sent["Failed"]] == ["MissingParameter"]
    numbers = [first["SequenceNumber"], *(e["SequenceNumber"] for e in sent["Successful"])]
    assert numbers == sorted(numbers)
    assert all(len(n) == 20 for n in numbers)
    attempt = {"QueueUrl": url, "ReceiveRequestAttemptId": "one", "AttributeNames": ["All"]}
    (got,) = sqs.receive_message(**attempt)["Messages"]
    assert sqs.receive_message(**attempt)["Messages"] == [got]
    shown = got["Attributes"]
    assert (shown["MessageGroupId"], shown["SequenceNumber"]) == ("g", numbers[0])
    assert len(shown["MessageDeduplicationId"]) == 64
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    rest = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [m["Body"] for m in rest] == ["b", "c"]
    handles = [{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in rest]
    for each in handles:
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
        )
    late = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    assert [e["Code"] for e in late["Failed"]] == ["InvalidParameterValue"] * 2
    assert "has expired" in late["Failed"][0]["Message"]


def test_what_a_fifo_queue_refuses(sqs: Any) -> None:
    url = create(sqs, "strict.fifo")
    given = {"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g"}
    token = {"MessageDeduplicationId": "t"}
    code, said = refused(sqs.send_message, **given)
    assert code == "InvalidParameterValue"
    assert "ContentBasedDeduplication enabled" in said
    assert (
        "not valid for this queue" in refused(sqs.send_message, **given, **token, DelaySeconds=1)[1]
    )
    assert "1 to 128" in refused(sqs.send_message, **{**given, "MessageGroupId": "g h"}, **token)[1]
    plain = sqs.create_queue(QueueName="plain")["QueueUrl"]
    code, said = refused(sqs.receive_message, QueueUrl=plain, ReceiveRequestAttemptId="a")
    assert code == "InvalidParameterValue"
    policy = json.dumps({"deadLetterTargetArn": f"{ARN}plain", "maxReceiveCount": 1})
    other = {"RedrivePolicy": policy}
    assert "same type" in refused(sqs.set_queue_attributes, QueueUrl=url, Attributes=other)[1]


def test_a_standard_queue_takes_groups_and_keeps_no_order_of_them(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="fair")["QueueUrl"]
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="tenant")
    got = [
        sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"][0]
        for _ in range(2)
    ]
    assert [m["Attributes"]["MessageGroupId"] for m in got] == ["tenant"] * 2


def test_who_may_have_a_queue_as_dead_letter_queue(sqs: Any) -> None:
    allow = {"redrivePermission": "byQueue", "sourceQueueArns": [f"{ARN}friend"]}
    sqs.create_queue(QueueName="guarded", Attributes={"RedriveAllowPolicy": json.dumps(allow)})
    policy = json.dumps({"deadLetterTargetArn": f"{ARN}guarded", "maxReceiveCount": 1})
    given = {"RedrivePolicy": policy}
    sqs.create_queue(QueueName="friend", Attributes=given)
    code, said = refused(sqs.create_queue, QueueName="stranger", Attributes=given)
    assert code == "InvalidAttributeValue"
    assert "RedriveAllowPolicy" in said
