"""IAM by boto3: users, their keys, policies, boundaries and tags."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from sagebrush.credentials import user_name
from tests import people
from tests.services.iam.told import (
    ARN,
    conflict,
    document,
    exceeded,
    refused,
    taken,
    text,
    unknown,
)

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
NOBODY = "The user with name nobody cannot be found."


@pytest.fixture
def iam(client):
    return client("iam")


@pytest.fixture
def ann(iam, request):
    """A user named after the test."""
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    iam.create_user(UserName=name)
    return name


def test_a_user_is_created_found_and_deleted(iam):
    tags = [{"Key": "team", "Value": "ml"}, {"Key": "Stage", "Value": ""}]
    made = iam.create_user(UserName="Bob", Path="/people/a/", Tags=tags)["User"]
    assert made["Arn"] == f"{ARN}user/people/a/Bob"
    assert (made["UserName"], made["Path"], made["Tags"]) == ("Bob", "/people/a/", tags)
    assert re.fullmatch("AIDA[A-Z2-7]{17}", made["UserId"])
    assert abs(made["CreateDate"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert iam.get_user(UserName="Bob")["User"] == made
    for name in ("Bob", "bob", "BOB"):
        words = taken(iam.create_user, UserName=name)
        assert words == f"User with name {name} already exists."
    iam.delete_user(UserName="Bob")
    assert unknown(iam.get_user, UserName="Bob") == "The user with name Bob cannot be found."
    again = iam.create_user(UserName="Bob")["User"]
    assert again["UserId"] != made["UserId"]
    assert "Tags" not in again


def test_users_that_are_not_there(iam):
    for call, given in (
        (iam.get_user, {}),
        (iam.update_user, {}),
        (iam.delete_user, {}),
        (iam.tag_user, {"Tags": [{"Key": "a", "Value": "b"}]}),
        (iam.untag_user, {"TagKeys": ["a"]}),
        (iam.list_user_tags, {}),
        (iam.create_access_key, {}),
        (iam.list_access_keys, {}),
        (iam.put_user_policy, {"PolicyName": "p", "PolicyDocument": text()}),
        (iam.attach_user_policy, {"PolicyArn": ADMIN}),
        (iam.list_attached_user_policies, {}),
        (iam.list_groups_for_user, {}),
        (iam.list_mfa_devices, {}),
        (iam.list_ssh_public_keys, {}),
        (iam.put_user_permissions_boundary, {"PermissionsBoundary": ADMIN}),
    ):
        assert unknown(call, UserName="nobody", **given) == NOBODY


def test_the_owner_is_a_user_of_its_own(iam):
    """The long-lived key's user is told as before, and nobody takes its name."""
    me = iam.get_user()["User"]
    assert me["UserName"] == user_name()
    assert iam.get_user(UserName=me["UserName"])["User"] == me
    taken(iam.create_user, UserName=me["UserName"])
    assert me["UserName"] not in [user["UserName"] for user in iam.list_users()["Users"]]
    words = refused(iam.create_access_key, "ValidationError", 400)
    assert words == "Must specify userName when calling with non-User credentials"


def test_lists_are_by_name_paged_and_under_a_path(iam):
    for name in ("l-c", "l-a", "l-b"):
        iam.create_user(UserName=name, Path="/listed/", Tags=[{"Key": "k", "Value": "v"}])
    iam.create_user(UserName="l-d", Path="/listed/deeper/")
    found = iam.list_users(PathPrefix="/listed/")
    assert [user["UserName"] for user in found["Users"]] == ["l-a", "l-b", "l-c", "l-d"]
    assert not found["IsTruncated"]
    assert "Tags" not in found["Users"][0]
    pages = iam.get_paginator("list_users").paginate(
        PathPrefix="/listed/", PaginationConfig={"PageSize": 3}
    )
    assert [len(page["Users"]) for page in pages] == [3, 1]
    assert len(iam.list_users(PathPrefix="/listed/deeper")["Users"]) == 1
    refused(iam.list_users, "ValidationError", 400, Marker="elsewhere")


