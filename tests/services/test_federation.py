"""GetFederationToken by boto3: what its credentials say, and what they may do."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.people import MAIN, Person, allow, holder, owner, refused, role, text, user

DENIED = "AccessDenied"


@pytest.fixture(scope="module")
def admin(server: Server) -> Person:
    made = owner(server)
    made("s3").create_bucket(Bucket="lent")
    made("s3").put_object(Bucket="lent", Key="k", Body=b"")
    return made


@pytest.fixture(scope="module")
def lender(admin: Person) -> Person:
    return user(
        admin, "lender", allow("s3:*"), allow("sts:*"), Tags=[{"Key": "team", "Value": "ml"}]
    )


def federated(who: Person, **given: object) -> Person:
    found = who("sts").get_federation_token(**{"Name": "bob", **given})
    return holder(who.server, found["Credentials"])


@pytest.mark.parametrize("asking", ["owner", "user"])
def test_what_it_says(admin: Person, lender: Person, asking: str):
    who = admin if asking == "owner" else lender
    found = who("sts").get_federation_token(
        Name="bob", DurationSeconds=900, Policy=text(allow("s3:ListAllMyBuckets"))
    )
    assert found["FederatedUser"] == {
        "Arn": f"arn:aws:sts::{MAIN}:federated-user/bob", "FederatedUserId": f"{MAIN}:bob",
    }  # fmt: skip
    assert 0 < found["PackedPolicySize"] <= 100
    given = found["Credentials"]
    assert given["AccessKeyId"].startswith("ASIA")
    assert (len(given["AccessKeyId"]), len(given["SecretAccessKey"])) == (20, 40)
    left = given["Expiration"] - dt.datetime.now(dt.UTC)
    assert dt.timedelta(seconds=800) < left <= dt.timedelta(seconds=900)
    bob = holder(who.server, given)
    me = bob("sts").get_caller_identity()
    assert (me["Arn"], me["UserId"], me["Account"]) == (
        f"arn:aws:sts::{MAIN}:federated-user/bob", f"{MAIN}:bob", MAIN,
    )  # fmt: skip
    assert not refused(bob("s3").list_buckets)
    assert refused(bob("s3").get_object, Bucket="lent", Key="k") == DENIED


def test_without_a_policy_it_allows_nothing(admin: Person, lender: Person):
    for who in (admin, lender):
        assert refused(federated(who)("s3").list_buckets) == DENIED


def test_it_allows_no_more_than_its_user(admin: Person, lender: Person):
    bob = federated(lender, Policy=text(allow("*")))
    assert not refused(bob("s3").get_object, Bucket="lent", Key="k")
    assert refused(bob("sagemaker").list_models) == "AccessDeniedException"
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    reader = federated(lender, PolicyArns=[{"arn": arn}])
    assert not refused(reader("s3").get_object, Bucket="lent", Key="k")
    assert refused(reader("s3").delete_object, Bucket="lent", Key="k") == DENIED


def test_it_may_not_go_on_to_iam_and_sts(admin: Person):
    bob = federated(admin, Policy=text(allow("*")))
    trusted = role(admin, "for-all", {"AWS": MAIN}, allow("*"))
    assert refused(bob("iam").list_users) == "InvalidClientTokenId"
    asked = {"RoleArn": trusted, "RoleSessionName": "me"}
    assert refused(bob("sts").assume_role, **asked) == DENIED
    assert refused(bob("sts").get_session_token) == DENIED
    assert not refused(bob("s3").list_buckets)


def test_tags_of_the_session_stand_over_the_users(lender: Person):
    wanted = allow(
        "s3:ListAllMyBuckets", Condition={"StringEquals": {"aws:PrincipalTag/team": "nlp"}}
    )
    assert refused(federated(lender, Policy=text(wanted))("s3").list_buckets) == DENIED
    tags = [{"Key": "team", "Value": "nlp"}]
    assert not refused(federated(lender, Policy=text(wanted), Tags=tags)("s3").list_buckets)
    doubled = [*tags, {"Key": "TEAM", "Value": "x"}]
    sts = lender("sts")
    assert refused(sts.get_federation_token, Name="bob", Tags=doubled) == "InvalidParameterValue"


def test_who_may_ask_for_it(admin: Person):
    assert refused(user(admin, "poor")("sts").get_federation_token, Name="bob") == DENIED
    only = "arn:aws:sts::*:federated-user/bob"
    some = user(admin, "some", allow("sts:GetFederationToken", on=only))
    assert not refused(some("sts").get_federation_token, Name="bob")
    assert refused(some("sts").get_federation_token, Name="eve") == DENIED
    tags = [{"Key": "team", "Value": "ml"}]
    assert refused(some("sts").get_federation_token, Name="bob", Tags=tags) == DENIED
    session = holder(admin.server, admin("sts").get_session_token()["Credentials"])
    assert refused(session("sts").get_federation_token, Name="bob") == DENIED


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        (
            {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/NoSuchPolicy"}]},
            "MalformedPolicyDocument",
        ),
        ({"DurationSeconds": 130_000}, "ValidationError"),
        ({"DurationSeconds": 1000, "Name": "no spaces"}, "ValidationError"),
    ],
)
def test_what_is_refused(lender: Person, given: dict[str, object], code: str):
    assert refused(lender("sts").get_federation_token, **{"Name": "bob", **given}) == code


def test_a_policy_that_is_too_long(admin: Person):
    statements = [
        allow("s3:*", on=f"arn:aws:s3:::yyyy-xxxxx-cloud-default/my_default_folder/folder-{n}/*")
        for n in range(30)
    ]
    with pytest.raises(ClientError) as info:
        admin("sts").get_federation_token(Name="foo", Policy=text(*statements))
    assert info.value.response["Error"]["Code"] == "ValidationError"
    assert "2048" in info.value.response["Error"]["Message"]
