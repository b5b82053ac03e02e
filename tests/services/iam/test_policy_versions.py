"""IAM by boto3: managed policies, their versions, tags and what they are attached to."""

from __future__ import annotations

import re

import pytest

from tests.services.iam.told import (
    ARN,
    TRUST,
    conflict,
    document,
    exceeded,
    refused,
    taken,
    text,
    unknown,
)

AWS = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


@pytest.fixture
def iam(client):
    return client("iam")


@pytest.fixture
def arn(iam, request):
    """A policy named after the test, which allows s3:GetObject."""
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    return iam.create_policy(PolicyName=name, PolicyDocument=text())["Policy"]["Arn"]


def versions(iam, arn):
    """(version, whether it is the default), the newest first."""
    found = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert all("Document" not in each for each in found)
    return [(each["VersionId"], each["IsDefaultVersion"]) for each in found]


def test_a_policys_name_is_its_own(iam):
    made = iam.create_policy(
        PolicyName="Named", Path="/p/", PolicyDocument=text(), Description="of a test"
    )["Policy"]
    assert made["Arn"] == f"{ARN}policy/p/Named"
    assert re.fullmatch("ANPA[A-Z2-7]{17}", made["PolicyId"])
    assert (made["DefaultVersionId"], made["AttachmentCount"]) == ("v1", 0)
    for name in ("Named", "nAMED"):
        words = taken(iam.create_policy, PolicyName=name, PolicyDocument=text())
        assert words == f"A policy called {name} already exists. Duplicate names are not allowed."
    listed = iam.list_policies(Scope="Local", PathPrefix="/p/")["Policies"]
    assert [each["PolicyName"] for each in listed] == ["Named"]
    assert "Description" not in listed[0]
    assert iam.get_policy(PolicyArn=made["Arn"])["Policy"]["Description"] == "of a test"


def test_documents_are_checked(iam, arn):
    code = "MalformedPolicyDocument"
    for call, given in (
        (iam.create_policy, {"PolicyName": "odd"}),
        (iam.create_policy_version, {"PolicyArn": arn}),
    ):
        old = text().replace("2012-10-17", "2008-10-17")
        words = refused(call, code, 400, PolicyDocument=old, **given)
        assert words == "Policy document must be version 2012-10-17 or greater."
        words = exceeded(call, PolicyDocument=text(Sid="x" * 6144), **given)
        assert words == "Cannot exceed quota for PolicySize: 6144"
    unknown(iam.get_policy, PolicyArn=f"{ARN}policy/odd")


def test_which_answers_have_descriptions_and_tags(iam):
    for name, tags in (("plainly", []), ("tagged", [{"Key": "team", "Value": "a"}])):
        given = {"PolicyName": name, "PolicyDocument": text(), "Path": f"/{name}/"}
        made = iam.create_policy(**given, Description="of few words", Tags=tags)["Policy"]
        assert "Description" not in made
        assert made.get("Tags", []) == tags
        found = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
        assert (found["Description"], found["Tags"]) == ("of few words", tags)
        listed = iam.list_policies(PathPrefix=f"/{name}/")["Policies"][0]
        assert not {"Description", "Tags"} & listed.keys()


def test_versions(iam, arn):
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=text("s3:Put*"))
    assert (made["PolicyVersion"]["VersionId"], made["PolicyVersion"]["IsDefaultVersion"]) == (
        "v2",
        False,
    )
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text("s3:*"), SetAsDefault=True)
    assert versions(iam, arn) == [("v3", True), ("v2", False), ("v1", False)]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v3"
    found = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert (found["Document"], found["IsDefaultVersion"]) == (document("s3:Put*"), False)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert versions(iam, arn) == [("v3", False), ("v2", False), ("v1", True)]
    words = conflict(iam.delete_policy_version, PolicyArn=arn, VersionId="v1")
    assert words == "Cannot delete the default version of a policy."
    assert conflict(iam.delete_policy, PolicyArn=arn).startswith(
        "This policy has more than one version."
    )
    for version in ("v2", "v3"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=text())
    assert made["PolicyVersion"]["VersionId"] == "v4"  # a number is not used again
    iam.delete_policy_version(PolicyArn=arn, VersionId="v4")
    iam.delete_policy(PolicyArn=arn)


def test_versions_that_are_not_there(iam, arn):
    for call in (
        iam.get_policy_version,
        iam.set_default_policy_version,
        iam.delete_policy_version,
    ):
        words = unknown(call, PolicyArn=arn, VersionId="v9")
        assert words == f"Policy {arn} version v9 does not exist or is not attachable."
        words = unknown(call, PolicyArn=arn + "x", VersionId="v1")
        assert words == f"Policy {arn}x was not found."
        words = refused(call, "ValidationError", 400, PolicyArn=arn, VersionId="first")
        assert words.endswith(
            r"Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?"
        )
    unknown(iam.list_policy_versions, PolicyArn=arn + "x")
    unknown(iam.create_policy_version, PolicyArn=arn + "x", PolicyDocument=text())


