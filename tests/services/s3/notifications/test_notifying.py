"""Changes of objects are told in their transaction: with a world, and an outbox that runs when told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

import pytest

from sagebrush.app import build
from sagebrush.engine.outbox import Outbox
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.store.deliveries import Delivery
from sagebrush.store.events import Event, Events, Interest
from sagebrush.world import Ctx, World
from tests.conftest import Clock

ACCOUNT, REGION = "123456789012", "us-east-1"
SOURCE = "arn:aws:s3:::bucket"


class Notified:
    """A world with a bucket, and queues that S3 may send to on its behalf."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.app = build(settings, clock)
        self.world: World = self.app.world
        self.events: list[Event] = []
        self.world.events = Events(self.world.db, clock, {}, Interest(always=True))
        self.outbox = Outbox(self.world, [self._consume], lambda: 1.0)
        self.ctx = self.world.service_ctx(region=REGION, account=ACCOUNT)
        self.call("CreateBucket", Bucket="bucket")

    def _consume(self, world: World, event: Event) -> list[Delivery]:
        self.events.append(event)
        return []

    def call(self, operation: str, **params: Any) -> Doc:
        return self.ctx.call("s3", operation, params)

    def queue(self, name: str, source: str = SOURCE) -> str:
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        attributes = {"Policy": policy(arn, "sqs:SendMessage", source)}
        self.ctx.call("sqs", "CreateQueue", {"QueueName": name, "Attributes": attributes})
        return arn

    def configure(self, *configurations: Doc, **more: Any) -> None:
        given = {"QueueConfigurations": list(configurations), **more}
        self.call(
            "PutBucketNotificationConfiguration", Bucket="bucket", NotificationConfiguration=given
        )

    def got(self, name: str) -> list[Doc]:
        """What came to the queue so far."""
        self.outbox.run_once()
        row = self.world.rows.get(ACCOUNT, REGION, "queue", name)
        assert row is not None
        return [json.loads(each.body) for each in self.world.messages.peek(row.id, 0, 1000)]

    def told(self, name: str) -> list[tuple[str, str]]:
        """(event, key) of the records in the queue."""
        found = [each["Records"][0] for each in self.got(name) if "Records" in each]
        return [(r["eventName"], unquote_plus(r["s3"]["object"]["key"])) for r in found]


