"""IAM by boto3: the account's alias, rules and summary, all its details, and who may ask for what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest
from botocore.config import Config

from tests.services.iam.told import (
    ACCOUNT,
    ARN,
    TRUST,
    conflict,
    document,
    refused,
    taken,
    text,
    unknown,
)


@pytest.fixture
def iam(client):
    return client("iam")


def test_the_alias(iam):
    assert iam.list_account_aliases()["AccountAliases"] == []
    unknown(iam.delete_account_alias, AccountAlias="mine")
    for alias in ("mine", "my-own"):
        iam.create_account_alias(AccountAlias=alias)
        assert iam.list_account_aliases()["AccountAliases"] == [alias]
    taken(iam.create_account_alias, AccountAlias="my-own")
    unknown(iam.delete_account_alias, AccountAlias="mine")
    iam.delete_account_alias(AccountAlias="my-own")
    assert iam.list_account_aliases()["AccountAliases"] == []
    for alias in ("My-own", "my--own", "-own"):
        refused(iam.create_account_alias, "ValidationError", 400, AccountAlias=alias)


def test_rules_for_passwords(iam):
    words = unknown(iam.get_account_password_policy)
    assert words == f"The Password Policy with domain name {ACCOUNT} cannot be found."
    words = unknown(iam.delete_account_password_policy)
    assert words == "The account policy with name PasswordPolicy cannot be found."
    iam.update_account_password_policy()
    found = iam.get_account_password_policy()["PasswordPolicy"]
    assert (found["MinimumPasswordLength"], found["ExpirePasswords"]) == (6, False)
    assert "MaxPasswordAge" not in found
    given = {"MaxPasswordAge": 60, "MinimumPasswordLength": 10, "RequireNumbers": True}
    iam.update_account_password_policy(**given)
    found = iam.get_account_password_policy()["PasswordPolicy"]
    assert found | given == found
    assert (found["ExpirePasswords"], found["RequireSymbols"]) == (True, False)
    iam.delete_account_password_policy()
    unknown(iam.get_account_password_policy)


def test_rules_beyond_their_limits(client):
    iam = client("iam", config=Config(parameter_validation=False))
    words = refused(
        iam.update_account_password_policy, "ValidationError", 400,
        MinimumPasswordLength=129, MaxPasswordAge=1096,
    )  # fmt: skip
    assert words.startswith("2 validation errors detected: ")


def test_the_summary(iam):
    before = iam.get_account_summary()["SummaryMap"]
    arn = iam.create_policy(PolicyName="summed", PolicyDocument=text())["Policy"]["Arn"]
    iam.create_user(UserName="summed")
    iam.create_group(GroupName="summed")
    iam.create_role(RoleName="summed", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="summed")
    iam.attach_user_policy(UserName="summed", PolicyArn=arn)
    after = iam.get_account_summary()["SummaryMap"]
    more = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert more == dict.fromkeys(
        ("Users", "Groups", "Roles", "Policies", "InstanceProfiles", "PolicyVersionsInUse"), 1
    )
    assert (after["AccessKeysPerUserQuota"], after["AttachedPoliciesPerRoleQuota"]) == (2, 10)
    assert (after["UserPolicySizeQuota"], after["VersionsPerPolicyQuota"]) == (2048, 5)


def test_all_details(iam):
    arn = iam.create_policy(PolicyName="detail", PolicyDocument=text())["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text("s3:*"), SetAsDefault=True)
    iam.create_group(GroupName="detail")
    iam.create_user(UserName="detail", PermissionsBoundary=arn, Tags=[{"Key": "k", "Value": "v"}])
    iam.create_role(RoleName="detail", AssumeRolePolicyDocument=TRUST, Description="of a test")
    iam.create_instance_profile(InstanceProfileName="detail")
    iam.add_role_to_instance_profile(InstanceProfileName="detail", RoleName="detail")
    iam.add_user_to_group(GroupName="detail", UserName="detail")
    for kind in ("user", "group", "role"):
        given = {f"{kind.title()}Name": "detail"}
        put = getattr(iam, f"put_{kind}_policy")
        put(**given, PolicyName="in", PolicyDocument=text())
        getattr(iam, f"attach_{kind}_policy")(**given, PolicyArn=arn)

    def one(member, **given):
        pages = iam.get_paginator("get_account_authorization_details").paginate(**given)
        found = [each for page in pages for each in page[member]]
        return next(each for each in found if each["Arn"].endswith("/detail"))

    small = {"PaginationConfig": {"PageSize": 2}}
    for member, word in (
        ("UserDetailList", "User"), ("GroupDetailList", "Group"), ("RoleDetailList", "Role"),
    ):  # fmt: skip
        found = one(member, Filter=[word], **small)
        inline = [{"PolicyName": "in", "PolicyDocument": document()}]
        assert found[f"{word}PolicyList"] == inline
        attached = [{"PolicyName": "detail", "PolicyArn": arn}]
        assert found["AttachedManagedPolicies"] == attached
        assert one(member) == found
    user, role = one("UserDetailList"), one("RoleDetailList")
    assert (user["GroupList"], user["Tags"]) == (["detail"], [{"Key": "k", "Value": "v"}])
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    assert role["InstanceProfileList"][0]["Roles"][0]["Description"] == "of a test"
    policy = one("Policies", Filter=["LocalManagedPolicy"])
    listed = [(v["VersionId"], v["IsDefaultVersion"]) for v in policy["PolicyVersionList"]]
    assert listed == [("v2", True), ("v1", False)]
    assert policy["PolicyVersionList"][1]["Document"] == document()
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (3, 1)
    only = iam.get_account_authorization_details(Filter=["AWSManagedPolicy"])
    assert (only["UserDetailList"], only["RoleDetailList"]) == ([], [])
    assert len(only["Policies"]) > 1


# Who may ------------------------------------------------------------------------------------------


@pytest.fixture
def acting(iam, client):
    """`acting(statement, …)`: a client of IAM whose role has that policy alone."""
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"] = {"AWS": f"{ARN}root"}
    iam.create_role(RoleName="acting", AssumeRolePolicyDocument=json.dumps(trust))

    def made(*statements):
        told = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName="acting", PolicyName="p", PolicyDocument=json.dumps(told))
        found = client("sts").assume_role(RoleArn=f"{ARN}role/acting", RoleSessionName="session")
        keys = found["Credentials"]
        return client(
            "iam", aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )  # fmt: skip

    yield made
    iam.delete_role_policy(RoleName="acting", PolicyName="p")
    iam.delete_role(RoleName="acting")


def allowing(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def test_permissions_are_asked_of_users_by_path(iam, acting):
    mine = acting(allowing("iam:*", f"{ARN}user/mine/*"))
    mine.create_user(UserName="m-one", Path="/mine/")
    mine.create_access_key(UserName="m-one")
    words = refused(mine.create_user, "AccessDenied", 403, UserName="m-two", Path="/other/")
    assert f"iam:CreateUser on resource: {ARN}user/other/m-two" in words
    refused(mine.create_user, "AccessDenied", 403, UserName="m-three")
    refused(mine.update_user, "AccessDenied", 403, UserName="m-one", NewPath="/other/")
    mine.update_user(UserName="m-one", NewUserName="m-four")
    refused(mine.list_users, "AccessDenied", 403)
    key = iam.list_access_keys(UserName="m-four")["AccessKeyMetadata"][0]["AccessKeyId"]
    assert mine.get_access_key_last_used(AccessKeyId=key)["UserName"] == "m-four"


def test_a_boundary_may_be_what_lets_others_change_a_user(iam, acting):
    """IAM user guide, "Permissions boundaries", delegating responsibility to others."""
    arn = iam.create_policy(PolicyName="delegated", PolicyDocument=text())["Policy"]["Arn"]
    limited = {"StringEquals": {"iam:PermissionsBoundary": arn}}
    changes = ["iam:CreateUser", "iam:PutUserPolicy", "iam:AttachUserPolicy"]
    delegate = acting(allowing(changes, Condition=limited))
    delegate.create_user(UserName="d-one", PermissionsBoundary=arn)
    iam.create_user(UserName="d-two")
    given = {"PolicyName": "p", "PolicyDocument": text("*")}
    delegate.put_user_policy(UserName="d-one", **given)
    refused(delegate.put_user_policy, "AccessDenied", 403, UserName="d-two", **given)
    refused(delegate.create_user, "AccessDenied", 403, UserName="d-three")
    refused(delegate.attach_user_policy, "AccessDenied", 403, UserName="d-two", PolicyArn=arn)
    iam.delete_user_permissions_boundary(UserName="d-one")
    refused(delegate.put_user_policy, "AccessDenied", 403, UserName="d-one", **given)


def test_a_role_is_passed_to_instances(iam, acting):
    for name in ("i-one", "i-two"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.create_instance_profile(InstanceProfileName=name)
    to = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    passing = acting(
        allowing("iam:AddRoleToInstanceProfile"),
        allowing("iam:PassRole", f"{ARN}role/i-one", Condition=to),
    )
    passing.add_role_to_instance_profile(InstanceProfileName="i-one", RoleName="i-one")
    call = passing.add_role_to_instance_profile
    words = refused(call, "AccessDenied", 403, InstanceProfileName="i-two", RoleName="i-two")
    assert "iam:PassRole" in words


def test_tags_decide(iam, acting):
    iam.create_user(UserName="t-one", Tags=[{"Key": "team", "Value": "ml"}])
    iam.create_user(UserName="t-two")
    ours = {"StringEquals": {"aws:ResourceTag/team": "ml"}}
    mine = acting(allowing(["iam:GetUser", "iam:TagUser"], Condition=ours))
    mine.get_user(UserName="t-one")
    refused(mine.get_user, "AccessDenied", 403, UserName="t-two")
    tags = [{"Key": "team", "Value": "ml"}]
    refused(mine.tag_user, "AccessDenied", 403, UserName="t-two", Tags=tags)


def test_a_service_linked_role_may_be_the_only_one(acting):
    service = "lex.amazonaws.com"
    named = {"StringLike": {"iam:AWSServiceName": service}}
    resource = f"{ARN}role/aws-service-role/{service}/AWSServiceRoleForLexBots"
    mine = acting(allowing("iam:CreateServiceLinkedRole", resource, Condition=named))
    mine.create_service_linked_role(AWSServiceName=service)
    call = mine.create_service_linked_role
    refused(call, "AccessDenied", 403, AWSServiceName="rds.amazonaws.com")


# At once ------------------------------------------------------------------------------------------


def test_of_what_excludes_each_other_one_is_refused(iam):
    """A role is deleted while it is put into a profile, a user while it gets a key: never both."""
    for i in range(8):
        name = f"race-{i}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.create_user(UserName=name)
        calls = [
            lambda n=name: iam.delete_role(RoleName=n),
            lambda n=name: iam.add_role_to_instance_profile(RoleName=n, InstanceProfileName=n),
            lambda n=name: iam.delete_user(UserName=n),
            lambda n=name: iam.create_access_key(UserName=n),
        ]
        refusals = [None] * len(calls)

        def run(at, call, refusals=refusals):
            try:
                call()
            except iam.exceptions.ClientError as error:
                refusals[at] = error.response["Error"]["Code"]

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for pair in (refusals[:2], refusals[2:]):
            assert pair.count(None) == 1
            assert set(pair) <= {None, "DeleteConflict", "NoSuchEntity"}


def test_the_command_line(server):
    """AWS's CLI reads what IAM answers."""
    pytest.importorskip("awscli")
    key, secret = server.world.credentials.user_key
    known = {
        **os.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "",
    }  # fmt: skip
    words = ("create-user", "--user-name", "cli", "--tags", "Key=team,Value=ml")
    done = subprocess.run(
        [sys.executable, "-m", "awscli", "iam", *words], env=known, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)["User"]
    assert (made["Arn"], made["Tags"]) == (f"{ARN}user/cli", [{"Key": "team", "Value": "ml"}])


def test_a_user_that_has_policies_stays(iam):
    iam.create_user(UserName="stays")
    iam.put_user_policy(UserName="stays", PolicyName="p", PolicyDocument=text())
    conflict(iam.delete_user, UserName="stays")
