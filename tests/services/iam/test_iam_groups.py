"""IAM by boto3: groups and who is in them."""

from __future__ import annotations

import json
import re

import pytest

from tests.services.iam.told import (
    ARN,
    conflict,
    document,
    exceeded,
    taken,
    text,
    unknown,
)

NONE = "The group with name nothing cannot be found."


@pytest.fixture
def iam(client):
    return client("iam")


@pytest.fixture
def group(iam, request):
    """A group named after the test, with one user of that name."""
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    iam.create_group(GroupName=name)
    iam.create_user(UserName=name)
    iam.add_user_to_group(GroupName=name, UserName=name)
    return name


def test_a_group_is_created_found_and_deleted(iam):
    made = iam.create_group(GroupName="Team", Path="/a/")["Group"]
    assert (made["Arn"], made["Path"]) == (f"{ARN}group/a/Team", "/a/")
    assert re.fullmatch("AGPA[A-Z2-7]{17}", made["GroupId"])
    found = iam.get_group(GroupName="Team")
    assert (found["Group"], found["Users"], found["IsTruncated"]) == (made, [], False)
    assert made in iam.list_groups(PathPrefix="/a/")["Groups"]
    assert taken(iam.create_group, GroupName="team") == "Group with name team already exists."
    iam.delete_group(GroupName="Team")
    assert unknown(iam.get_group, GroupName="nothing") == NONE


def test_groups_that_are_not_there(iam, group):
    for call, given in (
        (iam.update_group, {}),
        (iam.delete_group, {}),
        (iam.add_user_to_group, {"UserName": group}),
        (iam.remove_user_from_group, {"UserName": group}),
        (iam.put_group_policy, {"PolicyName": "p", "PolicyDocument": text()}),
        (iam.list_group_policies, {}),
        (iam.list_attached_group_policies, {}),
    ):
        assert unknown(call, GroupName="nothing", **given) == NONE
    nobody = "The user with name nobody cannot be found."
    assert unknown(iam.add_user_to_group, GroupName=group, UserName="nobody") == nobody


def test_membership(iam, group):
    iam.create_user(UserName="member")
    for _ in range(2):
        iam.add_user_to_group(GroupName=group, UserName="member")
    users = iam.get_group(GroupName=group)["Users"]
    assert [user["UserName"] for user in users] == sorted([group, "member"])
    page = iam.get_group(GroupName=group, MaxItems=1)
    assert (len(page["Users"]), page["IsTruncated"]) == (1, True)
    iam.remove_user_from_group(GroupName=group, UserName="member")
    assert iam.list_groups_for_user(UserName="member")["Groups"] == []
    unknown(iam.remove_user_from_group, GroupName=group, UserName="member")


def test_ten_groups_at_most(iam):
    iam.create_user(UserName="joins")
    for i in range(11):
        iam.create_group(GroupName=f"joined-{i:02}")
    for i in range(10):
        iam.add_user_to_group(GroupName=f"joined-{i:02}", UserName="joins")
    words = exceeded(iam.add_user_to_group, GroupName="joined-10", UserName="joins")
    assert words == "Cannot exceed quota for GroupsPerUser: 10"
    iam.add_user_to_group(GroupName="joined-00", UserName="joins")
    found = iam.list_groups_for_user(UserName="joins", MaxItems=4)
    assert [each["GroupName"] for each in found["Groups"]] == [f"joined-{i:02}" for i in range(4)]


def test_what_a_group_still_has_keeps_it(iam, group):
    arn = iam.create_policy(PolicyName="of-a-group", PolicyDocument=text())["Policy"]["Arn"]
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=text())
    iam.attach_group_policy(GroupName=group, PolicyArn=arn)
    assert iam.get_group_policy(GroupName=group, PolicyName="p")["PolicyDocument"] == document()
    found = iam.list_attached_group_policies(GroupName=group)["AttachedPolicies"]
    assert found == [{"PolicyName": "of-a-group", "PolicyArn": arn}]
    for words, undo in (
        ("must remove users from group first", lambda: iam.remove_user_from_group(
            GroupName=group, UserName=group)),
        ("must detach all policies first", lambda: iam.detach_group_policy(
            GroupName=group, PolicyArn=arn)),
        ("must delete policies first", lambda: iam.delete_group_policy(
            GroupName=group, PolicyName="p")),
    ):  # fmt: skip
        assert conflict(iam.delete_group, GroupName=group) == f"Cannot delete entity, {words}."
        undo()
    iam.delete_group(GroupName=group)
    words = unknown(iam.get_group_policy, GroupName=group, PolicyName="p")
    assert words == f"The group with name {group} cannot be found."


