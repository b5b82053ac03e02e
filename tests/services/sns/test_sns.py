"""SNS by boto3 on a running server; what is published arrives in SQS queues."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.services.sns.delivery import FAILED, LOST, REDRIVEN
from tests.services.sns.policies import lets_send

ACCOUNT = "123456789012"


@pytest.fixture
def sns(client: Any) -> Any:
    return client("sns")


class Heard:
    """A topic, a queue that subscribes to it, and what the queue got."""

    def __init__(self, client: Any, name: str, **attributes: str) -> None:
        self.sns, self.sqs = client("sns"), client("sqs")
        self.topic = self.sns.create_topic(Name=name)["TopicArn"]
        self.arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
        policy = {"Policy": lets_send(self.arn, self.topic)}
        self.url = self.sqs.create_queue(QueueName=name, Attributes=policy)["QueueUrl"]
        self.subscription = self.sns.subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=self.arn, Attributes=attributes
        )["SubscriptionArn"]

    def got(self) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["MessageGroupId"],
        )
        return found.get("Messages", [])


def refused(code: str, call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


def test_a_topics_life(sns: Any) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    arn = sns.create_topic(Name="life", Attributes={"DisplayName": "d"}, Tags=tags)["TopicArn"]
    assert arn == f"arn:aws:sns:us-east-1:{ACCOUNT}:life"
    assert sns.create_topic(Name="life")["TopicArn"] == arn
    assert {"TopicArn": arn} in sns.list_topics()["Topics"]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="e")
    found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (found["DisplayName"], found["Owner"]) == ("e", ACCOUNT)
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    refused("NotFound", sns.publish, TopicArn=arn, Message="x")
    refused("NotFound", sns.get_topic_attributes, TopicArn=arn)
    refused("ResourceNotFound", sns.list_tags_for_resource, ResourceArn=arn)


def test_what_is_published_is_in_the_queue(client: Any, sns: Any) -> None:
    heard = Heard(client, "heard")
    attributes = {
        "k": {"DataType": "String", "StringValue": "v"},
        "b": {"DataType": "Binary", "BinaryValue": b"\1"},
    }
    uid = sns.publish(
        TopicArn=heard.topic, Message="hé", Subject="s", MessageAttributes=attributes
    )["MessageId"]
    (got,) = heard.got()
    body = json.loads(got["Body"])
    assert body.pop("Timestamp").endswith("Z")
    assert body == {
        "Type": "Notification",
        "MessageId": uid,
        "TopicArn": heard.topic,
        "Subject": "s",
        "Message": "hé",
        "MessageAttributes": {
            "k": {"Type": "String", "Value": "v"},
            "b": {"Type": "Binary", "Value": "AQ=="},
        },
    }
    assert "MessageAttributes" not in got


def test_raw_delivery(client: Any, sns: Any) -> None:
    heard = Heard(client, "raw", RawMessageDelivery="true")
    attributes = {"k": {"DataType": "String", "StringValue": "v"}}
    message = json.dumps({"default": "d", "sqs": "mine"})
    sns.publish(
        TopicArn=heard.topic,
        MessageGroupId="tenant",
        Message=message,
        MessageStructure="json",
        MessageAttributes=attributes,
    )
    (got,) = heard.got()
    assert (got["Body"], got["MessageAttributes"]) == ("mine", attributes)
    assert got["Attributes"] == {"MessageGroupId": "tenant"}


def test_filters_batches_and_several_queues(client: Any, sns: Any) -> None:
    policy = json.dumps({"k": ["yes"]})
    one = Heard(client, "filtered", RawMessageDelivery="true", FilterPolicy=policy)
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:unfiltered"
    policy = lets_send(arn, one.topic)
    all_ = one.sqs.create_queue(QueueName="unfiltered", Attributes={"Policy": policy})["QueueUrl"]
    sns.subscribe(TopicArn=one.topic, Protocol="sqs", Endpoint=arn)
    entries = [
        {
            "Id": word,
            "Message": word,
            "MessageAttributes": {"k": {"DataType": "String", "StringValue": word}},
        }
        for word in ("yes", "no")
    ]
    sent = sns.publish_batch(
        TopicArn=one.topic, PublishBatchRequestEntries=[*entries, {"Id": "w", "Message": ""}]
    )
    assert [e["Id"] for e in sent["Successful"]] == ["yes", "no"]
    assert [(e["Id"], e["Code"]) for e in sent["Failed"]] == [("w", "InvalidParameter")]
    assert [m["Body"] for m in one.got()] == ["yes"]
    both = one.sqs.receive_message(QueueUrl=all_, MaxNumberOfMessages=10)["Messages"]
    assert len(both) == 2
    refused("EmptyBatchRequest", sns.publish_batch, TopicArn=one.topic,
            PublishBatchRequestEntries=[])  # fmt: skip


def test_subscriptions(client: Any, sns: Any) -> None:
    heard = Heard(client, "subscriptions")
    again = sns.subscribe(TopicArn=heard.topic, Protocol="sqs", Endpoint=heard.arn)
    assert again["SubscriptionArn"] == heard.subscription
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=heard.topic)["Subscriptions"]
    assert listed in sns.list_subscriptions()["Subscriptions"]
    assert listed == {
        "SubscriptionArn": heard.subscription,
        "Owner": ACCOUNT,
        "Protocol": "sqs",
        "Endpoint": heard.arn,
        "TopicArn": heard.topic,
    }
    one = {"SubscriptionArn": heard.subscription}
    sns.set_subscription_attributes(
        **one, AttributeName="FilterPolicy", AttributeValue='{"a": ["b"]}'
    )
    found = sns.get_subscription_attributes(**one)["Attributes"]
    assert (found["FilterPolicy"], found["RawMessageDelivery"]) == ('{"a": ["b"]}', "false")
    sns.publish(TopicArn=heard.topic, Message="x")
    assert heard.got() == []
    sns.unsubscribe(**one)
    sns.unsubscribe(**one)
    refused("NotFound", sns.get_subscription_attributes, **one)
    assert sns.list_subscriptions_by_topic(TopicArn=heard.topic)["Subscriptions"] == []


def test_a_queue_that_is_gone_hinders_nobody(client: Any, sns: Any) -> None:
    heard = Heard(client, "gone")
    heard.sqs.delete_queue(QueueUrl=heard.url)
    assert sns.publish(TopicArn=heard.topic, Message="x")["MessageId"]


def test_what_a_queue_refuses_is_counted_or_in_the_dead_letter_queue(client: Any, sns: Any) -> None:
    heard = Heard(client, "closed", RawMessageDelivery="true")
    dead = heard.sqs.create_queue(QueueName="closed-dead")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:closed-dead"
    other = {"Policy": lets_send(heard.arn, heard.topic + "-other")}
    heard.sqs.set_queue_attributes(QueueUrl=heard.url, Attributes=other)
    sns.publish(TopicArn=heard.topic, Message="lost")
    redrive = json.dumps({"deadLetterTargetArn": arn})
    sns.set_subscription_attributes(
        SubscriptionArn=heard.subscription, AttributeName="RedrivePolicy", AttributeValue=redrive
    )
    sns.publish(TopicArn=heard.topic, Message="lost too: the dead-letter queue refuses as well")
    policy = {"Policy": lets_send(arn, heard.topic)}
    heard.sqs.set_queue_attributes(QueueUrl=dead, Attributes=policy)
    sns.publish(TopicArn=heard.topic, Message="kept")
    (got,) = heard.sqs.receive_message(
        QueueUrl=dead, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    assert got["Body"] == "kept"
    assert got["MessageAttributes"]["ErrorCode"]["StringValue"] == "AccessDeniedException"
    assert heard.got() == []
    counted = {m: metric(client, "closed", m) for m in (FAILED, LOST, REDRIVEN)}
    assert counted == {FAILED: 3.0, LOST: 1.0, REDRIVEN: 1.0}


def metric(client: Any, topic: str, name: str) -> float:
    now = dt.datetime.now(dt.UTC)
    found = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SNS",
        MetricName=name,
        Dimensions=[{"Name": "TopicName", "Value": topic}],
        StartTime=now - dt.timedelta(minutes=5),
        EndTime=now + dt.timedelta(minutes=5),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(each["Sum"] for each in found)


def test_a_topic_may_take_larger_messages(client: Any, sns: Any) -> None:
    """Developer guide, "Publishing large messages with Amazon SNS": the body and its attributes."""
    topic = sns.create_topic(Name="large")["TopicArn"]
    given = {"a": {"DataType": "String", "StringValue": "x"}}
    sns.publish(TopicArn=topic, Message="x" * (262144 - 8), MessageAttributes=given)
    with pytest.raises(ClientError, match="Message too long"):
        sns.publish(TopicArn=topic, Message="x" * (262144 - 7), MessageAttributes=given)
    size = {"TopicArn": topic, "AttributeName": "MaximumMessageSize"}
    with pytest.raises(ClientError, match="from 1024 to 1048576"):
        sns.set_topic_attributes(**size, AttributeValue="1048577")
    sns.set_topic_attributes(**size, AttributeValue="1048576")
    sns.publish(TopicArn=topic, Message="x" * 1048576)
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["MaximumMessageSize"] == "1048576"


def test_what_is_refused(client: Any, sns: Any) -> None:
    heard = Heard(client, "refusing")
    topic = {"TopicArn": heard.topic}
    for protocol in ("email", "https", "firehose", "sms"):
        given = {**topic, "Protocol": protocol, "Endpoint": "x"}
        assert f"does not deliver by {protocol}" in refused(
            "InvalidParameter", sns.subscribe, **given
        )
    other = "arn:aws:sqs:us-east-1:210987654321:q"
    for wrong in (
        {"Protocol": "pigeon", "Endpoint": "x"},
        {"Protocol": "sqs", "Endpoint": "q"},
        {"Protocol": "sqs", "Endpoint": other},
        {"Protocol": "sqs", "Endpoint": heard.arn, "Attributes": {"RawMessageDelivery": "true"}},
        {"Protocol": "sqs", "Endpoint": heard.arn, "Attributes": {"RedrivePolicy": "{"}},
        {
            "Protocol": "sqs",
            "Endpoint": heard.arn,
            "Attributes": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": other})},
        },
        {"Protocol": "sqs", "Endpoint": heard.arn, "Attributes": {"FilterPolicy": "{"}},
        {
            "Protocol": "sqs",
            "Endpoint": heard.arn,
            "Attributes": {"FilterPolicyScope": "MessageBody"},
        },
    ):
        refused("InvalidParameter", sns.subscribe, **topic, **wrong)
    for wrong in (
        {"Message": "x" * 262145},
        {"Message": "x", "Subject": ""},
        {"Message": "x", "MessageStructure": "json"},
        {"Message": "x", "MessageAttributes": {"k": {"DataType": "Odd", "StringValue": "v"}}},
        {"Message": "x", "MessageGroupId": "g h"},
        {"Message": "x", "MessageDeduplicationId": "d"},
    ):
        refused("InvalidParameter", sns.publish, **topic, **wrong)
    refused("InvalidParameter", sns.publish, PhoneNumber="+15550100", Message="x")
    refused("InvalidParameter", sns.publish, TopicArn="t", Message="x")
    for name in ("a b", "a.fifo"):
        refused("InvalidParameter", sns.create_topic, Name=name)
    for attributes in ({"KmsMasterKeyId": "k"}, {"Nonsense": "x"}, {"DisplayName": "other"}):
        refused("InvalidParameter", sns.create_topic, Name="refusing", Attributes=attributes)
