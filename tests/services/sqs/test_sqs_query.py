"""SQS by the query protocol, which clients before November 2023 speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.session import Session

from sagebrush.aws import old_queues
from tests.conftest import Server


class OldLoader(Loader):
    """botocore's models as they were before November 2023, as far as these tests go."""

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Mapping[str, Any]:
        found = super().load_service_model(service_name, type_name, api_version)
        old = (service_name, type_name) == ("sqs", "service-2")
        return old_queues.with_forms(found) if old else found


@pytest.fixture(scope="module")
def old(server: Server) -> Any:
    """A client that speaks the query protocol."""
    session: Any = Session()
    session.register_component("data_loader", OldLoader())
    key, secret = server.world.credentials.user_key
    return session.create_client(
        "sqs", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=key,
        aws_secret_access_key=secret,
    )  # fmt: skip


def test_an_old_client_has_all_of_a_queue(old: Any) -> None:
    given = {"VisibilityTimeout": "5", "DelaySeconds": "0"}
    url = old.create_queue(QueueName="old", Attributes=given, tags={"a": "b"})["QueueUrl"]
    assert url in old.list_queues(QueueNamePrefix="ol")["QueueUrls"]
    names = ["VisibilityTimeout", "QueueArn"]
    assert old.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] == {
        "VisibilityTimeout": "5",
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:old",
    }
    assert old.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
    entries = [
        {"Id": "1", "MessageBody": "<é&>\r\n\t", "MessageAttributes": {
            "n": {"DataType": "Number", "StringValue": "5"},
            "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}},
        {"Id": "2", "MessageBody": "two", "DelaySeconds": 1000},
    ]  # fmt: skip
    answer = old.send_message_batch(QueueUrl=url, Entries=entries)
    assert [e["Id"] for e in answer["Successful"]] == ["1"]
    assert [(e["Id"], e["SenderFault"]) for e in answer["Failed"]] == [("2", True)]
    asked = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    (message,) = old.receive_message(QueueUrl=url, **asked)["Messages"]
    assert message["Body"] == "<é&>\r\n\t"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["MessageAttributes"] == {
        "n": {"DataType": "Number", "StringValue": "5"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    handle = message["ReceiptHandle"]
    old.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=60)
    old.delete_message(QueueUrl=url, ReceiptHandle=handle)
    assert "Messages" not in old.receive_message(QueueUrl=url)
    old.delete_queue(QueueUrl=url)
    with pytest.raises(ClientError) as caught:
        old.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    error = caught.value.response["Error"]
    assert error["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert error["Type"] == "Sender"


def test_the_path_of_a_presigned_request_is_the_queues_url(server: Server, old: Any) -> None:
    url = old.create_queue(QueueName="path")["QueueUrl"]
    credentials: Any = ReadOnlyCredentials(*server.world.credentials.user_key, None)
    asked = f"{url}?Action=SendMessage&Version=2012-11-05&MessageBody=here"
    request = AWSRequest("GET", asked)
    SigV4QueryAuth(credentials, "sqs", "us-east-1").add_auth(request)
    with urlopen(str(request.url)) as answer:
        said = answer.read().decode()
    assert said.startswith(f'<SendMessageResponse xmlns="{old_queues.NAMESPACE}">')
    assert old.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "here"
