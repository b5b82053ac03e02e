"""IAM by boto3: roles, their policies, and what they decide."""

from __future__ import annotations

import json
import re

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def policy(action, resource="*", effect="Allow", **more):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}],
        }
    )


@pytest.fixture
def iam(client):
    return client("iam")


@pytest.fixture
def role(iam, request):
    """A role named after the test, without policies."""
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    return name


def refused(call, code, status, **given):
    with pytest.raises(ClientError) as info:
        call(**given)
    found = info.value.response
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    return found["Error"]["Message"]


def test_seeded_role_is_first_and_complete(iam, role):
    roles = iam.list_roles()["Roles"]
    assert roles[0]["RoleName"] == "SagebrushExecutionRole"
    found = iam.get_role(RoleName="SagebrushExecutionRole")["Role"]
    assert found["Arn"] == "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
    trusted = found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
    assert "sagemaker.amazonaws.com" in trusted
    attached = iam.list_attached_role_policies(RoleName="SagebrushExecutionRole")
    assert attached["AttachedPolicies"][0]["PolicyName"] == "AdministratorAccess"
    refused(iam.delete_role, "UnmodifiableEntity", 400, RoleName="SagebrushExecutionRole")


def test_create_get_delete(iam):
    made = iam.create_role(
        RoleName="a-role",
        Path="/service-role/",
        AssumeRolePolicyDocument=json.dumps(TRUST),
        Description="of a test",
        MaxSessionDuration=7200,
        Tags=[{"Key": "team", "Value": "ml"}],
    )["Role"]
    assert made["Arn"] == "arn:aws:iam::123456789012:role/service-role/a-role"
    found = iam.get_role(RoleName="a-role")["Role"]
    assert found["AssumeRolePolicyDocument"] == TRUST
    assert (found["Description"], found["MaxSessionDuration"]) == ("of a test", 7200)
    assert found["Tags"] == [{"Key": "team", "Value": "ml"}]
    words = refused(
        iam.create_role,
        "EntityAlreadyExists",
        409,
        RoleName="a-role",
        AssumeRolePolicyDocument=json.dumps(TRUST),
    )
    assert words == "Role with name a-role already exists."
    iam.delete_role(RoleName="a-role")
    words = refused(iam.get_role, "NoSuchEntity", 404, RoleName="a-role")
    assert words == "The role with name a-role cannot be found."
    refused(iam.delete_role, "NoSuchEntity", 404, RoleName="a-role")
    iam.create_role(RoleName="a-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert "Description" not in iam.get_role(RoleName="a-role")["Role"]


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        '{"Version": "2013-01-01", "Statement": []}',
        policy("s3:*"),
        json.dumps({**TRUST, "Statement": [{**TRUST["Statement"][0], "Effect": "Perhaps"}]}),
        json.dumps({**TRUST, "Statement": [{**TRUST["Statement"][0], "Resource": "*"}]}),
    ],
)
def test_malformed_trust(iam, text):
    refused(
        iam.create_role,
        "MalformedPolicyDocument",
        400,
        RoleName="malformed",
        AssumeRolePolicyDocument=text,
    )


@pytest.mark.parametrize(
    "text",
    [
        "{",
        json.dumps(TRUST),
        policy("everything"),
        policy("s3:*", "bucket"),
        policy("s3:*", Condition={"StringAlmost": {"a:b": "c"}}),
        policy("s3:*", effect="Maybe"),
    ],
)
def test_malformed_policy(iam, role, text):
    refused(
        iam.put_role_policy,
        "MalformedPolicyDocument",
        400,
        RoleName=role,
        PolicyName="p",
        PolicyDocument=text,
    )


def test_inline_policies(iam, role):
    text = policy(["s3:GetObject"], "arn:aws:s3:::b/*")
    iam.put_role_policy(RoleName=role, PolicyName="one", PolicyDocument=text)
    iam.put_role_policy(RoleName=role, PolicyName="two", PolicyDocument=text)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["one", "two"]
    found = iam.get_role_policy(RoleName=role, PolicyName="one")
    assert found["PolicyDocument"] == json.loads(text)
    refused(iam.delete_role, "DeleteConflict", 409, RoleName=role)
    iam.delete_role_policy(RoleName=role, PolicyName="one")
    refused(iam.get_role_policy, "NoSuchEntity", 404, RoleName=role, PolicyName="one")
    refused(iam.delete_role_policy, "NoSuchEntity", 404, RoleName=role, PolicyName="one")
    large = policy([f"s3:GetObject{i}" for i in range(1000)])
    refused(
        iam.put_role_policy,
        "LimitExceeded",
        409,
        RoleName=role,
        PolicyName="three",
        PolicyDocument=large,
    )


def test_attached_policies(iam, role):
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    found = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert found == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": arn}]
    refused(iam.delete_role, "DeleteConflict", 409, RoleName=role)
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    refused(iam.detach_role_policy, "NoSuchEntity", 404, RoleName=role, PolicyArn=arn)
    refused(
        iam.attach_role_policy,
        "NoSuchEntity",
        404,
        RoleName=role,
        PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy",
    )