def test_names_and_paths_are_checked(iam):
    for given in ({"UserName": "a b"}, {"UserName": "x" * 65}, {"UserName": "n", "Path": "mine"}):
        words = refused(iam.create_user, "ValidationError", 400, **given)
        assert "failed to satisfy constraint" in words


def test_a_user_has_another_name(iam, ann):
    key = iam.create_access_key(UserName=ann)["AccessKey"]["AccessKeyId"]
    iam.create_group(GroupName="g-renamed")
    iam.add_user_to_group(GroupName="g-renamed", UserName=ann)
    old = iam.get_user(UserName=ann)["User"]
    iam.update_user(UserName=ann, NewUserName="Cleo", NewPath="/new/")
    new = iam.get_user(UserName="Cleo")["User"]
    assert (new["Arn"], new["UserId"]) == (f"{ARN}user/new/Cleo", old["UserId"])
    unknown(iam.get_user, UserName=ann)
    keys = iam.list_access_keys(UserName="Cleo")["AccessKeyMetadata"]
    assert [(each["AccessKeyId"], each["UserName"]) for each in keys] == [(key, "Cleo")]
    assert [u["UserName"] for u in iam.get_group(GroupName="g-renamed")["Users"]] == ["Cleo"]
    iam.create_user(UserName="Dan")
    taken(iam.update_user, UserName="Dan", NewUserName="cleo")
    iam.update_user(UserName="Cleo", NewUserName="CLEO")
    assert iam.get_user(UserName="CLEO")["User"]["Path"] == "/new/"


def test_what_a_user_still_has_keeps_it(iam, ann):
    arn = iam.create_policy(PolicyName="keeps", PolicyDocument=text())["Policy"]["Arn"]
    iam.create_group(GroupName="g-keeps")
    key = iam.create_access_key(UserName=ann)["AccessKey"]["AccessKeyId"]
    iam.attach_user_policy(UserName=ann, PolicyArn=arn)
    iam.put_user_policy(UserName=ann, PolicyName="p", PolicyDocument=text())
    iam.add_user_to_group(GroupName="g-keeps", UserName=ann)
    for words, undo in (
        ("must remove users from group first", lambda: iam.remove_user_from_group(
            GroupName="g-keeps", UserName=ann)),
        ("must detach all policies first", lambda: iam.detach_user_policy(
            UserName=ann, PolicyArn=arn)),
        ("must delete policies first", lambda: iam.delete_user_policy(
            UserName=ann, PolicyName="p")),
        ("must delete access keys first", lambda: iam.delete_access_key(
            UserName=ann, AccessKeyId=key)),
    ):  # fmt: skip
        assert conflict(iam.delete_user, UserName=ann) == f"Cannot delete entity, {words}."
        undo()
    iam.delete_user(UserName=ann)
    unknown(iam.get_user, UserName=ann)


# Access keys --------------------------------------------------------------------------------------