def test_five_versions_at_most(iam, arn):
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text())
    words = exceeded(iam.create_policy_version, PolicyArn=arn, PolicyDocument=text())
    assert words.startswith("A managed policy can have up to 5 versions.")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text())
    pages = iam.get_paginator("list_policy_versions").paginate(
        PolicyArn=arn, PaginationConfig={"PageSize": 3}
    )
    assert [len(page["Versions"]) for page in pages] == [3, 2]


def test_the_default_version_is_what_holders_may_do(iam, client, arn):
    """Attached, and as a boundary: one change, and all that have the policy have the new text."""
    role = "of-the-default"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    iam.create_user(UserName=role, PermissionsBoundary=arn)
    iam.create_group(GroupName=role)
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    iam.attach_group_policy(GroupName=role, PolicyArn=arn)
    iam.put_user_policy(UserName=role, PolicyName="all", PolicyDocument=text("*"))

    def decisions():
        for kind in ("role", "user", "group"):
            found = iam.simulate_principal_policy(
                PolicySourceArn=f"{ARN}{kind}/{role}", ActionNames=["s3:GetObject", "s3:PutObject"]
            )
            yield [each["EvalDecision"] for each in found["EvaluationResults"]]

    assert list(decisions()) == [["allowed", "implicitDeny"]] * 3
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text("s3:Put*"))
    assert list(decisions()) == [["allowed", "implicitDeny"]] * 3
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert list(decisions()) == [["implicitDeny", "allowed"]] * 3
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text("s3:*"), SetAsDefault=True)
    assert list(decisions()) == [["allowed", "allowed"]] * 3


def test_entities_of_a_policy(iam, arn):
    names = {"UserName": "e-user"}, {"GroupName": "e-group"}, {"RoleName": "e-role"}
    iam.create_user(UserName="e-user", Path="/e/")
    iam.create_group(GroupName="e-group")
    iam.create_role(RoleName="e-role", AssumeRolePolicyDocument=TRUST)
    iam.create_user(UserName="e-limited", PermissionsBoundary=arn)
    iam.attach_user_policy(**names[0], PolicyArn=arn)
    iam.attach_group_policy(**names[1], PolicyArn=arn)
    iam.attach_role_policy(**names[2], PolicyArn=arn)

    def found(**given):
        told = iam.list_entities_for_policy(PolicyArn=arn, **given)
        return [
            [each[f"{word}Name"] for each in told[f"Policy{word}s"] if each[f"{word}Id"]]
            for word in ("User", "Group", "Role")
        ]

    assert found() == [["e-limited", "e-user"], ["e-group"], ["e-role"]]
    assert found(EntityFilter="Role") == [[], [], ["e-role"]]
    assert found(EntityFilter="LocalManagedPolicy")[1:] == [["e-group"], ["e-role"]]
    assert found(PolicyUsageFilter="PermissionsBoundary") == [["e-limited"], [], []]
    assert found(PolicyUsageFilter="PermissionsPolicy")[0] == ["e-user"]
    assert found(PathPrefix="/e/") == [["e-user"], [], []]
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (3, 1)
    page = iam.list_entities_for_policy(PolicyArn=arn, MaxItems=2)
    assert page["IsTruncated"]
    assert conflict(iam.delete_policy, PolicyArn=arn).startswith("Cannot delete a policy attached")
    unknown(iam.list_entities_for_policy, PolicyArn=arn + "x")


def test_lists_of_policies(iam, arn):
    iam.create_user(UserName="lists-policies", PermissionsBoundary=arn)
    iam.attach_user_policy(UserName="lists-policies", PolicyArn=AWS)

    def found(**given):
        pages = iam.get_paginator("list_policies").paginate(**given)
        return {each["Arn"] for page in pages for each in page["Policies"]}

    assert arn in found(Scope="Local")
    assert AWS not in found(Scope="Local")
    assert AWS in found(Scope="AWS")
    assert arn not in found(Scope="AWS")
    assert {arn, AWS} <= found(OnlyAttached=True)
    limits = found(PolicyUsageFilter="PermissionsBoundary")
    assert arn in limits
    assert AWS not in limits
    assert AWS in found(PolicyUsageFilter="PermissionsPolicy")
    assert arn not in found(PolicyUsageFilter="PermissionsPolicy")


def test_tags(iam, arn):
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    tags = iam.list_policy_tags(PolicyArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["Tags"] == tags
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == tags[1:]
    unknown(iam.tag_policy, PolicyArn=arn + "x", Tags=tags)
    made = iam.create_policy(PolicyName="with-tags", PolicyDocument=text(), Tags=tags)["Policy"]
    assert made["Tags"] == tags


def test_a_policy_of_before_there_were_versions(iam, server, arn):
    """Data of an earlier release: the row has no versions, and its text is the first one."""
    rows = server.world.rows
    row = rows.get("123456789012", "", "policy", arn)
    plan = {name: row.plan[name] for name in ("document", "text", "tags")}
    rows.update(row.id, lambda old: type(old)(**{**vars(old), "plan": plan}))
    assert versions(iam, arn) == [("v1", True)]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text("s3:*"), SetAsDefault=True)
    assert versions(iam, arn) == [("v2", True), ("v1", False)]
    found = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert found["Document"] == document()
