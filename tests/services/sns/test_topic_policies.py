"""Policies of topics: which are refused, and statements by labels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.access import resource_policies
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.services.sns import policies
from sagebrush.store.rows import Row

ARN = Arn("sns", "us-east-1", "123456789012", "t")
ROW = Row(ARN.account, ARN.region, "topic", "t", "Active", {})
ASKED = {"Label": "l", "AWSAccountId": ["210987654321"], "ActionName": ["Publish"]}


def document(*statements: Any, **more: Any) -> str:
    whole = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": str(ARN)}
    return json.dumps({"Statement": [{**whole, **each} for each in statements], **more})


def test_what_a_topic_may_have() -> None:
    policies.check(json.dumps(resource_policies.default_of_topic(ARN)))
    policies.check(document({"Effect": "Deny"}, {"Action": ["SNS:*", "sns:Get*", "SNS:Receive"]}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Policy Error: Syntax errors in policy."),
        (document({"Effect": "Maybe"}), "Policy Error"),
        (document({"Principal": {"AWS": "nobody"}}), "Invalid principal"),
        (document({"Action": "sns:CreateTopic"}), "action out of service scope!"),
        (document({"Action": ["sns:Publish", "sqs:SendMessage"]}), "action out of service scope!"),
        (document(*[{}] * 101), "101 Statements were found"),
        (document({"Principal": {"AWS": ["123456789012"] * 201}}), "201 Principals were found"),
        (document({"Sid": "x" * 31000}), "Bytes were found, maximum allowed is 30720"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(AwsError, match=says) as caught:
        policies.check(text)
    assert caught.value.message.startswith("Invalid parameter: ")


def test_a_statement_joins_the_default_and_leaves() -> None:
    added = policies.add(ROW, ARN, ASKED)
    default = resource_policies.default_of_topic(ARN)
    made = json.loads(added.doc["Policy"])
    assert made["Statement"] == [
        *default["Statement"],
        {
            "Sid": "l",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
            "Action": "SNS:Publish",
            "Resource": str(ARN),
        },
    ]
    assert json.loads(policies.remove(added, ARN, "l").doc["Policy"]) == default
    assert policies.remove(ROW, ARN, "l") is ROW


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"AWSAccountId": ["me"]}, "A provided account ID is not valid"),
        ({"ActionName": ["CreateTopic"]}, "action out of service scope!"),
        ({"Label": ""}, "Label"),
        ({"Label": "__default_statement_ID"}, "Statement already exists"),
    ],
)
def test_statements_that_are_refused(more: dict[str, Any], says: str) -> None:
    with pytest.raises(AwsError, match=says):
        policies.add(ROW, ARN, {**ASKED, **more})
