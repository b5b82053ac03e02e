"""Resource policies of custom models by boto3: put, changed by revision, described, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.store.rows import Row
from tests.conftest import Server

KIND, NAME = "document-classifier", "films/version/v1"
ARN = f"arn:aws:comprehend:us-east-1:123456789012:{KIND}/{NAME}"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Sid": "import", "Effect": "Allow", "Action": "comprehend:ImportModel", "Resource": "*",
    "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}]})  # fmt: skip
OTHER = POLICY.replace("444455556666", "777788889999")


@pytest.fixture
def comprehend(server: Server) -> Iterator[Any]:
    """A client in an account that has one model, which is as Comprehend keeps one."""
    row = server.world.rows.insert(
        Row("123456789012", "us-east-1", KIND, NAME, "TRAINED", {}, {"tags": {"a": "b"}})
    )
    yield server.client("comprehend")
    server.world.rows.delete(row.id)


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(ResourceArn=ARN, **request)
    found: Any = error.value.response
    return found["Error"]["Code"], found["Error"]["Message"]


def test_a_policy_is_put_changed_and_deleted(comprehend: Any) -> None:
    assert refused(comprehend.describe_resource_policy)[0] == "ResourceNotFoundException"
    first = comprehend.put_resource_policy(ResourceArn=ARN, ResourcePolicy=POLICY)
    found = comprehend.describe_resource_policy(ResourceArn=ARN)
    assert (found["ResourcePolicy"], found["PolicyRevisionId"]) == (
        POLICY,
        first["PolicyRevisionId"],
    )
    assert found["CreationTime"] == found["LastModifiedTime"]
    again = comprehend.put_resource_policy(
        ResourceArn=ARN, ResourcePolicy=OTHER, PolicyRevisionId=first["PolicyRevisionId"]
    )
    assert again["PolicyRevisionId"] != first["PolicyRevisionId"]
    changed = comprehend.describe_resource_policy(ResourceArn=ARN)
    assert (changed["ResourcePolicy"], changed["CreationTime"]) == (OTHER, found["CreationTime"])
    comprehend.delete_resource_policy(ResourceArn=ARN)
    assert refused(comprehend.describe_resource_policy)[0] == "ResourceNotFoundException"
    assert refused(comprehend.delete_resource_policy)[0] == "ResourceNotFoundException"
    assert comprehend.list_tags_for_resource(ResourceArn=ARN)["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]


def test_who_names_no_revision_replaces_the_policy(comprehend: Any) -> None:
    first = comprehend.put_resource_policy(ResourceArn=ARN, ResourcePolicy=POLICY)
    second = comprehend.put_resource_policy(ResourceArn=ARN, ResourcePolicy=OTHER)
    assert second["PolicyRevisionId"] != first["PolicyRevisionId"]
    assert comprehend.describe_resource_policy(ResourceArn=ARN)["ResourcePolicy"] == OTHER


def test_who_names_another_revision_changes_nothing(comprehend: Any) -> None:
    put = comprehend.put_resource_policy
    invalid = "InvalidRequestException"
    assert refused(put, ResourcePolicy=POLICY, PolicyRevisionId="ab")[0] == invalid
    put(ResourceArn=ARN, ResourcePolicy=POLICY)
    assert refused(put, ResourcePolicy=OTHER, PolicyRevisionId="ab")[0] == invalid
    assert refused(comprehend.delete_resource_policy, PolicyRevisionId="ab")[0] == invalid
    assert comprehend.describe_resource_policy(ResourceArn=ARN)["ResourcePolicy"] == POLICY


@pytest.mark.parametrize("text", ["no JSON", "{}", POLICY.replace("Principal", "Resource")])
def test_what_is_no_policy(text: str, comprehend: Any) -> None:
    code, message = refused(comprehend.put_resource_policy, ResourcePolicy=text)
    assert code == "InvalidRequestException"
    assert message.startswith("The policy is not valid: ")


def test_a_model_that_there_is_not(server: Server) -> None:
    comprehend = server.client("comprehend")
    for call, more in (
        (comprehend.put_resource_policy, {"ResourcePolicy": POLICY}),
        (comprehend.describe_resource_policy, {}),
        (comprehend.delete_resource_policy, {}),
    ):
        assert refused(call, **more)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("kind", "name", "resource"),
    [
        ("training-job", "foo", "training-job/foo"),
        ("flywheel-dataset", "f/dataset/d", "flywheel-dataset/f/dataset/d"),
    ],
)
def test_an_arn_names_no_row_of_another_service_and_none_past_its_own_form(
    server: Server, kind: str, name: str, resource: str
) -> None:
    plan = {"tags": {"a": "b"}}
    row = server.world.rows.insert(
        Row("123456789012", "us-east-1", kind, name, "COMPLETED", {}, plan)
    )
    arn = f"arn:aws:comprehend:us-east-1:123456789012:{resource}"
    client = server.client("comprehend")
    try:
        for call, more in (
            (client.list_tags_for_resource, {}),
            (client.tag_resource, {"Tags": [{"Key": "c", "Value": "d"}]}),
            (client.untag_resource, {"TagKeys": ["a"]}),
        ):
            with pytest.raises(client.exceptions.ResourceNotFoundException):
                call(ResourceArn=arn, **more)
        found = server.world.rows.by_id(row.id)
        assert found is not None
        assert found.plan == plan
    finally:
        server.world.rows.delete(row.id)
