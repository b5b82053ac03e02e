"""What a permissions boundary leaves of a role's policies, and who may take it away."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.app import build
from sagebrush.errors import AwsError
from sagebrush.world import Ctx
from tests.conftest import make_settings
from tests.rolestand import ROOT, allow, assume, code, make, put, text

READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    """The owner's context in a world without HTTP, shared by this module."""
    app = build(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    yield app.world.ctx(app.world.credentials.user_caller)
    app.stop()


def policy(owner: Ctx, name: str, *statements: Any) -> str:
    """The ARN of a new managed policy."""
    params = {"PolicyName": name, "PolicyDocument": text(*statements)}
    return owner.call("iam", "CreatePolicy", params)["Policy"]["Arn"]


def told(call: Any, *args: Any) -> str:
    with pytest.raises(AwsError) as error:
        call(*args)
    return error.value.message


def test_what_both_allow_is_allowed(owner):
    limit = policy(owner, "lists", allow("s3:List*"), allow("iam:*"))
    made = make(owner, "bounded", allow("s3:*"), PermissionsBoundary=limit)
    as_role = assume(owner, made)
    assert code(as_role.call, "s3", "ListBuckets", {}) == ""
    refused = told(as_role.call, "s3", "CreateBucket", {"Bucket": "not-mine"})
    assert "because no permissions boundary allows the s3:CreateBucket action" in refused
    refused = told(as_role.call, "iam", "ListRoles", {})
    assert "because no identity-based policy allows the iam:ListRoles action" in refused
    assert (
        code(assume(owner, make(owner, "free", allow("s3:*"))).call, "s3", "ListBuckets", {}) == ""
    )


def test_a_session_policy_limits_it_further(owner):
    limit = policy(owner, "all-s3", allow("s3:*"))
    made = make(owner, "bounded-twice", allow("*"), PermissionsBoundary=limit)
    session = assume(owner, made, Policy=text(allow("s3:List*"), allow("iam:*")))
    assert code(session.call, "s3", "ListBuckets", {}) == ""
    assert code(session.call, "s3", "CreateBucket", {"Bucket": "not-mine"}) == "AccessDenied"
    assert code(session.call, "iam", "ListRoles", {}) == "AccessDenied"


def test_a_deny_in_it_holds(owner):
    limit = policy(owner, "no-lists", allow("*"), {**allow("s3:List*"), "Effect": "Deny"})
    as_role = assume(owner, make(owner, "denied", allow("*"), PermissionsBoundary=limit))
    refused = told(as_role.call, "s3", "ListBuckets", {})
    assert "with an explicit deny in a permissions boundary" in refused


def test_a_role_that_is_trusted_directly_needs_it_too(owner):
    limit = policy(owner, "only-lists", allow("s3:List*"))
    named = make(owner, "named-and-bounded", PermissionsBoundary=limit)
    target = make(owner, "trusts-the-role", trust=[{"AWS": named}])
    assert code(assume, assume(owner, named), target) == "AccessDenied"
    session = "arn:aws:sts::123456789012:assumed-role/named-and-bounded/one"
    exact = make(owner, "trusts-the-session", trust=[{"AWS": session}])
    assert code(assume, assume(owner, named, "one"), exact) == ""
    of_account = make(owner, "trusts-the-account", trust=[{"AWS": ROOT}])
    put(owner, "named-and-bounded", allow("sts:AssumeRole"))
    assert code(assume, assume(owner, named), of_account) == "AccessDenied"


def test_it_is_shown_changed_and_taken_away(owner):
    made = make(owner, "changing", allow("*"), PermissionsBoundary=READ)
    as_role, name = assume(owner, made), {"RoleName": "changing"}
    shown = owner.call("iam", "GetRole", name)["Role"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == READ
    listed = owner.call("iam", "ListRoles", {})["Roles"]
    assert all("PermissionsBoundary" not in each for each in listed), "as AWS lists them"
    assert code(as_role.call, "iam", "ListRoles", {}) == "AccessDenied"
    limit = policy(owner, "iam-lists", allow("iam:List*"))
    owner.call("iam", "PutRolePermissionsBoundary", {**name, "PermissionsBoundary": limit})
    assert code(as_role.call, "iam", "ListRoles", {}) == ""
    assert code(as_role.call, "s3", "ListBuckets", {}) == "AccessDenied"
    for operation in ("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"):
        wanted = {**name, "PermissionsBoundary": READ} if operation.startswith("Put") else name
        assert code(as_role.call, "iam", operation, wanted) == "AccessDenied"
    assert code(owner.call, "iam", "DeletePolicy", {"PolicyArn": limit}) == "DeleteConflict"
    found = owner.call("iam", "GetPolicy", {"PolicyArn": limit})["Policy"]
    assert found["PermissionsBoundaryUsageCount"] == 1
    owner.call("iam", "DeleteRolePermissionsBoundary", name)
    assert code(as_role.call, "s3", "ListBuckets", {}) == ""
    assert "PermissionsBoundary" not in owner.call("iam", "GetRole", name)["Role"]
    assert code(owner.call, "iam", "DeleteRolePermissionsBoundary", name) == "NoSuchEntity"
    owner.call("iam", "DeletePolicy", {"PolicyArn": limit})


def test_a_boundary_that_is_not_there_is_refused(owner):
    nowhere = "arn:aws:iam::123456789012:policy/nowhere"
    assert code(make, owner, "unmade", PermissionsBoundary=nowhere) == "NoSuchEntity"
    assert code(owner.call, "iam", "GetRole", {"RoleName": "unmade"}) == "NoSuchEntity"


def test_whoever_makes_roles_can_be_held_to_a_boundary(owner):
    """IAM user guide, "Delegating responsibility to others using permissions boundaries"."""
    when = {"StringEquals": {"iam:PermissionsBoundary": READ}}
    creator = assume(owner, make(owner, "creator", allow("iam:CreateRole", Condition=when)))
    assert code(make, creator, "loose") == "AccessDenied"
    assert code(make, creator, "bound", PermissionsBoundary=READ) == ""


def test_a_simulation_knows_it(owner):
    limit = policy(owner, "simulated", allow("s3:List*"))
    made = make(owner, "bounded-in-simulation", allow("s3:*"), PermissionsBoundary=limit)
    asked = {"PolicySourceArn": made, "ActionNames": ["s3:ListBucket", "s3:GetObject"]}
    found = owner.call("iam", "SimulatePrincipalPolicy", asked)["EvaluationResults"]
    assert [each["EvalDecision"] for each in found] == ["allowed", "implicitDeny"]
    assert not found[1]["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]
