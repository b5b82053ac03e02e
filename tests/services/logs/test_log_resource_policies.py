"""Resource policies of CloudWatch Logs: put, listed, replaced, deleted, ten at most."""

from __future__ import annotations

import json

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx

STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/*:*",
}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})


def put(ctx: Ctx, name: str, document: str = DOCUMENT) -> Doc:
    given = {"policyName": name, "policyDocument": document}
    return ctx.call("logs", "PutResourcePolicy", given)["resourcePolicy"]


def names(ctx: Ctx, **given: object) -> list[str]:
    found = ctx.call("logs", "DescribeResourcePolicies", {**given})["resourcePolicies"]
    return [each["policyName"] for each in found]


def test_policies_are_put_replaced_listed_and_deleted(ctx: Ctx) -> None:
    found = put(ctx, "b")
    assert (found["policyName"], found["policyDocument"]) == ("b", DOCUMENT)
    assert found["policyScope"] == "ACCOUNT"
    assert found["lastUpdatedTime"] > 1_700_000_000_000
    put(ctx, "a")
    other = DOCUMENT.replace("events", "route53")
    put(ctx, "b", other)
    assert names(ctx) == ["a", "b"]
    page = ctx.call("logs", "DescribeResourcePolicies", {"limit": 1})
    assert names(ctx, limit=1, nextToken=page["nextToken"]) == ["b"]
    ctx.call("logs", "DeleteResourcePolicy", {"policyName": "a"})
    assert names(ctx) == ["b"]
    with pytest.raises(AwsError, match="does not exist") as caught:
        ctx.call("logs", "DeleteResourcePolicy", {"policyName": "a"})
    assert caught.value.code == "ResourceNotFoundException"


def test_ten_of_an_account_in_a_region(ctx: Ctx) -> None:
    for number in range(10):
        put(ctx, f"p{number}")
    put(ctx, "p3")
    with pytest.raises(AwsError) as caught:
        put(ctx, "p10")
    assert caught.value.code == "LimitExceededException"


@pytest.mark.parametrize(
    "given",
    [
        {"policyName": "p"},
        {"policyDocument": DOCUMENT},
        {"policyName": "p", "policyDocument": "{"},
        {"policyName": "p", "policyDocument": '{"Statement": [{"Effect": "Maybe"}]}'},
        {"policyDocument": DOCUMENT, "resourceArn": STATEMENT["Resource"]},
    ],
)
def test_what_is_no_policy(ctx: Ctx, given: Doc) -> None:
    with pytest.raises(AwsError) as caught:
        ctx.call("logs", "PutResourcePolicy", given)
    assert caught.value.code == "InvalidParameterException"
