"""Whose policies count: those of roles that exist, were deleted, created again, or never existed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sagebrush.access import principals
from sagebrush.app import build
from sagebrush.world import role_of
from tests.conftest import make_settings
from tests.rolestand import (
    EXECUTION,
    allow,
    arn,
    as_job,
    assume,
    code,
    delete,
    make,
    may,
    model,
    put,
    text,
    trusting,
)


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    """The owner's context in a world without HTTP, shared by this module."""
    app = build(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    yield app.world.ctx(app.world.credentials.user_caller)
    app.stop()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("arn:aws:iam::1:role/r", ("1", "r")),
        ("arn:aws:iam::1:role/a/b/r", ("1", "r")),
        ("arn:aws:iam::1:role/", ("1", "")),
        ("arn:aws:iam::1:user/r", ("", "")),
        ("arn:aws:sts::1:assumed-role/r/s", ("", "")),
        ("role/r", ("", "")),
        ("", ("", "")),
    ],
)
def test_account_and_name_of_a_role(text, found):
    assert role_of(text) == found


# Names that nobody created ------------------------------------------------------------------------


def test_only_the_owner_may_name_a_role_that_was_never_created(owner):
    low = assume(owner, make(owner, "low", allow("sts:*", "iam:*", "sagemaker:*", "s3:*")))
    job = owner.world.service_ctx(EXECUTION)
    notebook = assume(owner, EXECUTION)
    account = owner.world.service_ctx()
    never = arn("never")
    for other in (low, job, notebook, account):
        assert code(assume, other, never) == "AccessDenied"
        assert model(other, "m", never) == "ValidationException"
        asked = {"PolicySourceArn": never, "ActionNames": ["s3:ListBucket"]}
        assert code(other.call, "iam", "SimulatePrincipalPolicy", asked) == "NoSuchEntity"
    assert principals.find(owner.world, owner.account, "never") is None
    assert not may(as_job(owner, never))
    assert not may(owner.world.service_ctx(never))
    assert model(owner, "m-never", never) == ""
    # and what the owner named is still nobody else's
    for other in (low, job, notebook):
        assert code(assume, other, never) == "AccessDenied"
        assert model(other, "m", never) == "ValidationException"


