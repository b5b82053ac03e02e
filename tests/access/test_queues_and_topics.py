"""What the policies of queues and topics allow and deny, by boto3: within an account, and across two."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.errors import Doc
from tests.conftest import Server
from tests.people import MAIN, Person, account, allow, assumed, owner, refused, role, text, user
from tests.services.sns.policies import lets_send

B, REGION = "333333333333", "us-east-1"
NUMBERS = itertools.count()
ANYBODY, DENIED = {"AWS": "*"}, "AccessDenied"


@pytest.fixture(scope="module")
def admin(server: Server) -> Person:
    return owner(server)


@pytest.fixture(scope="module")
def other(server: Server) -> Person:
    return account(server, B)[1]


def guarded(who: Person, *statements: Doc) -> tuple[str, str]:
    """URL and ARN of a new queue with a policy of these statements, whose Resource is the queue."""
    sqs, name = who("sqs"), f"guarded-{next(NUMBERS)}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{MAIN}:{name}"
    if statements:
        whole = text(*({"Resource": arn, **each} for each in statements))
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": whole})
    return url, arn


def deny(*actions: str, principal: Any = "*", **more: Any) -> Doc:
    return {"Effect": "Deny", "Principal": principal, "Action": list(actions), **more}


def lets(*actions: str, principal: Any, **more: Any) -> Doc:
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions), **more}


def words(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Message"]


def test_a_deny_holds_for_everybody_but_who_must_change_it(admin: Person) -> None:
    url, arn = guarded(admin, deny("sqs:*"))
    sqs = admin("sqs")
    said = words(sqs.send_message, QueueUrl=url, MessageBody="x")
    assert f"is not authorized to perform: sqs:SendMessage on resource: {arn}" in said
    assert said.endswith("with an explicit deny in a resource-based policy")
    for call in (sqs.receive_message, sqs.purge_queue, sqs.delete_queue, sqs.list_queue_tags):
        assert refused(call, QueueUrl=url) == DENIED
    ann = user(admin, f"denied-{next(NUMBERS)}", allow("sqs:*"))
    assert (
        refused(ann("sqs").set_queue_attributes, QueueUrl=url, Attributes={"Policy": ""}) == DENIED
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert ann("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"] == "x"


def test_a_deny_holds_for_a_task_that_moves_messages(admin: Person) -> None:
    url, arn = guarded(admin, deny("sqs:CancelMessageMoveTask"))
    named = {"taskId": "00000000-0000-0000-0000-000000000000", "sourceArn": arn}
    handle = base64.b64encode(json.dumps(named).encode()).decode()
    assert refused(admin("sqs").cancel_message_move_task, TaskHandle=handle) == DENIED
    admin("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    lost = refused(admin("sqs").cancel_message_move_task, TaskHandle=handle)
    assert lost == "ResourceNotFoundException"


def test_conditions_of_a_deny(admin: Person) -> None:
    named = f"queue-role-{next(NUMBERS)}"
    arn = role(admin, named, {"AWS": f"arn:aws:iam::{MAIN}:root"}, allow("sqs:*"))
    condition = {"ArnNotEquals": {"aws:PrincipalArn": arn}}
    url, _ = guarded(admin, deny("sqs:SendMessage", principal=ANYBODY, Condition=condition))
    assert refused(admin("sqs").send_message, QueueUrl=url, MessageBody="x") == DENIED
    assumed(admin, arn)("sqs").send_message(QueueUrl=url, MessageBody="x")
    url, _ = guarded(
        admin, deny("sqs:*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    )  # as AWS's guide demands TLS
    assert refused(admin("sqs").send_message, QueueUrl=url, MessageBody="x") == DENIED


def test_within_an_account_the_policy_alone_may_suffice(admin: Person) -> None:
    name = f"helped-{next(NUMBERS)}"
    ann = user(admin, name)
    ben = user(admin, f"{name}-2")
    who = {"AWS": f"arn:aws:iam::{MAIN}:user/{name}"}
    url, _ = guarded(admin, lets("sqs:SendMessage", "sqs:GetQueueAttributes", principal=who))
    ann("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert refused(ann("sqs").receive_message, QueueUrl=url) == DENIED
    assert refused(ben("sqs").send_message, QueueUrl=url, MessageBody="x") == DENIED
    # another user of that name is another one, whom nobody let in
    for key in (iam := admin("iam")).list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    number = iam.get_user(UserName=name)["User"]["UserId"]
    iam.delete_user(UserName=name)
    again = user(admin, name)
    assert refused(again("sqs").send_message, QueueUrl=url, MessageBody="x") == DENIED
    told = admin("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    assert json.loads(told["Attributes"]["Policy"])["Statement"][0]["Principal"] == {"AWS": number}


def test_another_accounts_queue(admin: Person, other: Person) -> None:
    url, arn = guarded(admin)
    name, theirs = arn.rpartition(":")[2], other("sqs")
    ask = {"QueueName": name, "QueueOwnerAWSAccountId": MAIN}
    said = words(theirs.get_queue_url, **ask)
    assert said.endswith("because no resource-based policy allows the sqs:GetQueueUrl action")
    lost = {**ask, "QueueName": "none-such"}
    assert refused(theirs.get_queue_url, **lost).endswith("NonExistentQueue")
    assert refused(theirs.send_message, QueueUrl=url, MessageBody="x") == DENIED
    admin("sqs").add_permission(
        QueueUrl=url, Label="friends", AWSAccountIds=[B], Actions=["GetQueueUrl", "SendMessage"]
    )
    found = theirs.get_queue_url(**ask)["QueueUrl"]
    theirs.send_message(QueueUrl=found, MessageBody="from afar")
    assert refused(theirs.receive_message, QueueUrl=found) == DENIED
    cas = user(other, f"cas-{next(NUMBERS)}")  # whom their own account does not let
    assert refused(cas("sqs").send_message, QueueUrl=found, MessageBody="x") == DENIED
    got = admin("sqs").receive_message(QueueUrl=url)["Messages"]
    assert [each["Body"] for each in got] == ["from afar"]
    admin("sqs").remove_permission(QueueUrl=url, Label="friends")
    assert refused(theirs.send_message, QueueUrl=url, MessageBody="x") == DENIED


def test_what_a_queues_policy_cannot_give_away(admin: Person, other: Person) -> None:
    url, _ = guarded(admin, lets("sqs:*", principal={"AWS": B}))
    theirs = other("sqs")
    theirs.send_message(QueueUrl=url, MessageBody="x")
    (got,) = theirs.receive_message(QueueUrl=url)["Messages"]
    theirs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    theirs.purge_queue(QueueUrl=url)
    for call, more in (
        (theirs.delete_queue, {}),
        (theirs.list_queue_tags, {}),
        (theirs.tag_queue, {"Tags": {"k": "v"}}),
        (theirs.set_queue_attributes, {"Attributes": {"DelaySeconds": "1"}}),
        (theirs.remove_permission, {"Label": "x"}),
    ):
        assert refused(call, QueueUrl=url, **more) == DENIED
    assert theirs.list_queues().get("QueueUrls", []) == []


def test_a_topic_sends_unless_the_queue_denies_it(admin: Person) -> None:
    sns, sqs = admin("sns"), admin("sqs")
    topic = sns.create_topic(Name=f"heard-{next(NUMBERS)}")["TopicArn"]
    url, arn = guarded(admin)
    policy = json.loads(lets_send(arn, topic))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="one")
    # all but the topic: people are denied then, the topic is not
    only = deny("sqs:SendMessage", Resource=arn,
                Condition={"ArnNotEquals": {"aws:SourceArn": topic}})  # fmt: skip
    policy["Statement"].append(only)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.publish(TopicArn=topic, Message="two")
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x") == DENIED
    only["Condition"] = {"StringEquals": {"aws:SourceAccount": MAIN}}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.publish(TopicArn=topic, Message="three")
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(each["Body"])["Message"] for each in got) == ["one", "two"]


def test_topics(admin: Person, other: Person) -> None:
    sns, theirs = admin("sns"), other("sns")
    topic = {"TopicArn": sns.create_topic(Name=f"told-{next(NUMBERS)}")["TopicArn"]}
    shown = json.loads(sns.get_topic_attributes(**topic)["Attributes"]["Policy"])
    assert shown["Statement"][0]["Condition"] == {"StringEquals": {"AWS:SourceOwner": MAIN}}
    said = words(theirs.publish, **topic, Message="x")
    assert said.endswith("because no resource-based policy allows the sns:Publish action")
    sns.add_permission(
        **topic, Label="friends", AWSAccountId=[B], ActionName=["Publish", "Subscribe"]
    )
    assert theirs.publish(**topic, Message="x")["MessageId"]
    assert refused(theirs.get_topic_attributes, **topic) == "AuthorizationError"
    assert "other accounts" in words(theirs.subscribe, **topic, Protocol="sqs", Endpoint="x")
    assert words(
        sns.add_permission, **topic, Label="friends", AWSAccountId=[B], ActionName=["Publish"]
    ) == "Invalid parameter: Statement already exists"  # fmt: skip
    sns.remove_permission(**topic, Label="friends")
    sns.remove_permission(**topic, Label="friends")
    assert refused(theirs.publish, **topic, Message="x") == "AuthorizationError"
    odd = topic["TopicArn"].replace("arn:aws:", "arn:aws-cn:")
    assert refused(theirs.publish, TopicArn=odd, Message="x") == "InvalidParameter"
    closed = deny("sns:Publish", Resource=topic["TopicArn"])
    sns.set_topic_attributes(**topic, AttributeName="Policy", AttributeValue=text(closed))
    assert "explicit deny" in words(sns.publish, **topic, Message="x")
    sns.set_topic_attributes(**topic, AttributeName="Policy", AttributeValue="")
    assert sns.publish(**topic, Message="x")["MessageId"]
    assert json.loads(sns.get_topic_attributes(**topic)["Attributes"]["Policy"]) == shown
