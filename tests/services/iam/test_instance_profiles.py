"""IAM by boto3: instance profiles and the roles in them."""

from __future__ import annotations

import re

import pytest

from tests.services.iam.told import (
    ARN,
    TRUST,
    conflict,
    exceeded,
    refused,
    taken,
    text,
    unknown,
)


@pytest.fixture
def iam(client):
    return client("iam")


@pytest.fixture
def both(iam, request):
    """A role and an instance profile, each named after the test, the role in the profile."""
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    found = {"RoleName": name, "InstanceProfileName": name}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Path="/r/")
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(**found)
    return found


def test_an_instance_profile_is_created_found_and_deleted(iam):
    tags = [{"Key": "team", "Value": "ml"}]
    made = iam.create_instance_profile(InstanceProfileName="One", Path="/p/", Tags=tags)
    made = made["InstanceProfile"]
    assert (made["Arn"], made["Roles"]) == (f"{ARN}instance-profile/p/One", [])
    assert re.fullmatch("AIPA[A-Z2-7]{17}", made["InstanceProfileId"])
    assert iam.get_instance_profile(InstanceProfileName="One")["InstanceProfile"] == made
    assert made["Tags"] == tags
    words = taken(iam.create_instance_profile, InstanceProfileName="ONE")
    assert words == "Instance Profile ONE already exists."
    listed = iam.list_instance_profiles(PathPrefix="/p/")["InstanceProfiles"]
    assert [each["InstanceProfileName"] for each in listed] == ["One"]
    assert "Tags" not in listed[0]
    iam.delete_instance_profile(InstanceProfileName="One")
    for call in (iam.get_instance_profile, iam.delete_instance_profile):
        words = unknown(call, InstanceProfileName="One")
        assert words == "Instance Profile One cannot be found."


def test_a_role_in_a_profile(iam, both):
    role, profile = {"RoleName": both["RoleName"]}, {"InstanceProfileName": both["RoleName"]}
    found = iam.get_instance_profile(**profile)["InstanceProfile"]["Roles"]
    assert [(each["RoleName"], each["Path"]) for each in found] == [(role["RoleName"], "/r/")]
    assert found[0]["AssumeRolePolicyDocument"]["Version"] == "2012-10-17"
    of_role = iam.list_instance_profiles_for_role(**role)["InstanceProfiles"]
    assert [each["InstanceProfileName"] for each in of_role] == [both["RoleName"]]
    words = exceeded(iam.add_role_to_instance_profile, **both)
    assert words == "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
    kept = "Cannot delete entity, must remove roles from instance profile first."
    assert conflict(iam.delete_role, **role) == kept
    assert conflict(iam.delete_instance_profile, **profile) == kept
    iam.remove_role_from_instance_profile(**both)
    unknown(iam.remove_role_from_instance_profile, **both)
    assert iam.list_instance_profiles_for_role(**role)["InstanceProfiles"] == []
    iam.delete_role(**role)
    iam.delete_instance_profile(**profile)


def test_what_is_not_there(iam, both):
    other = {**both, "RoleName": "nobody"}
    for call in (iam.add_role_to_instance_profile, iam.remove_role_from_instance_profile):
        assert unknown(call, **other) == "The role with name nobody cannot be found."
        unknown(call, RoleName=both["RoleName"], InstanceProfileName="nothing")
    unknown(iam.list_instance_profiles_for_role, RoleName="nobody")


def test_tags(iam, both):
    profile = {"InstanceProfileName": both["InstanceProfileName"]}
    iam.tag_instance_profile(**profile, Tags=[{"Key": "a", "Value": "1"}])
    iam.tag_instance_profile(**profile, Tags=[{"Key": "A", "Value": "2"}])
    found = iam.list_instance_profile_tags(**profile)["Tags"]
    assert found == [{"Key": "A", "Value": "2"}]
    assert iam.get_instance_profile(**profile)["InstanceProfile"]["Tags"] == found
    iam.untag_instance_profile(**profile, TagKeys=["a"])
    assert iam.list_instance_profile_tags(**profile)["Tags"] == []