def policy(arn: str, action: str, source: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": action,
        "Resource": arn,
        "Condition": {
            "ArnLike": {"aws:SourceArn": source},
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def wants(arn: str, *events: str, prefix: str = "") -> Doc:
    found: Doc = {"QueueArn": arn, "Events": [f"s3:{event}" for event in events], "Id": "mine"}
    if prefix:
        found["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}
    return found


@pytest.fixture
def notified(settings: Settings, clock: Clock) -> Iterator[Notified]:
    made = Notified(settings, clock)
    yield made
    made.app.stop()


def test_every_way_to_change_an_object(notified: Notified) -> None:
    arn = notified.queue("all")
    notified.configure(wants(arn, "ObjectCreated:*", "ObjectRemoved:*", "ObjectTagging:*"))
    assert [each["Event"] for each in notified.got("all")] == ["s3:TestEvent"]
    notified.call("PutObject", Bucket="bucket", Key="a b", Body=b"1")
    notified.call("CopyObject", Bucket="bucket", Key="copy", CopySource="bucket/a%20b")
    upload = notified.call("CreateMultipartUpload", Bucket="bucket", Key="parts")["UploadId"]
    given = {"Bucket": "bucket", "Key": "parts", "UploadId": upload}
    part = notified.call("UploadPart", **given, PartNumber=1, Body=b"2")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    notified.call("CompleteMultipartUpload", **given, MultipartUpload=parts)
    tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
    notified.call("PutObjectTagging", Bucket="bucket", Key="copy", Tagging=tags)
    notified.call("DeleteObjectTagging", Bucket="bucket", Key="copy")
    notified.call("DeleteObject", Bucket="bucket", Key="copy")
    notified.call("DeleteObject", Bucket="bucket", Key="never")
    several = {"Objects": [{"Key": key} for key in ("a b", "parts", "never")]}
    notified.call("DeleteObjects", Bucket="bucket", Delete=several)
    assert notified.told("all") == [
        ("ObjectCreated:Put", "a b"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "parts"),
        ("ObjectTagging:Put", "copy"),
        ("ObjectTagging:Delete", "copy"),
        ("ObjectRemoved:Delete", "copy"),
        ("ObjectRemoved:Delete", "a b"),
        ("ObjectRemoved:Delete", "parts"),
    ]
    found = [each["Records"][0]["s3"]["object"] for each in notified.got("all")[1:]]
    sequence = [each["sequencer"] for each in found if "sequencer" in each]
    assert sequence == sorted(set(sequence))


def test_what_is_not_wanted_or_not_done_is_not_told(notified: Notified) -> None:
    arn = notified.queue("some")
    notified.configure(wants(arn, "ObjectCreated:Put", prefix="in/"))
    notified.call("PutObject", Bucket="bucket", Key="out", Body=b"")
    notified.call("PutObject", Bucket="bucket", Key="in/x", Body=b"")
    notified.call("DeleteObject", Bucket="bucket", Key="in/x")
    with pytest.raises(AwsError, match="NoSuchKey"):
        notified.call("PutObject", Bucket="bucket", Key="in/y", Body=b"", IfMatch="none")
    assert notified.told("some") == [("ObjectCreated:Put", "in/x")]
    notified.configure()
    assert notified.call("GetBucketNotificationConfiguration", Bucket="bucket") == {}
    notified.call("PutObject", Bucket="bucket", Key="in/z", Body=b"")
    assert notified.told("some") == [("ObjectCreated:Put", "in/x")]


def test_event_bridge_gets_everything(notified: Notified) -> None:
    notified.configure(EventBridgeConfiguration={})
    found = notified.call("GetBucketNotificationConfiguration", Bucket="bucket")
    assert found == {"EventBridgeConfiguration": {}}
    notified.call("PutObject", Bucket="bucket", Key="k", Body=b"12")
    notified.call("DeleteObject", Bucket="bucket", Key="k")
    notified.outbox.run_once()
    put, deleted = notified.events
    assert (put.source, put.detail_type, put.resources) == ("aws.s3", "Object Created", (SOURCE,))
    assert (put.account, put.region) == (ACCOUNT, REGION)
    assert put.detail["object"]["size"] == 2
    assert deleted.detail_type == "Object Deleted"


def test_what_was_told_outlives_the_server_and_is_told_at_least_once(
    settings: Settings, clock: Clock
) -> None:
    """The notification is on disk with the object: a server that ends before it sends anything is
    followed by one that does."""
    first = Notified(settings, clock)
    arn = first.queue("kept")
    first.configure(wants(arn, "ObjectCreated:*"))
    first.call("PutObject", Bucket="bucket", Key="k", Body=b"1")
    assert first.world.deliveries.count() == 2
    first.app.stop()
    again = build(settings, clock)
    try:
        Outbox(again.world, [], lambda: 1.0).run_once()
        row = again.world.rows.get(ACCOUNT, REGION, "queue", "kept")
        assert row is not None
        assert len(again.world.messages.peek(row.id, 0, 10)) == 2
        assert again.world.deliveries.count() == 0
    finally:
        again.stop()


def test_destinations_that_may_not_be_sent_to(notified: Notified) -> None:
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
    notified.queue("another", "arn:aws:s3:::another")
    topic, function = (
        f"arn:aws:{x}"
        for x in (f"sns:{REGION}:{ACCOUNT}:t", f"lambda:{REGION}:{ACCOUNT}:function:f")
    )
    denied = (
        "Permissions on the destination queue do not allow S3 to publish notifications from this"
        " bucket"
    )
    topics = [{"TopicArn": topic, "Events": ["s3:ObjectRemoved:Delete"]}]
    functions = [{"LambdaFunctionArn": function, "Events": ["s3:ObjectTagging:Put"]}]
    with pytest.raises(AwsError) as caught:
        notified.configure(
            {"QueueArn": f"{queue}none", "Events": ["s3:ObjectCreated:Put"]},
            {"QueueArn": f"{queue}another", "Events": ["s3:ObjectCreated:Copy"]},
            TopicConfigurations=topics,
            LambdaFunctionConfigurations=functions,
        )
    error = caught.value
    assert (error.code, error.status) == ("InvalidArgument", 400)
    assert error.message == "Unable to validate the following destination configurations"
    assert error.fields == {
        "ArgumentName1": topic,
        "ArgumentValue1": "The destination topic does not exist",
        "ArgumentName2": f"{queue}none",
        "ArgumentValue2": "The destination queue does not exist",
        "ArgumentName3": f"{queue}another",
        "ArgumentValue3": denied,
        "ArgumentName4": f"{function}, null",
        "ArgumentValue4": f"Not authorized to invoke function [{function}]",
    }
    notified.call(
        "PutBucketNotificationConfiguration",
        Bucket="bucket",
        SkipDestinationValidation=True,
        NotificationConfiguration={"LambdaFunctionConfigurations": functions},
    )
    assert notified.got("another") == []
    found = notified.call("GetBucketNotificationConfiguration", Bucket="bucket")
    assert found["LambdaFunctionConfigurations"][0]["LambdaFunctionArn"] == function


def test_a_topic_passes_it_on(notified: Notified) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
    allowed = {"Policy": policy(topic, "sns:Publish", SOURCE)}
    notified.ctx.call("sns", "CreateTopic", {"Name": "news", "Attributes": allowed})
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:reader"
    reads = json.loads(policy(queue, "sqs:SendMessage", topic))
    reads["Statement"][0]["Principal"] = {"Service": "sns.amazonaws.com"}
    attributes = {"Policy": json.dumps(reads)}
    notified.ctx.call("sqs", "CreateQueue", {"QueueName": "reader", "Attributes": attributes})
    subscription = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue}
    notified.ctx.call("sns", "Subscribe", subscription)
    topics = [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]
    notified.configure(TopicConfigurations=topics)
    notified.call("PutObject", Bucket="bucket", Key="k", Body=b"1")
    test, told = notified.got("reader")
    assert test["Subject"] == told["Subject"] == "Amazon S3 Notification"
    assert json.loads(test["Message"])["Event"] == "s3:TestEvent"
    assert json.loads(told["Message"])["Records"][0]["s3"]["object"]["key"] == "k"


def test_a_bucket_without_a_configuration_tells_nobody(notified: Notified) -> None:
    notified.call("PutObject", Bucket="bucket", Key="k", Body=b"1")
    notified.outbox.run_once()
    assert (notified.events, notified.world.deliveries.count()) == ([], 0)
    assert notified.world.db.read("SELECT * FROM sequence") == []


def test_the_trace_of_a_request_reaches_the_function(notified: Notified) -> None:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    given = {
        "LambdaFunctionConfigurations": [
            {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
        ]
    }
    notified.call(
        "PutBucketNotificationConfiguration",
        Bucket="bucket",
        NotificationConfiguration=given,
        SkipDestinationValidation=True,
    )
    seen: list[str] = []

    def invoke(ctx: Ctx, request: Doc) -> Doc:
        seen.append(ctx.trace)
        return {"StatusCode": 202}

    notified.world.operations["lambda", "Invoke"] = invoke
    for trace in ("Root=1-0-0;Lineage=deadbeef:3", ""):
        ctx = replace(notified.ctx, event_trace=trace)
        ctx.call(
            "s3",
            "PutObject",
            {"Bucket": "bucket", "Key": "k", "Body": notified.world.objects.spool_bytes(b"")},
        )
        notified.outbox.run_once()
    assert seen == ["Root=1-0-0;Lineage=deadbeef:3", ""]
