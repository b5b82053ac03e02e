"""STS by boto3: who the user's key speaks for, and what sessions may do and for how long."""

from __future__ import annotations

import json

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def session(server, credentials, service):
    """A client with a session's credentials."""
    return server.client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def code(info) -> str:
    return info.value.response["Error"]["Code"]


def test_caller_is_an_assumed_role(client):
    found = client("sts").get_caller_identity()
    assert found["Account"] == "123456789012"
    assert found["Arn"].startswith("arn:aws:sts::123456789012:assumed-role/SagebrushExecutionRole/")
    assert found["UserId"].startswith("AROA")
    assert found["UserId"].split(":")[1] == found["Arn"].rsplit("/", 1)[1]


def test_assume_role_that_nobody_created(server, client):
    arn = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole-2026"
    found = client("sts").assume_role(RoleArn=arn, RoleSessionName="try")
    assert (
        found["AssumedRoleUser"]["Arn"]
        == "arn:aws:sts::123456789012:assumed-role/AmazonSageMaker-ExecutionRole-2026/try"
    )
    me = session(server, found["Credentials"], "sts").get_caller_identity()
    assert me["Arn"] == found["AssumedRoleUser"]["Arn"]
    assert me["UserId"] == found["AssumedRoleUser"]["AssumedRoleId"]


def test_session_has_the_roles_policies_only(server, client):
    iam = client("iam")
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)
    policy = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:List*", "Resource": "*"},
    }
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(policy))
    found = client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName="try"
    )
    s3 = session(server, found["Credentials"], "s3")
    s3.list_buckets()
    with pytest.raises(ClientError) as info:
        s3.create_bucket(Bucket="not-for-readers")
    assert code(info) == "AccessDenied"
    assert "s3:CreateBucket" in str(info.value)
    iam.delete_role_policy(RoleName="reader", PolicyName="p")
    with pytest.raises(ClientError) as info:
        s3.list_buckets()
    assert code(info) == "AccessDenied"
    iam.delete_role(RoleName="reader")
    with pytest.raises(ClientError) as info:
        s3.list_buckets()
    assert code(info) == "AccessDenied"


def test_session_policy_limits_the_session(server, client):
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
        ],
    }
    found = client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/SagebrushExecutionRole",
        RoleSessionName="try",
        Policy=json.dumps(policy),
    )
    s3 = session(server, found["Credentials"], "s3")
    s3.list_buckets()
    with pytest.raises(ClientError) as info:
        s3.create_bucket(Bucket="beyond-the-session")
    assert code(info) == "AccessDenied"


def test_trust_policy_is_asked(server, client):
    services_only = json.loads(TRUST)
    services_only["Statement"][0]["Principal"] = {"Service": "sagemaker.amazonaws.com"}
    client("iam").create_role(RoleName="closed", AssumeRolePolicyDocument=json.dumps(services_only))
    with pytest.raises(ClientError) as info:
        client("sts").assume_role(
            RoleArn="arn:aws:iam::123456789012:role/closed", RoleSessionName="try"
        )
    assert code(info) == "AccessDenied"
    assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_what_a_trust_policy_asks_of_the_request(server, client):
    asks = json.loads(TRUST)
    asks["Statement"][0] |= {
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": {
            "StringEquals": {
                "sts:ExternalId": "right",
                "aws:RequestTag/team": "ml",
                "sts:SourceIdentity": "ann",
            },
            "StringLike": {"sts:RoleSessionName": "ci-*"},
        },
    }
    name = "asks"
    client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(asks))
    right = {
        "RoleArn": f"arn:aws:iam::123456789012:role/{name}",
        "RoleSessionName": "ci-1",
        "ExternalId": "right",
        "Tags": [{"Key": "Team", "Value": "ml"}],
        "TransitiveTagKeys": ["team"],
        "SourceIdentity": "ann",
    }
    found = client("sts").assume_role(**right)
    assert found["SourceIdentity"] == "ann"
    assert found["PackedPolicySize"] > 0
    for wrong in (
        {"ExternalId": "wrong"},
        {"RoleSessionName": "me"},
        {"SourceIdentity": "bob"},
        {"Tags": [{"Key": "Team", "Value": "web"}]},
    ):
        with pytest.raises(ClientError) as info:
            client("sts").assume_role(**{**right, **wrong})
        assert code(info) == "AccessDenied"
    for missing in ("ExternalId", "SourceIdentity"):
        with pytest.raises(ClientError) as info:
            client("sts").assume_role(**{k: v for k, v in right.items() if k != missing})
        assert code(info) == "AccessDenied"


def test_session_longer_than_the_role_allows(client):
    client("iam").create_role(RoleName="hour", AssumeRolePolicyDocument=TRUST)
    arn = "arn:aws:iam::123456789012:role/hour"
    sts = client("sts")
    with pytest.raises(ClientError) as info:
        sts.assume_role(RoleArn=arn, RoleSessionName="try", DurationSeconds=7200)
    assert code(info) == "ValidationError"
    assert "MaxSessionDuration" in str(info.value)
    free = client("sts", config=Config(parameter_validation=False))
    with pytest.raises(ClientError) as info:
        free.assume_role(RoleArn=arn, RoleSessionName="try", DurationSeconds=60)
    assert code(info) == "ValidationError"


def test_session_token_of_the_user(server, client):
    found = client("sts").get_session_token(DurationSeconds=900)
    sts = session(server, found["Credentials"], "sts")
    assert sts.get_caller_identity()["Arn"] == client("sts").get_caller_identity()["Arn"]
    with pytest.raises(ClientError) as info:
        sts.get_session_token()
    assert code(info) == "AccessDenied"


def test_malformed_role_arn(client):
    with pytest.raises(ClientError) as info:
        client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:user/x", RoleSessionName="try")
    assert code(info) == "ValidationError"