def test_as_terraform_does_it(iam):
    """aws_iam_role with policies, in an aws_iam_instance_profile: its provider's calls in order."""
    role, profile = {"RoleName": "tf"}, {"InstanceProfileName": "tf"}
    iam.create_role(**role, AssumeRolePolicyDocument=TRUST, Path="/", MaxSessionDuration=3600)
    iam.put_role_policy(**role, PolicyName="in", PolicyDocument=text())
    arn = iam.create_policy(PolicyName="tf-role", PolicyDocument=text())["Policy"]["Arn"]
    iam.attach_role_policy(**role, PolicyArn=arn)
    assert iam.list_role_policies(**role)["PolicyNames"] == ["in"]
    iam.get_role_policy(**role, PolicyName="in")
    assert len(iam.list_attached_role_policies(**role)["AttachedPolicies"]) == 1
    iam.create_instance_profile(**profile, Path="/")
    iam.add_role_to_instance_profile(**role, **profile)
    iam.get_instance_profile(**profile)
    # and destroys it
    for each in iam.list_instance_profiles_for_role(**role)["InstanceProfiles"]:
        name = each["InstanceProfileName"]
        iam.remove_role_from_instance_profile(**role, InstanceProfileName=name)
    iam.delete_instance_profile(**profile)
    for each in iam.list_attached_role_policies(**role)["AttachedPolicies"]:
        iam.detach_role_policy(**role, PolicyArn=each["PolicyArn"])
    for name in iam.list_role_policies(**role)["PolicyNames"]:
        iam.delete_role_policy(**role, PolicyName=name)
    iam.delete_role(**role)
    iam.delete_policy(PolicyArn=arn)


# Service-linked roles -----------------------------------------------------------------------------

AUTOSCALING = "sagemaker.application-autoscaling.amazonaws.com"


def test_a_service_linked_role(iam):
    made = iam.create_service_linked_role(AWSServiceName=AUTOSCALING, Description="d")["Role"]
    name = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    assert made["Arn"] == f"{ARN}role/aws-service-role/{AUTOSCALING}/{name}"
    assert (made["RoleName"], made["Description"]) == (name, "d")
    assert made["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": [AUTOSCALING]},
            "Action": ["sts:AssumeRole"],
        }
    ]
    words = refused(iam.create_service_linked_role, "InvalidInput", 400, AWSServiceName=AUTOSCALING)
    assert words.startswith(f"Service role name {name} has been taken in this account")
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/{AUTOSCALING}/{name}/")
    found = iam.get_service_linked_role_deletion_status(DeletionTaskId=task)
    assert found["Status"] == "SUCCEEDED"
    unknown(iam.get_role, RoleName=name)
    unknown(iam.get_service_linked_role_deletion_status, DeletionTaskId=task + "x")
    iam.create_service_linked_role(AWSServiceName=AUTOSCALING)


def test_names_of_service_linked_roles(iam):
    for service, given, name in (
        ("sagemaker", {}, "AmazonSageMakerNotebooks"),
        ("autoscaling", {"CustomSuffix": "mine"}, "AutoScaling_mine"),
        ("custom-resource.application-autoscaling", {}, "ApplicationAutoScaling_CustomResource"),
        ("somewhat.new", {}, "somewhat"),
    ):
        asked = {"AWSServiceName": f"{service}.amazonaws.com", **given}
        made = iam.create_service_linked_role(**asked)["Role"]
        assert made["RoleName"] == f"AWSServiceRoleFor{name}"
    for asked in (
        {"AWSServiceName": "sagemaker"},
        {"AWSServiceName": "rds.amazonaws.com", "CustomSuffix": "mine"},
    ):
        refused(iam.create_service_linked_role, "InvalidInput", 400, **asked)


def test_a_service_linked_role_is_its_services(iam):
    made = iam.create_service_linked_role(AWSServiceName="lex.amazonaws.com")["Role"]
    role, admin = {"RoleName": made["RoleName"]}, "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.create_instance_profile(InstanceProfileName="for-a-service")
    for call, given in (
        (iam.delete_role, {}),
        (iam.attach_role_policy, {"PolicyArn": admin}),
        (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": text()}),
        (iam.update_assume_role_policy, {"PolicyDocument": TRUST}),
        (iam.put_role_permissions_boundary, {"PermissionsBoundary": admin}),
        (iam.update_role, {"MaxSessionDuration": 7200}),
        (iam.add_role_to_instance_profile, {"InstanceProfileName": "for-a-service"}),
    ):
        words = refused(call, "UnmodifiableEntity", 400, **role, **given)
        assert words.startswith("Cannot perform the operation on the protected role")
    iam.update_role_description(**role, Description="of a service")
    iam.create_role(RoleName="not-linked", AssumeRolePolicyDocument=TRUST)
    unknown(iam.delete_service_linked_role, RoleName="not-linked")