def test_group_policies_that_are_not_there(iam, group):
    for call in (iam.get_group_policy, iam.delete_group_policy):
        words = unknown(call, GroupName=group, PolicyName="p")
        assert words == "The group policy with name p cannot be found."
    large = text(Sid="x" * 5120)
    words = exceeded(iam.put_group_policy, GroupName=group, PolicyName="p", PolicyDocument=large)
    assert words == f"Maximum policy size of 5120 bytes exceeded for group {group}"


def test_a_group_has_another_name(iam, group):
    iam.update_group(GroupName=group, NewGroupName="Renamed", NewPath="/r/")
    found = iam.get_group(GroupName="Renamed")
    assert found["Group"]["Arn"] == f"{ARN}group/r/Renamed"
    assert [user["UserName"] for user in found["Users"]] == [group]
    iam.create_group(GroupName="other")
    taken(iam.update_group, GroupName="other", NewGroupName="RENAMED")


def decided(iam, arn, *actions, **more):
    found = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(actions), **more)
    return [result["EvalDecision"] for result in found["EvaluationResults"]]


def test_a_users_groups_decide_with_it(iam, group):
    user, own = f"{ARN}user/{group}", f"{ARN}group/{group}"
    iam.put_user_policy(UserName=group, PolicyName="u", PolicyDocument=text("s3:Get*"))
    iam.put_group_policy(GroupName=group, PolicyName="g", PolicyDocument=text("s3:Put*"))
    actions = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
    assert decided(iam, user, *actions) == ["allowed", "allowed", "implicitDeny"]
    assert decided(iam, own, *actions) == ["implicitDeny", "allowed", "implicitDeny"]
    deny = json.loads(text("s3:GetObject"))
    deny["Statement"][0]["Effect"] = "Deny"
    more = {"PolicyInputList": [json.dumps(deny)]}
    assert decided(iam, user, *actions[:1], **more) == ["explicitDeny"]
    unknown(iam.simulate_principal_policy, PolicySourceArn=user + "x", ActionNames=["s3:Get"])


def test_policies_that_nobody_has_are_simulated_too(iam):
    given = {"PolicyInputList": [text("s3:Get*", Condition={"Bool": {"aws:x": "true"}})]}
    found = iam.simulate_custom_policy(**given, ActionNames=["s3:GetObject", "iam:GetRole"])
    results = found["EvaluationResults"]
    assert [each["EvalDecision"] for each in results] == ["implicitDeny"] * 2
    assert results[0]["MissingContextValues"] == ["aws:x"]
    context = {"ContextKeyName": "aws:x", "ContextKeyValues": ["true"], "ContextKeyType": "string"}
    found = iam.simulate_custom_policy(
        **given, ActionNames=["s3:GetObject"], ContextEntries=[context]
    )
    assert found["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_the_keys_that_policies_ask_for(iam, group):
    asking = {"StringEquals": {"s3:prefix": "${aws:username}/"}}
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=text(Condition=asking))
    given = text(Condition={"Bool": {"aws:SecureTransport": "true"}})
    found = iam.get_context_keys_for_principal_policy(
        PolicySourceArn=f"{ARN}user/{group}", PolicyInputList=[given]
    )["ContextKeyNames"]
    assert found == ["aws:SecureTransport", "aws:username", "s3:prefix"]
    found = iam.get_context_keys_for_custom_policy(PolicyInputList=[given])
    assert found["ContextKeyNames"] == ["aws:SecureTransport"]


def test_a_simulation_works_out_one_page(iam):
    """A million pairs of an action and a resource would hold up the server for a minute."""
    names = [f"s3:Get{n}" for n in range(1000)]
    asked = {
        "PolicyInputList": [text("s3:Get1")],
        "ActionNames": names,
        "ResourceArns": [f"arn:aws:s3:::b/{n}" for n in range(1000)],
        "MaxItems": 2,
    }
    found, seen = iam.simulate_custom_policy(**asked), []
    for _ in range(2):
        seen += [(r["EvalActionName"], r["EvalResourceName"]) for r in found["EvaluationResults"]]
        found = iam.simulate_custom_policy(**asked, Marker=found["Marker"])
    assert seen == [("s3:Get0", f"arn:aws:s3:::b/{n}") for n in range(4)]
    last = {**asked, "ActionNames": names[:2], "ResourceArns": ["*"], "MaxItems": 3}
    found = iam.simulate_custom_policy(**last)
    decided = [r["EvalDecision"] for r in found["EvaluationResults"]]
    assert (decided, found["IsTruncated"]) == (["implicitDeny", "allowed"], False)