def test_access_keys(iam, ann, server):
    made = iam.create_access_key(UserName=ann)["AccessKey"]
    assert re.fullmatch("AKIA[A-Z2-7]{16}", made["AccessKeyId"])
    assert len(made["SecretAccessKey"]) == 40
    assert (made["UserName"], made["Status"]) == (ann, "Active")
    second = iam.create_access_key(UserName=ann)["AccessKey"]["AccessKeyId"]
    words = exceeded(iam.create_access_key, UserName=ann)
    assert words == "Cannot exceed quota for AccessKeysPerUser: 2"
    listed = iam.list_access_keys(UserName=ann)["AccessKeyMetadata"]
    assert {each["AccessKeyId"] for each in listed} == {made["AccessKeyId"], second}
    assert set(listed[0]) == {"UserName", "AccessKeyId", "Status", "CreateDate"}
    one = {"UserName": ann, "AccessKeyId": made["AccessKeyId"]}
    for status in ("Inactive", "Active"):
        iam.update_access_key(**one, Status=status)
        row = server.world.rows.get("", "", "access-key", made["AccessKeyId"])
        assert (row.status, row.doc["Status"]) == (status, status)
        assert made["SecretAccessKey"] not in str(row)
    used = iam.get_access_key_last_used(AccessKeyId=second)
    assert used["UserName"] == ann
    assert used["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    iam.delete_access_key(**one)
    gone = f"The Access Key with id {made['AccessKeyId']} cannot be found."
    assert unknown(iam.delete_access_key, **one) == gone
    assert unknown(iam.update_access_key, **one, Status="Active") == gone
    assert unknown(iam.get_access_key_last_used, AccessKeyId=made["AccessKeyId"]) == gone


def test_a_key_is_of_one_user(iam, ann):
    iam.create_user(UserName="somebody")
    key = iam.create_access_key(UserName=ann)["AccessKey"]["AccessKeyId"]
    unknown(iam.delete_access_key, UserName="somebody", AccessKeyId=key)
    unknown(iam.update_access_key, UserName="somebody", AccessKeyId=key, Status="Inactive")
    assert iam.list_access_keys(UserName="somebody")["AccessKeyMetadata"] == []


# Policies -----------------------------------------------------------------------------------------


def test_inline_policies(iam, ann):
    iam.put_user_policy(UserName=ann, PolicyName="b", PolicyDocument=text("s3:*"))
    iam.put_user_policy(UserName=ann, PolicyName="a", PolicyDocument=text())
    found = iam.get_user_policy(UserName=ann, PolicyName="a")
    assert (found["UserName"], found["PolicyDocument"]) == (ann, document())
    assert iam.list_user_policies(UserName=ann)["PolicyNames"] == ["a", "b"]
    large = text(Sid="x" * 2048)
    words = exceeded(iam.put_user_policy, UserName=ann, PolicyName="c", PolicyDocument=large)
    assert words == f"Maximum policy size of 2048 bytes exceeded for user {ann}"
    iam.delete_user_policy(UserName=ann, PolicyName="a")
    for call in (iam.get_user_policy, iam.delete_user_policy):
        words = unknown(call, UserName=ann, PolicyName="a")
        assert words == "The user policy with name a cannot be found."
    code = "MalformedPolicyDocument"
    refused(iam.put_user_policy, code, 400, UserName=ann, PolicyName="c", PolicyDocument="{}")


def test_attached_policies(iam, ann):
    arn = iam.create_policy(PolicyName="attached", Path="/p/", PolicyDocument=text())["Policy"][
        "Arn"
    ]
    for _ in range(2):
        iam.attach_user_policy(UserName=ann, PolicyArn=arn)
    iam.attach_user_policy(UserName=ann, PolicyArn=ADMIN)
    found = iam.list_attached_user_policies(UserName=ann, PathPrefix="/p/")["AttachedPolicies"]
    assert found == [{"PolicyName": "attached", "PolicyArn": arn}]
    assert len(iam.list_attached_user_policies(UserName=ann)["AttachedPolicies"]) == 2
    iam.detach_user_policy(UserName=ann, PolicyArn=arn)
    words = unknown(iam.detach_user_policy, UserName=ann, PolicyArn=arn)
    assert words == f"Policy {arn} was not found."
    words = unknown(iam.attach_user_policy, UserName=ann, PolicyArn=arn + "x")
    assert words == f"Policy {arn}x does not exist or is not attachable."


def test_ten_policies_are_attached_at_most(iam, ann):
    arns = [
        iam.create_policy(PolicyName=f"ten-{i}", PolicyDocument=text())["Policy"]["Arn"]
        for i in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName=ann, PolicyArn=arn)
    words = exceeded(iam.attach_user_policy, UserName=ann, PolicyArn=arns[10])
    assert words == "Cannot exceed quota for PoliciesPerUser: 10"
    iam.attach_user_policy(UserName=ann, PolicyArn=arns[0])  # which is attached already


def test_boundaries(iam, ann):
    arn = iam.create_policy(PolicyName="limit", PolicyDocument=text())["Policy"]["Arn"]
    made = iam.create_user(UserName="limited", PermissionsBoundary=arn)["User"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    found = iam.list_users(PathPrefix="/")["Users"]
    assert all("PermissionsBoundary" not in user for user in found)
    iam.put_user_permissions_boundary(UserName=ann, PermissionsBoundary=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["PermissionsBoundaryUsageCount"] == 2
    conflict(iam.delete_policy, PolicyArn=arn)
    for name in ("limited", ann):
        iam.delete_user_permissions_boundary(UserName=name)
        assert "PermissionsBoundary" not in iam.get_user(UserName=name)["User"]
    unknown(iam.delete_user_permissions_boundary, UserName=ann)
    iam.delete_policy(PolicyArn=arn)
    unknown(iam.put_user_permissions_boundary, UserName=ann, PermissionsBoundary=arn)
    unknown(iam.create_user, UserName="unlimited", PermissionsBoundary=arn)
    unknown(iam.get_user, UserName="unlimited")


# Tags ---------------------------------------------------------------------------------------------


def tagged(iam, name):
    return {tag["Key"]: tag["Value"] for tag in iam.list_user_tags(UserName=name)["Tags"]}


def test_tags_are_told_apart_without_case(iam, ann):
    iam.tag_user(UserName=ann, Tags=[{"Key": "Team", "Value": "a"}, {"Key": "k", "Value": ""}])
    iam.tag_user(UserName=ann, Tags=[{"Key": "team", "Value": "b"}])
    assert tagged(iam, ann) == {"team": "b", "k": ""}
    page = iam.list_user_tags(UserName=ann, MaxItems=1)
    assert page["IsTruncated"]
    rest = iam.list_user_tags(UserName=ann, Marker=page["Marker"])
    assert [tag["Key"] for tag in page["Tags"] + rest["Tags"]] == ["team", "k"]
    twice = [{"Key": "x", "Value": "1"}, {"Key": "X", "Value": "2"}]
    for call, given in ((iam.tag_user, ann), (iam.create_user, "twice")):
        words = refused(call, "InvalidInput", 400, UserName=given, Tags=twice)
        assert words == "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    iam.untag_user(UserName=ann, TagKeys=["TEAM", "unknown"])
    assert tagged(iam, ann) == {"k": ""}


def test_fifty_tags_at_most(iam, ann):
    tags = [{"Key": f"k{i}", "Value": "v"} for i in range(51)]
    words = refused(iam.tag_user, "ValidationError", 400, UserName=ann, Tags=tags)
    assert "Member must have length less than or equal to 50" in words
    iam.tag_user(UserName=ann, Tags=tags[:50])
    exceeded(iam.tag_user, UserName=ann, Tags=tags[50:])
    iam.tag_user(UserName=ann, Tags=tags[:1])
    for tag in ({"Key": "k" * 129, "Value": ""}, {"Key": "!", "Value": ""}):
        refused(iam.tag_user, "ValidationError", 400, UserName=ann, Tags=[tag])


# What tools look for ------------------------------------------------------------------------------


def test_what_cannot_be_made_is_refused_by_name_and_told_to_be_absent(iam, ann):
    words = refused(
        iam.create_login_profile, "NotImplemented", 400, UserName=ann, Password="secret-1"
    )
    assert "CreateLoginProfile" in words
    for call in (iam.get_login_profile, iam.delete_login_profile):
        words = unknown(call, UserName=ann)
        assert words == f"Login Profile for User {ann} cannot be found."
    assert iam.list_mfa_devices(UserName=ann)["MFADevices"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_signing_certificates(UserName=ann)["Certificates"] == []
    assert iam.list_ssh_public_keys(UserName=ann)["SSHPublicKeys"] == []
    found = iam.list_service_specific_credentials(UserName=ann)
    assert found["ServiceSpecificCredentials"] == []


def test_as_terraform_does_it(iam):
    """aws_iam_user with a key, a policy and force_destroy: the calls of its provider, in order."""
    user = {"UserName": "terraform"}
    arn = iam.create_policy(PolicyName="tf", PolicyDocument=text())["Policy"]["Arn"]
    iam.create_user(**user, Path="/", Tags=[{"Key": "by", "Value": "terraform"}])
    iam.get_user(**user)
    key = iam.create_access_key(**user)["AccessKey"]["AccessKeyId"]
    iam.attach_user_policy(**user, PolicyArn=arn)
    assert iam.list_attached_user_policies(**user)["AttachedPolicies"]
    iam.tag_user(**user, Tags=[{"Key": "by", "Value": "hand"}])
    iam.detach_user_policy(**user, PolicyArn=arn)
    assert iam.list_groups_for_user(**user)["Groups"] == []
    for found in iam.list_access_keys(**user)["AccessKeyMetadata"]:
        assert found["AccessKeyId"] == key
        iam.delete_access_key(**user, AccessKeyId=found["AccessKeyId"])
    unknown(iam.delete_login_profile, **user)
    iam.delete_user(**user)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        assert version["IsDefaultVersion"]
    iam.delete_policy(PolicyArn=arn)


# Users for themselves -----------------------------------------------------------------------------


@pytest.fixture
def admin(server):
    return people.owner(server)


OWN = people.allow("iam:*", on=f"{ARN}user/${{aws:username}}")
"""As AWS's examples let users manage their own keys."""


def test_a_user_need_not_name_itself(admin):
    iam = people.user(admin, "own-keys", OWN)("iam")
    assert iam.get_user()["User"]["UserName"] == "own-keys"
    made = iam.create_access_key()["AccessKey"]
    assert made["UserName"] == "own-keys"
    assert len(iam.list_access_keys()["AccessKeyMetadata"]) == 2
    iam.update_access_key(AccessKeyId=made["AccessKeyId"], Status="Inactive")
    iam.delete_access_key(AccessKeyId=made["AccessKeyId"])
    assert iam.list_mfa_devices()["MFADevices"] == []
    unknown(iam.get_login_profile)
    refused(iam.get_user, "AccessDenied", 403, UserName="somebody-else")
    refused(iam.list_users, "AccessDenied", 403)


def test_a_user_with_a_new_name_keeps_its_key(admin):
    person = people.user(admin, "before", OWN)
    admin("iam").update_user(UserName="before", NewUserName="after")
    assert person("sts").get_caller_identity()["Arn"] == f"{ARN}user/after"
    assert person("iam").get_user()["User"]["UserName"] == "after"


def test_a_user_of_another_account(server, admin):
    number, other = people.account(server)
    iam = other("iam")
    made = iam.create_user(UserName="here-too")["User"]
    assert made["Arn"] == f"arn:aws:iam::{number}:user/here-too"
    admin("iam").create_user(UserName="here-too")
    iam.create_group(GroupName="here-too")
    unknown(admin("iam").get_group, GroupName="here-too")
    key = iam.create_access_key(UserName="here-too")["AccessKey"]["AccessKeyId"]
    unknown(admin("iam").get_access_key_last_used, AccessKeyId=key)
    unknown(admin("iam").delete_access_key, UserName="here-too", AccessKeyId=key)
    assert iam.get_account_summary()["SummaryMap"]["Users"] == 1
    iam.create_account_alias(AccountAlias="taken-there")
    words = taken(admin("iam").create_account_alias, AccountAlias="taken-there")
    assert words == "The account alias taken-there already exists."