def test_customer_managed_policy(iam, role):
    made = iam.create_policy(PolicyName="mine", PolicyDocument=policy("s3:GetObject"))["Policy"]
    iam.attach_role_policy(RoleName=role, PolicyArn=made["Arn"])
    assert iam.get_policy(PolicyArn=made["Arn"])["Policy"]["AttachmentCount"] == 1
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(policy("s3:GetObject"))
    assert [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]] == ["mine"]
    refused(iam.delete_policy, "DeleteConflict", 409, PolicyArn=made["Arn"])
    iam.detach_role_policy(RoleName=role, PolicyArn=made["Arn"])
    iam.delete_policy(PolicyArn=made["Arn"])
    refused(iam.get_policy, "NoSuchEntity", 404, PolicyArn=made["Arn"])


def decisions(iam, role, actions, resources=("*",), **more):
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=f"arn:aws:iam::123456789012:role/{role}",
        ActionNames=actions,
        ResourceArns=list(resources),
        **more,
    )
    found = [r for page in pages for r in page["EvaluationResults"]]
    return {(r["EvalActionName"], r["EvalResourceName"]): r["EvalDecision"] for r in found}


def test_simulation_decides_as_the_policies_do(iam, role):
    iam.put_role_policy(
        RoleName=role,
        PolicyName="p",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::open/*"},
                    {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"},
                    {
                        "Effect": "Allow",
                        "Action": "iam:PassRole",
                        "Resource": "*",
                        "Condition": {
                            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
                        },
                    },
                ],
            }
        ),
    )
    assert decisions(
        iam, role, ["s3:GetObject", "s3:DeleteObject"], ["arn:aws:s3:::open/a", "arn:aws:s3:::b/a"]
    ) == {
        ("s3:GetObject", "arn:aws:s3:::open/a"): "allowed",
        ("s3:GetObject", "arn:aws:s3:::b/a"): "implicitDeny",
        ("s3:DeleteObject", "arn:aws:s3:::open/a"): "explicitDeny",
        ("s3:DeleteObject", "arn:aws:s3:::b/a"): "explicitDeny",
    }
    assert decisions(iam, role, ["iam:PassRole"]) == {("iam:PassRole", "*"): "implicitDeny"}
    service = {
        "ContextKeyName": "iam:PassedToService",
        "ContextKeyValues": ["sagemaker.amazonaws.com"],
        "ContextKeyType": "string",
    }
    assert decisions(iam, role, ["iam:PassRole"], ContextEntries=[service]) == {
        ("iam:PassRole", "*"): "allowed"
    }


def test_simulation_is_paged(iam):
    actions = [f"s3:Get{i}" for i in range(7)]
    arn = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
    page = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, MaxItems=3)
    assert page["IsTruncated"]
    assert len(page["EvaluationResults"]) == 3
    found = decisions(iam, "SagebrushExecutionRole", actions, PaginationConfig={"PageSize": 3})
    assert len(found) == 7
    assert set(found.values()) == {"allowed"}
    refused(
        iam.simulate_principal_policy,
        "ValidationError",
        400,
        PolicySourceArn=arn,
        ActionNames=actions,
        Marker="elsewhere",
    )


def test_a_role_named_by_a_notebook_stands_for_the_execution_role(iam):
    refused(iam.get_role, "NoSuchEntity", 404, RoleName="FromANotebook")
    found = decisions(iam, "FromANotebook", ["sagemaker:CreateTrainingJob"])
    assert set(found.values()) == {"allowed"}
    trust = iam.get_role(RoleName="FromANotebook")["Role"]["AssumeRolePolicyDocument"]
    assert "sagemaker.amazonaws.com" in trust["Statement"][0]["Principal"]["Service"]
    assert "FromANotebook" in [role["RoleName"] for role in iam.list_roles()["Roles"]]
    call = iam.attach_role_policy
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    words = refused(call, "NoSuchEntity", 404, RoleName="FromANotebook", PolicyArn=arn)
    assert "stands for SagebrushExecutionRole" in words
    iam.delete_role(RoleName="FromANotebook")
    refused(iam.get_role, "NoSuchEntity", 404, RoleName="FromANotebook")


def test_trust_and_tags_change(iam, role):
    other = json.loads(json.dumps(TRUST).replace("sagemaker", "lambda"))
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(other))
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == other
    iam.tag_role(RoleName=role, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_role(RoleName=role, TagKeys=["a"])
    assert iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_the_caller_and_the_account(iam, client):
    me = iam.get_user()["User"]
    assert client("sts").get_caller_identity()["Arn"].endswith("/" + me["UserName"])
    refused(iam.get_user, "NoSuchEntity", 404, UserName="nobody-of-that-name")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_wrong_input(client):
    iam = client("iam", config=Config(parameter_validation=False))
    refused(iam.get_role, "ValidationError", 400)
    refused(iam.get_role, "ValidationError", 400, RoleName="b@d name!")


def test_what_is_not_there_is_named(iam):
    words = refused(iam.list_saml_providers, "NotImplemented", 400)
    assert "ListSAMLProviders" in words


def test_dates_are_of_what_they_are_told_of(iam, role, server):
    """The user is as old as its key, and AWS's policies have no dates that are known here."""
    made = (server.app.settings.home / "keys" / "user.json").stat().st_mtime
    assert iam.get_user()["User"]["CreateDate"].timestamp() == pytest.approx(made, abs=1)
    for found in iam.list_policies(Scope="AWS")["Policies"]:
        assert not {"CreateDate", "UpdateDate"} & found.keys()
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert "CreateDate" not in version
