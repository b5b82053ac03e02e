"""Records of S3's and details of EventBridge's, member by member as AWS is seen to send them."""

from __future__ import annotations

import pytest

from sagebrush.aws.names import host_id
from sagebrush.services.s3.notifications import events, records
from sagebrush.services.s3.notifications.records import Asked, Happened
from sagebrush.store.catalog import Bucket, Object

BUCKET = Bucket(1, "123456789012", "b", "eu-west-1", 0.0, {})
ASKED = Asked(1691196923.1234, "REQUEST", "210987654321", "AROA:me", "10.0.0.1")
OBJECT = Object(1, "k", 9, "437b930db84b8079c2dd804a71936b5f", 0.0)


def happened(event: str, key: str = "my key/ü@1.txt", found: Object | None = OBJECT) -> Happened:
    return Happened(event, BUCKET, key, found, 255)


def test_a_record_of_an_object_that_was_put() -> None:
    assert records.message(happened(events.PUT), ASKED, "conf") == {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-west-1",
                "eventTime": "2023-08-05T00:55:23.123Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:AROA:me"},
                "requestParameters": {"sourceIPAddress": "10.0.0.1"},
                "responseElements": {
                    "x-amz-request-id": "REQUEST",
                    "x-amz-id-2": host_id("REQUEST"),
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "conf",
                    "bucket": {
                        "name": "b",
                        "ownerIdentity": {"principalId": records.customer("123456789012")},
                        "arn": "arn:aws:s3:::b",
                    },
                    "object": {
                        "key": "my+key/%C3%BC%401.txt",
                        "size": 9,
                        "eTag": "437b930db84b8079c2dd804a71936b5f",
                        "sequencer": "0000000000000000FF",
                    },
                },
            }
        ]
    }


@pytest.mark.parametrize(
    ("event", "found", "version", "members"),
    [
        (events.COPY, OBJECT, "2.1", {"key", "size", "eTag", "sequencer"}),
        (events.COMPLETED, OBJECT, "2.1", {"key", "size", "eTag", "sequencer"}),
        (events.DELETED, None, "2.1", {"key", "sequencer"}),
        (events.TAGS_PUT, OBJECT, "2.3", {"key", "eTag"}),
        (events.TAGS_DELETED, OBJECT, "2.3", {"key", "eTag"}),
    ],
)
def test_members_of_other_records(
    event: str, found: Object | None, version: str, members: set[str]
) -> None:
    (record,) = records.message(happened(event, "k", found), ASKED, "c")["Records"]
    assert record["eventVersion"] == version
    assert record["eventName"] == event
    assert set(record["s3"]["object"]) == members


@pytest.mark.parametrize(
    ("event", "found", "kind", "reason", "members"),
    [
        (events.PUT, OBJECT, "Object Created", "PutObject", {"key", "size", "etag", "sequencer"}),
        (events.COPY, OBJECT, "Object Created", "CopyObject", {"key", "size", "etag", "sequencer"}),
        (
            events.COMPLETED, OBJECT, "Object Created", "CompleteMultipartUpload",
            {"key", "size", "etag", "sequencer"},
        ),
        (events.DELETED, None, "Object Deleted", "DeleteObject", {"key", "sequencer"}),
        (events.TAGS_PUT, OBJECT, "Object Tags Added", None, {"key", "etag"}),
        (events.TAGS_DELETED, OBJECT, "Object Tags Deleted", None, {"key", "etag"}),
    ],
)  # fmt: skip
def test_details_for_event_bridge(
    event: str, found: Object | None, kind: str, reason: str | None, members: set[str]
) -> None:
    name, detail = records.detail(happened(event, "a b", found), ASKED)
    assert name == kind
    assert set(detail["object"]) == members
    assert detail["object"]["key"] == "a b"  # not encoded
    assert detail.get("reason") == reason
    assert detail["version"] == "0"
    assert detail["bucket"] == {"name": "b"}
    assert detail["requester"] == "210987654321"
    assert detail["source-ip-address"] == "10.0.0.1"
    assert detail["request-id"] == "REQUEST"
    assert detail.get("deletion-type") == ("Permanently Deleted" if found is None else None)


def test_the_test_event() -> None:
    assert records.test_message("b", ASKED) == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2023-08-05T00:55:23.123Z",
        "Bucket": "b",
        "RequestId": "REQUEST",
        "HostId": host_id("REQUEST"),
    }
