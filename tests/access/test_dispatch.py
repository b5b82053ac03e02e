"""What a caller may do: whose policies decide, and how a refusal is told."""

from __future__ import annotations

import json

import pytest

from sagebrush.access import dispatch
from sagebrush.errors import AwsError

ROLE = "arn:aws:iam::123456789012:role/limited"
JOB = {
    "TrainingJobName": "My-Job",
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
}


@pytest.fixture
def limited(ctx):
    """A context of the role `limited`, and a function that sets the role's only statement."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    ctx.call(
        "iam",
        "CreateRole",
        {"RoleName": "limited", "AssumeRolePolicyDocument": json.dumps(trust)},
    )

    def allow(*policy_statements):
        document = {"Version": "2012-10-17", "Statement": list(policy_statements)}
        ctx.call(
            "iam",
            "PutRolePolicy",
            {
                "RoleName": "limited",
                "PolicyName": "only",
                "PolicyDocument": json.dumps(document),
            },
        )

    yield ctx.as_role(ROLE), allow
    for policy in ctx.call("iam", "ListRolePolicies", {"RoleName": "limited"})["PolicyNames"]:
        ctx.call("iam", "DeleteRolePolicy", {"RoleName": "limited", "PolicyName": policy})
    ctx.call("iam", "DeleteRole", {"RoleName": "limited"})


def statement(action, resource="*", effect="Allow", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def refusal(ctx, service, operation, params) -> AwsError:
    with pytest.raises(AwsError) as info:
        dispatch.authorise(ctx, service, operation, params)
    assert info.value.status == (400 if service == "sagemaker" else 403)
    return info.value


def test_a_role_has_what_was_given_to_it(limited):
    ctx, allow = limited
    assert refusal(ctx, "s3", "ListBuckets", {}).code == "AccessDenied"
    allow(statement("s3:ListAllMyBuckets"))
    dispatch.authorise(ctx, "s3", "ListBuckets", {})
    error = refusal(ctx, "s3", "CreateBucket", {"Bucket": "b"})
    assert "is not authorized to perform: s3:CreateBucket" in error.message
    assert error.message.endswith(
        "because no identity-based policy allows the s3:CreateBucket action"
    )
    allow(statement("s3:*"), statement("s3:DeleteBucket", effect="Deny"))
    error = refusal(ctx, "s3", "DeleteBucket", {"Bucket": "b"})
    assert error.message.endswith("with an explicit deny in an identity-based policy")
    assert refusal(ctx, "sagemaker", "ListModels", {}).code == "AccessDeniedException"


def test_every_key_of_a_delete_is_asked_for(limited):
    ctx, allow = limited
    allow(statement("s3:DeleteObject", "arn:aws:s3:::b/mine/*"))
    objects = [{"Key": "mine/1"}, {"Key": "yours/2"}]
    mine = {"Bucket": "b", "Delete": {"Objects": objects[:1]}}
    dispatch.authorise(ctx, "s3", "DeleteObjects", mine)
    both = {"Bucket": "b", "Delete": {"Objects": objects}}
    assert "arn:aws:s3:::b/yours/2" in refusal(ctx, "s3", "DeleteObjects", both).message


def test_a_role_is_passed_by_who_may(limited):
    ctx, allow = limited
    allow(statement("sagemaker:*"))
    error = refusal(ctx, "sagemaker", "CreateTrainingJob", JOB)
    assert f"iam:PassRole on resource: {ROLE}" in error.message
    service = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    allow(statement("sagemaker:*"), statement("iam:PassRole", ROLE, Condition=service))
    dispatch.authorise(ctx, "sagemaker", "CreateTrainingJob", JOB)


def test_identity_is_never_denied(limited):
    ctx, allow = limited
    allow(statement("sts:*", effect="Deny"))
    assert ctx.call("sts", "GetCallerIdentity", {})["Arn"] == ROLE


def test_calls_between_services_are_checked_as_requests_are(limited, ctx):
    inside, _ = limited
    with pytest.raises(AwsError) as info:
        inside.call("s3", "CreateBucket", {"Bucket": "made-inside"})
    assert info.value.code == "AccessDenied"
    ctx.call("s3", "CreateBucket", {"Bucket": "made-inside"})
    with pytest.raises(AwsError) as info:
        ctx.call("sagemaker", "DescribeModel", {})
    assert info.value.code == "ValidationException"
    with pytest.raises(KeyError):
        ctx.call("sagemaker", "NoSuchOperation", {})


def test_a_role_that_nobody_created_may_do_nothing(ctx):
    anyone = ctx.as_role("arn:aws:iam::123456789012:role/service-role/FromANotebook")
    refusal(anyone, "s3", "ListBuckets", {})


def test_the_owner_cannot_lock_himself_out(ctx):
    deny = {"Version": "2012-10-17", "Statement": [statement("*", effect="Deny")]}
    request = {
        "RoleName": "SagebrushExecutionRole",
        "PolicyName": "oops",
        "PolicyDocument": json.dumps(deny),
    }
    ctx.call("iam", "PutRolePolicy", request)
    dispatch.authorise(ctx, "s3", "ListBuckets", {})
    job = ctx.as_role("arn:aws:iam::123456789012:role/SagebrushExecutionRole")
    refusal(job, "s3", "ListBuckets", {})