def test_a_stand_in_has_what_the_execution_role_has_now(tmp_path):
    app = build(make_settings(tmp_path, isolation="process"))
    owner = app.world.ctx(app.world.credentials.user_caller)
    name = arn("FromANotebook", "/service-role/")
    session = assume(owner, name, DurationSeconds=43200)
    assert session.caller.arn == "arn:aws:sts::123456789012:assumed-role/FromANotebook/me"
    assert model(owner, "m", name) == ""
    job = as_job(owner, name)
    assert may(session)
    assert may(job)
    assert model(job, "n", name) == ""  # as the role that it runs as, it makes more
    assert model(job, "o", arn("Another")) == "ValidationException"
    assert code(assume, job, name) == "AccessDenied"
    detached = {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    detached["RoleName"] = "SagebrushExecutionRole"
    owner.call("iam", "DetachRolePolicy", detached)
    put(owner, "SagebrushExecutionRole", allow("s3:ListAllMyBuckets"))
    for one in (session, job):
        assert may(one)
        assert not may(one, operation="CreateBucket", Bucket="beyond")
    shown = owner.call("iam", "GetRole", {"RoleName": "FromANotebook"})["Role"]
    assert shown["Arn"] == name
    held = owner.call("iam", "ListRolePolicies", {"RoleName": "FromANotebook"})["PolicyNames"]
    assert held == ["p"]
    assert code(put, owner, "FromANotebook", allow("*")) == "NoSuchEntity"
    closed = {"RoleName": "SagebrushExecutionRole"}
    closed["PolicyDocument"] = text(trusting({"Service": "lambda.amazonaws.com"}))
    owner.call("iam", "UpdateAssumeRolePolicy", closed)
    assert code(assume, owner, name) == "AccessDenied"
    assert model(owner, "p", name) == "ValidationException"
    app.stop()


def test_a_stand_in_becomes_a_role_or_goes(owner):
    name = arn("later")
    before = assume(owner, name)
    assert may(before)
    make(owner, "later", allow("s3:ListAllMyBuckets"))
    assert not may(before)  # another role has the name now
    assert may(assume(owner, name))
    assert not may(assume(owner, name), operation="CreateBucket", Bucket="beyond")
    gone = assume(owner, arn("soon-gone"))
    owner.call("iam", "DeleteRole", {"RoleName": "soon-gone"})
    assert not may(gone)
    assert code(assume, owner, arn("soon-gone")) == "AccessDenied"


@pytest.mark.parametrize(
    "name",
    [
        "arn:aws:iam::999999999999:role/Theirs",
        "arn:aws-cn:iam::123456789012:role/Ours",
        "arn:aws:iam:us-east-1:123456789012:role/Ours",
        "arn:aws:sts::123456789012:role/Ours",
        "arn:aws:iam::123456789012:role/ours\n",
        "arn:aws:iam::123456789012:role/with space",
        "arn:aws:iam::123456789012:role/" + "x" * 65,
        "arn:aws:iam::123456789012:role/sagebrushexecutionrole",
        "arn:aws:iam::123456789012:role/path/SagebrushExecutionRole",
        "arn:AWS:iam::123456789012:role/SagebrushExecutionRole",
    ],
)
def test_names_that_are_no_role_of_the_account_even_for_the_owner(owner, name):
    assert code(assume, owner, name) == "AccessDenied"
    assert principals.named(owner.world, owner.caller, name) is None


def test_words_that_are_no_role_arn(owner):
    for name in ("arn:aws:iam::123456789012:user/somebody", "SagebrushExecutionRole" * 2):
        assert code(assume, owner, name) == "ValidationError"


# Roles that come and go ---------------------------------------------------------------------------


def test_a_deleted_role_gives_nothing_and_one_made_anew_is_another(owner):
    role = make(owner, "comes-and-goes", allow("s3:*"))
    session, job = assume(owner, role), as_job(owner, role)
    assert may(session)
    assert may(job)
    delete(owner, "comes-and-goes")
    for one in (session, job, as_job(owner, role), owner.world.service_ctx(role)):
        assert not may(one)
        assert principals.keys(one)["aws:PrincipalArn"] != role or one.caller.arn == role
    assert code(assume, owner, role) == "AccessDenied"
    assert model(owner, "m-gone", role) == "ValidationException"
    make(owner, "comes-and-goes", allow("*"))
    assert not may(session)
    assert not may(job)
    assert code(assume, session, role) == "AccessDenied"  # not even by a trust policy for everybody
    assert may(assume(owner, role))


def test_a_path_belongs_to_the_arn(owner):
    role = make(owner, "in-a-path", allow("s3:*"), Path="/team/ml/")
    assert role == arn("in-a-path", "/team/ml/")
    assert may(assume(owner, role))
    for other in (arn("in-a-path"), arn("in-a-path", "/team/"), arn("in-a-path", "/team/ML/")):
        assert code(assume, owner, other) == "AccessDenied"
        assert model(owner, "m-path", other) == "ValidationException"


def test_names_differ_by_more_than_case(owner):
    role = make(owner, "Cased", allow("s3:*"))
    assert code(make, owner, "cased") == "EntityAlreadyExists"
    assert code(assume, owner, arn("CASED")) == "AccessDenied"
    delete(owner, "Cased")
    assert code(assume, owner, arn("cased")) == "AccessDenied"
    make(owner, "cased", allow("s3:*"))
    assert may(assume(owner, arn("cased")))
    assert code(assume, owner, role) == "AccessDenied"


def test_a_trust_policy_means_the_role_that_it_named(owner):
    friend = make(owner, "friend")
    target = make(owner, "trusts-friend", allow("s3:*"), trust=[{"AWS": friend}])
    assert may(assume(assume(owner, friend), target))
    delete(owner, "friend")
    make(owner, "friend")
    impostor = assume(owner, friend)
    assert code(assume, impostor, target) == "AccessDenied"
    again = {"RoleName": "trusts-friend", "PolicyDocument": text(trusting({"AWS": friend}))}
    owner.call("iam", "UpdateAssumeRolePolicy", again)
    assert may(assume(impostor, target))


def test_sessions_of_another_account_may_do_nothing(owner):
    caller = replace(assume(owner, EXECUTION).caller, account="999999999999")
    assert not may(owner.world.ctx(caller))
