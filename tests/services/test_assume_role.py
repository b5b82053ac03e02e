"""Who may assume a role, or have SageMaker assume it: trust, chains, tags, session policies."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any
from urllib.parse import unquote

import pytest

from sagebrush.access import principals
from sagebrush.app import build
from tests.conftest import make_settings
from tests.rolestand import (
    EXECUTION,
    ROOT,
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
def numbers():
    """Numbers for names that are used once."""
    return itertools.count()


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    """The owner's context in a world without HTTP, shared by this module."""
    app = build(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    yield app.world.ctx(app.world.credentials.user_caller)
    app.stop()


# Who may assume -----------------------------------------------------------------------------------


def test_the_account_delegates_to_the_callers_policies(owner):
    target = make(owner, "of-the-account", trust=[{"AWS": ROOT}])
    nothing = assume(owner, make(owner, "nothing"))
    assert code(assume, nothing, target) == "AccessDenied"
    put(owner, "nothing", allow("sts:AssumeRole", Resource=target))
    assert code(assume, nothing, target) == ""
    put(owner, "nothing", allow("sts:AssumeRole"), {**allow("sts:*"), "Effect": "Deny"})
    assert code(assume, nothing, target) == "AccessDenied"
    assert code(assume, owner, target) == ""


def test_a_role_named_directly_needs_no_policy_but_a_deny_holds(owner):
    named = make(owner, "named")
    target = make(owner, "names-it", trust=[{"AWS": named}])
    one = assume(owner, named, "one")
    assert code(assume, one, target) == ""
    listing = text(allow("s3:ListAllMyBuckets"))
    assert code(assume, assume(owner, named, Policy=listing), target) == "AccessDenied"
    session = "arn:aws:sts::123456789012:assumed-role/named/one"
    exact = make(owner, "names-the-session", trust=[{"AWS": session}])
    assert code(assume, one, exact) == ""
    assert code(assume, assume(owner, named, "one", Policy=listing), exact) == ""
    assert code(assume, assume(owner, named, "two"), exact) == "AccessDenied"
    put(owner, "named", {**allow("sts:AssumeRole"), "Effect": "Deny"})
    assert code(assume, one, target) == "AccessDenied"
    assert code(assume, one, exact) == "AccessDenied"


def test_the_owner_is_the_user_too(owner):
    user = owner.call("iam", "GetUser", {})["User"]["Arn"]
    target = make(owner, "for-the-user", trust=[{"AWS": user}])
    assert code(assume, owner, target) == ""
    assert code(assume, assume(owner, EXECUTION), target) == "AccessDenied"


@pytest.mark.parametrize(
    "trust",
    [
        [{"Service": "sagemaker.amazonaws.com"}],
        [{"Federated": "cognito-identity.amazonaws.com"}],
        [{"AWS": "999999999999"}],
        [{"AWS": "*"}, {**trusting({"AWS": ROOT}), "Effect": "Deny"}],
        [trusting({"AWS": "*"}, "sts:TagSession")],
        [trusting("*", Condition={"Bool": {"aws:PrincipalIsAWSService": "true"}})],
        [trusting("*", Condition={"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}})],
    ],
)
def test_who_is_not_trusted(owner, trust, numbers):
    name = f"closed-{next(numbers)}"
    assert code(assume, owner, make(owner, name, allow("*"), trust=trust)) == "AccessDenied"


def test_conditions_about_the_caller(owner):
    ml = make(owner, "ml", Tags=[{"Key": "Team", "Value": "ml"}], Path="/people/")
    where = {
        "ArnEquals": {"aws:PrincipalArn": ml},
        "StringEquals": {
            "aws:PrincipalAccount": "123456789012",
            "aws:PrincipalType": "AssumedRole",
            "aws:PrincipalTag/team": "ml",
            "sts:RoleSessionName": "${aws:PrincipalTag/team}-work",
        },
        "Null": {"aws:TokenIssueTime": "false", "sts:ExternalId": "true"},
    }
    target = make(owner, "asks-much", trust=[trusting("*", Condition=where)])
    session = assume(owner, ml)
    assert code(assume, session, target, "ml-work") == ""
    assert code(assume, session, target, "work") == "AccessDenied"
    assert code(assume, session, target, "ml-work", ExternalId="any") == "AccessDenied"
    assert code(assume, owner, target, "ml-work") == "AccessDenied"


@pytest.mark.parametrize("name", ["x", "x" * 65, "a b", "a/b", "ü-1", "a:b", "ab\n"])
def test_session_names(owner, name):
    assert code(assume, owner, EXECUTION, name) == "ValidationError"


# Chains -------------------------------------------------------------------------------------------


def test_session_tags_are_allowed_by_themselves_and_asked_for_afterwards(owner):
    where = {"StringEquals": {"aws:PrincipalTag/project": "blue"}}
    role = make(owner, "untagged", allow("s3:ListAllMyBuckets", Condition=where))
    tags = [{"Key": "Project", "Value": "blue"}]
    assert code(assume, owner, role, Tags=tags) == "AccessDenied"
    both = trusting({"AWS": ROOT}, "sts:AssumeRole", "sts:TagSession")
    only = {"StringEquals": {"aws:RequestTag/project": ["blue", "red"]}}
    only["ForAllValues:StringEquals"] = {"aws:TagKeys": ["Project"]}
    document = {"RoleName": "untagged", "PolicyDocument": text({**both, "Condition": only})}
    owner.call("iam", "UpdateAssumeRolePolicy", document)
    assert may(assume(owner, role, Tags=tags))
    assert not may(assume(owner, role, Tags=[{"Key": "Project", "Value": "red"}]))
    for wrong in (
        [{"Key": "Project", "Value": "green"}],
        [*tags, {"Key": "other", "Value": "x"}],
        [],
    ):
        assert code(assume, owner, role, Tags=wrong) == "AccessDenied"


def test_session_tags_stand_over_the_roles(owner):
    both = trusting("*", "sts:AssumeRole", "sts:TagSession")
    where = {"StringEquals": {"aws:PrincipalTag/TEAM": "session"}}
    tags = [{"Key": "Team", "Value": "role"}]
    allowed = allow("s3:ListAllMyBuckets", Condition=where)
    role = make(owner, "tagged", allowed, trust=[both], Tags=tags)
    assert not may(assume(owner, role))
    assert may(assume(owner, role, Tags=[{"Key": "team", "Value": "session"}]))


def test_tags_passed_on_cannot_be_changed(owner):
    both = trusting("*", "sts:AssumeRole", "sts:TagSession")
    where = {"StringEquals": {"aws:PrincipalTag/kept": "1"}}
    first = make(owner, "first", trust=[both])
    second = make(owner, "second", allow("s3:ListAllMyBuckets", Condition=where), trust=[both])
    tags = [{"Key": "Kept", "Value": "1"}, {"Key": "Left", "Value": "2"}]
    begun = assume(owner, first, Tags=tags, TransitiveTagKeys=["kept"])
    then = assume(begun, second)
    assert may(then)
    assert "aws:principaltag/left" not in principals.keys(then)
    again = assume(then, second)
    assert may(again)
    other = [{"Key": "kept", "Value": "3"}]
    assert code(assume, then, second, Tags=other) == "InvalidParameterValue"
    assert code(assume, begun, make(owner, "no-tags")) == "AccessDenied"
    assert not may(assume(assume(owner, first, Tags=tags), second))


@pytest.mark.parametrize(
    "given",
    [
        {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]},
        {"Tags": [{"Key": "a", "Value": "1"}], "TransitiveTagKeys": ["b"]},
        {"Tags": [{"Key": "aws:a", "Value": "1"}]},
    ],
)
def test_tags_that_are_wrong_in_themselves(owner, given):
    assert code(assume, owner, EXECUTION, **given) == "InvalidParameterValue"


def test_a_source_identity_stays(owner):
    both = trusting("*", "sts:AssumeRole", "sts:SetSourceIdentity")
    where = {"StringEquals": {"aws:SourceIdentity": "ann"}}
    first = make(owner, "sourced", allow("sts:*"), trust=[both])
    second = make(owner, "sourced-too", allow("s3:ListAllMyBuckets", Condition=where), trust=[both])
    plain = make(owner, "unsourced")
    assert code(assume, owner, plain, SourceIdentity="ann") == "AccessDenied"
    begun = assume(owner, first, SourceIdentity="ann")
    assert may(assume(begun, second))
    assert not may(assume(owner, second))
    assert code(assume, begun, plain) == "AccessDenied"
    assert code(assume, begun, second, SourceIdentity="bob") == "ValidationError"
    assert code(assume, begun, second, SourceIdentity="ann") == ""
    put(owner, "sourced", allow("sts:AssumeRole"))  # AWS asks both policies for it
    assert code(assume, begun, second) == "AccessDenied"


def test_chains_last_an_hour(owner):
    long = make(owner, "long", allow("sts:AssumeRole"), MaxSessionDuration=43200)
    session = assume(owner, long, DurationSeconds=43200)
    assert code(assume, session, long, DurationSeconds=3600) == ""
    assert code(assume, session, long, DurationSeconds=3601) == "ValidationError"


def test_session_policies_intersect(owner):
    role = make(owner, "wide", allow("s3:*", "sts:*"))
    mine = owner.call(
        "iam",
        "CreatePolicy",
        {"PolicyName": "listing", "PolicyDocument": text(allow("s3:ListAllMyBuckets"))},
    )["Policy"]["Arn"]
    limits: list[dict[str, Any]] = [
        {"Policy": text(allow("s3:ListAllMyBuckets", "sagemaker:*"))},
        {"PolicyArns": [{"arn": mine}]},
    ]
    for given in limits:
        session = assume(owner, role, **given)
        assert may(session)
        assert not may(session, operation="CreateBucket", Bucket="beyond")
        assert not may(session, "sagemaker", "ListModels")
    both = {"Policy": text(allow("s3:*")), "PolicyArns": [{"arn": mine}]}
    assert may(assume(owner, role, **both), operation="CreateBucket", Bucket="in-one-of-them")
    for wrong in ("arn:aws:iam::aws:policy/NoSuchPolicy", mine + "x"):
        given = {"PolicyArns": [{"arn": wrong}]}
        assert code(assume, owner, role, **given) == "MalformedPolicyDocument"


def test_more_than_a_token_holds(owner):
    noise = hashlib.shake_256(b"noise").hexdigest(6000)
    large = text(allow(*(f"s3:{noise[at : at + 60]}" for at in range(0, len(noise), 60))))
    assert code(assume, owner, EXECUTION, Policy=large) == "PackedPolicyTooLarge"


# Services -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "refused"),
    [
        ({"StringEquals": {"aws:SourceAccount": "123456789012"}}, ""),
        ({"StringEquals": {"aws:SourceAccount": "999999999999"}}, "ValidationException"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:123456789012:model/trusted-*"}}, ""),
        (
            {"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:123456789012:endpoint/*"}},
            "ValidationException",
        ),
        ({"StringEquals": {"sts:ExternalId": "x"}}, "ValidationException"),
        ({"StringNotEquals": {"aws:PrincipalServiceName": "sagemaker.amazonaws.com"}},
         "ValidationException"),
    ],
)  # fmt: skip
def test_what_a_service_is_trusted_for(owner, condition, refused, numbers):
    name = f"service-{next(numbers)}"
    trust = [trusting({"Service": "sagemaker.amazonaws.com"}, Condition=condition)]
    assert model(owner, f"trusted-{name}", make(owner, name, trust=trust)) == refused


def test_a_service_that_is_not_trusted_or_denied(owner):
    others = [{"Service": "lambda.amazonaws.com"}, {"AWS": ROOT}]
    assert model(owner, "m-others", make(owner, "others", trust=others)) == "ValidationException"
    sagemaker = {"Service": "sagemaker.amazonaws.com"}
    trust = [trusting(sagemaker), {**trusting(sagemaker), "Effect": "Deny"}]
    assert model(owner, "m-denied", make(owner, "denied", trust=trust)) == "ValidationException"


def test_a_model_without_a_role_is_the_owners_alone(owner):
    owner.call("s3", "CreateBucket", {"Bucket": "models"})
    body = owner.world.objects.spool_bytes(b"x")
    owner.call("s3", "PutObject", {"Bucket": "models", "Key": "m/x", "Body": body})
    s3 = {"S3Uri": "s3://models/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
    container = {"Image": image, "ModelDataSource": {"S3DataSource": s3}}
    given = {"ModelName": "roleless", "PrimaryContainer": container}
    lister = assume(owner, make(owner, "lister", allow("sagemaker:*", "s3:ListBucket")))
    assert code(lister.call, "sagemaker", "CreateModel", given) == "ValidationException"
    assert code(owner.call, "sagemaker", "CreateModel", given) == ""


def test_a_configurations_role_must_be_there_too(owner):
    assert model(owner, "configured", EXECUTION) == ""
    variant = {"VariantName": "v", "ModelName": "configured", "InstanceType": "ml.m5.large"}
    given = {"ProductionVariants": [{**variant, "InitialInstanceCount": 1}]}
    job = as_job(owner, EXECUTION)
    for role, refused in ((arn("never-configured"), "ValidationException"), (EXECUTION, "")):
        request = {**given, "EndpointConfigName": "configured", "ExecutionRoleArn": role}
        assert code(job.call, "sagemaker", "CreateEndpointConfig", request) == refused


def test_a_trusted_role_that_is_gone_is_shown_by_its_id(owner):
    """IAM user guide, "Principal": the ARN in the policy no longer maps back to the role."""

    def shown():
        text = owner.call("iam", "GetRole", {"RoleName": "shows"})["Role"]
        return json.loads(unquote(text["AssumeRolePolicyDocument"]))["Statement"][0]["Principal"]

    leaving, staying = make(owner, "leaving"), make(owner, "staying")
    number = owner.call("iam", "GetRole", {"RoleName": "leaving"})["Role"]["RoleId"]
    make(owner, "shows", trust=[{"AWS": [leaving, staying], "Service": "sagemaker.amazonaws.com"}])
    assert shown()["AWS"] == [leaving, staying]
    delete(owner, "leaving")
    assert shown() == {"AWS": [number, staying], "Service": "sagemaker.amazonaws.com"}
    make(owner, "leaving")
    assert shown()["AWS"] == [number, staying]
    listed = owner.call("iam", "ListRoles", {})["Roles"]
    (text,) = (r["AssumeRolePolicyDocument"] for r in listed if r["RoleName"] == "shows")
    assert number in unquote(text)
