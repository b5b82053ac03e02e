"""IAM users as callers, by boto3: whose policies count, and when a key stops working."""

from __future__ import annotations

import json
import time
import urllib.request
from urllib.error import HTTPError

import pytest

from sagebrush.credentials import user_name
from tests.conftest import Server
from tests.people import MAIN, Person, allow, assumed, holder, owner, refused, role, text, user

DENIED = "AccessDenied"


@pytest.fixture(scope="module")
def admin(server: Server) -> Person:
    made = owner(server)
    for name in ("anns", "bobs"):
        made("s3").create_bucket(Bucket=name)
        made("s3").put_object(Bucket=name, Key="k", Body=b"of " + name.encode())
    return made


@pytest.fixture(scope="module")
def ann(admin: Person) -> Person:
    return user(admin, "ann", allow("s3:*", on=["arn:aws:s3:::anns", "arn:aws:s3:::anns/*"]))


def test_who_a_user_is(admin: Person, ann: Person):
    there = admin("iam").get_user(UserName="ann")["User"]
    found = ann("sts").get_caller_identity()
    assert (found["Arn"], found["UserId"], found["Account"]) == (
        there["Arn"],
        there["UserId"],
        MAIN,
    )
    assert len(ann.key) == 20
    assert len(ann.secret) == 40


def test_two_users_do_not_reach_each_others_things(admin: Person, ann: Person):
    bob = user(admin, "bob", allow("s3:*", on=["arn:aws:s3:::bobs", "arn:aws:s3:::bobs/*"]))
    assert ann("s3").get_object(Bucket="anns", Key="k")["Body"].read() == b"of anns"
    assert bob("s3").get_object(Bucket="bobs", Key="k")["Body"].read() == b"of bobs"
    for who, other in ((ann, "bobs"), (bob, "anns")):
        s3 = who("s3")
        assert refused(s3.get_object, Bucket=other, Key="k") == DENIED
        assert refused(s3.list_objects_v2, Bucket=other) == DENIED
        assert refused(s3.put_object, Bucket=other, Key="k", Body=b"") == DENIED
        source = {"Bucket": other, "Key": "k"}
        own = "anns" if other == "bobs" else "bobs"
        assert refused(s3.copy_object, Bucket=own, Key="stolen", CopySource=source) == DENIED
        assert refused(who("iam").list_users) == DENIED
        assert refused(who("sagemaker").list_training_jobs) == "AccessDeniedException"


def test_a_user_without_policies_may_do_nothing(admin: Person):
    nobody = user(admin, "nobody")
    assert nobody("sts").get_caller_identity()["Arn"].endswith(":user/nobody")
    assert refused(nobody("s3").list_buckets) == DENIED
    assert refused(nobody("iam").get_user) == DENIED
    assert refused(nobody("sts").assume_role, RoleArn=f"arn:aws:iam::{MAIN}:role/x",
                   RoleSessionName="me") == DENIED  # fmt: skip


def test_policies_of_groups_count_until_the_user_leaves(admin: Person):
    iam, gail = admin("iam"), user(admin, "gail")
    iam.create_group(GroupName="readers")
    iam.put_group_policy(
        GroupName="readers", PolicyName="p", PolicyDocument=text(allow("s3:ListAllMyBuckets"))
    )
    assert refused(gail("s3").list_buckets) == DENIED
    iam.add_user_to_group(GroupName="readers", UserName="gail")
    assert not refused(gail("s3").list_buckets)
    assert refused(gail("s3").list_objects_v2, Bucket="anns") == DENIED
    iam.attach_group_policy(
        GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    )
    assert not refused(gail("s3").list_objects_v2, Bucket="anns")
    iam.remove_user_from_group(GroupName="readers", UserName="gail")
    assert refused(gail("s3").list_buckets) == DENIED


def test_a_managed_policys_new_default_version_counts_at_once(admin: Person):
    iam, vera = admin("iam"), user(admin, "vera")
    arn = iam.create_policy(
        PolicyName="v", PolicyDocument=text(allow("s3:ListAllMyBuckets"))
    )["Policy"]["Arn"]  # fmt: skip
    iam.attach_user_policy(UserName="vera", PolicyArn=arn)
    assert not refused(vera("s3").list_buckets)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text(allow("sts:*")), SetAsDefault=True)
    assert refused(vera("s3").list_buckets) == DENIED


def test_a_boundary_limits_what_a_users_policies_allow(admin: Person):
    iam = admin("iam")
    made = iam.create_policy(PolicyName="most", PolicyDocument=text(allow("s3:List*")))
    beth = user(admin, "beth", allow("*"), PermissionsBoundary=made["Policy"]["Arn"])
    assert not refused(beth("s3").list_buckets)
    assert refused(beth("s3").get_object, Bucket="anns", Key="k") == DENIED
    assert refused(beth("iam").delete_user_permissions_boundary, UserName="beth") == DENIED
    iam.delete_user_permissions_boundary(UserName="beth")
    assert not refused(beth("s3").get_object, Bucket="anns", Key="k")


def test_variables_and_tags_of_the_user(admin: Person):
    own = allow("s3:GetObject", "s3:PutObject", on="arn:aws:s3:::anns/home/${aws:username}/*")
    tagged = allow(
        "s3:ListBucket", on="arn:aws:s3:::anns",
        Condition={"StringEquals": {"aws:PrincipalTag/team": "ml", "aws:PrincipalType": "User"}},
    )  # fmt: skip
    tags = [{"Key": "team", "Value": "ml"}]
    tim, tom = user(admin, "tim", own, tagged, Tags=tags), user(admin, "tom", own, tagged)
    assert not refused(tim("s3").put_object, Bucket="anns", Key="home/tim/x", Body=b"")
    assert refused(tim("s3").put_object, Bucket="anns", Key="home/tom/x", Body=b"") == DENIED
    assert not refused(tim("s3").list_objects_v2, Bucket="anns")
    assert refused(tom("s3").list_objects_v2, Bucket="anns") == DENIED
    admin("iam").untag_user(UserName="tim", TagKeys=["team"])
    assert refused(tim("s3").list_objects_v2, Bucket="anns") == DENIED


# When a key stops -------------------------------------------------------------------------------


def test_an_inactive_or_deleted_key_is_refused_at_once(admin: Person):
    iam, kim = admin("iam"), user(admin, "kim", allow("*"))
    link = kim("s3").generate_presigned_url("get_object", Params={"Bucket": "anns", "Key": "k"})
    assert urllib.request.urlopen(link).read() == b"of anns"
    iam.update_access_key(UserName="kim", AccessKeyId=kim.key, Status="Inactive")
    assert refused(kim("sts").get_caller_identity) == "InvalidClientTokenId"
    assert refused(kim("s3").list_buckets) == "InvalidAccessKeyId"
    assert refused(kim("sagemaker").list_models) == "UnrecognizedClientException"
    with pytest.raises(HTTPError, match="403") as known:
        urllib.request.urlopen(link)
    known.value.close()
    iam.update_access_key(UserName="kim", AccessKeyId=kim.key, Status="Active")
    assert urllib.request.urlopen(link).read() == b"of anns"
    iam.delete_access_key(UserName="kim", AccessKeyId=kim.key)
    assert refused(kim("s3").list_buckets) == "InvalidAccessKeyId"
    with pytest.raises(HTTPError, match="403") as known:
        urllib.request.urlopen(link)
    known.value.close()


def test_when_a_key_was_last_used(admin: Person, ann: Person):
    fay, iam = user(admin, "fay"), admin("iam")
    last = iam.get_access_key_last_used
    assert "LastUsedDate" not in last(AccessKeyId=fay.key)["AccessKeyLastUsed"]
    assert refused(fay("s3", region_name="eu-west-1").list_buckets) == DENIED
    found = last(AccessKeyId=fay.key)
    assert found["UserName"] == "fay"
    used = found["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("s3", "eu-west-1")
    assert abs(used["LastUsedDate"].timestamp() - time.time()) < 60
    fay("sts").get_caller_identity()
    assert last(AccessKeyId=fay.key)["AccessKeyLastUsed"] == used, "once in a minute"


def test_when_a_role_was_last_used(admin: Person):
    iam = admin("iam")
    arn = role(admin, "night-shift", {"AWS": MAIN})

    def used():
        details = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
        found = iam.get_role(RoleName="night-shift")["Role"]["RoleLastUsed"]
        assert [d["RoleLastUsed"] for d in details if d["RoleName"] == "night-shift"] == [found]
        return found

    assert used() == {}, "AWS tells it empty, not absent"
    taken = assumed(admin, arn)
    assert used() == {}, "no request was made with its credentials"
    assert refused(taken("s3", region_name="eu-west-1").list_buckets) == DENIED
    found = used()
    assert found["Region"] == "eu-west-1"
    assert abs(found["LastUsedDate"].timestamp() - time.time()) < 60
    taken("sts").get_caller_identity()
    assert used() == found, "once in a minute"
    assert all("RoleLastUsed" not in each for each in iam.list_roles()["Roles"])


def test_a_stand_in_is_used_for_itself(admin: Person):
    iam, arn = admin("iam"), f"arn:aws:iam::{MAIN}:role/of-another-notebook"
    taken = assumed(admin, arn)
    assert iam.get_role(RoleName="of-another-notebook")["Role"]["RoleLastUsed"] == {}
    taken("s3", region_name="eu-west-2").list_buckets()
    used = iam.get_role(RoleName="of-another-notebook")["Role"]["RoleLastUsed"]
    assert used["Region"] == "eu-west-2"
    execution = iam.get_role(RoleName="SagebrushExecutionRole")["Role"]["RoleLastUsed"]
    assert execution.get("Region") != "eu-west-2"


def test_a_user_of_the_same_name_is_another(admin: Person, server: Server):
    iam, lea = admin("iam"), user(admin, "lea", allow("*"))
    session = holder(server, lea("sts").get_session_token()["Credentials"])
    trusted = role(admin, "for-lea", {"AWS": f"arn:aws:iam::{MAIN}:user/lea"}, allow("s3:*"))
    assert not refused(session("s3").list_buckets)
    assert not refused(assumed(lea, trusted)("s3").list_buckets)
    iam.delete_access_key(UserName="lea", AccessKeyId=lea.key)
    iam.delete_user_policy(UserName="lea", PolicyName="p")
    iam.delete_user(UserName="lea")
    assert refused(session("s3").list_buckets) == DENIED, "the session's user is gone"
    again = user(admin, "lea", allow("*"))
    assert refused(session("s3").list_buckets) == DENIED, "this one is another"
    asked = {"RoleArn": trusted, "RoleSessionName": "me"}
    assert refused(again("sts").assume_role, **asked) == DENIED, "the trust policy means the first"
    shown = iam.get_role(RoleName="for-lea")["Role"]["AssumeRolePolicyDocument"]
    assert shown["Statement"][0]["Principal"]["AWS"].startswith("AIDA")


def test_a_strangers_key_is_no_read_of_rows(server: Server, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    book = server.world.credentials
    monkeypatch.setattr(book, "_holder", lambda key: asked.append(key))
    thief = Person(server, "AKIAIOSFODNN7EXAMPLE", "x" * 40)
    assert refused(thief("sts").get_caller_identity) == "InvalidClientTokenId"
    assert not asked


def test_the_owners_name_is_no_users(admin: Person):
    assert refused(admin("iam").create_user, UserName=user_name()) == "EntityAlreadyExists"


# Roles and sessions -----------------------------------------------------------------------------


def test_a_user_assumes_a_role_where_both_sides_allow_it(admin: Person, ann: Person):
    by_account = role(admin, "by-account", {"AWS": MAIN}, allow("s3:ListAllMyBuckets"))
    by_user = role(
        admin, "by-user", {"AWS": f"arn:aws:iam::{MAIN}:user/ann"}, allow("s3:ListAllMyBuckets")
    )
    asked = {"RoleSessionName": "me"}
    assert refused(ann("sts").assume_role, RoleArn=by_account, **asked) == DENIED
    assert not refused(ann("sts").assume_role, RoleArn=by_user, **asked), "named directly"
    alf = user(admin, "alf", allow("sts:AssumeRole"))
    assert not refused(assumed(alf, by_account)("s3").list_buckets)
    assert refused(alf("sts").assume_role, RoleArn=by_user, **asked) == DENIED
    # a role that was never created stands for the execution role: for administrators' keys alone
    never = f"arn:aws:iam::{MAIN}:role/never-created"
    assert refused(alf("sts").assume_role, RoleArn=never, **asked) == DENIED


def test_tags_of_a_users_session_and_its_policies(admin: Person):
    tess = user(admin, "tess", allow("sts:*"))
    tagged = role(
        admin, "tagged", {"AWS": MAIN},
        allow("s3:ListAllMyBuckets",
              Condition={"StringEquals": {"aws:PrincipalTag/team": "ml"}}),
        allow("s3:GetObject"),
    )  # fmt: skip
    tags = [{"Key": "team", "Value": "ml"}]
    assert refused(assumed(tess, tagged)("s3").list_buckets) == DENIED
    with_tags = assumed(tess, tagged, Tags=tags)
    assert not refused(with_tags("s3").list_buckets)
    assert not refused(with_tags("s3").get_object, Bucket="anns", Key="k")
    less = assumed(tess, tagged, Tags=tags, Policy=text(allow("s3:ListAllMyBuckets")))
    assert not refused(less("s3").list_buckets)
    assert refused(less("s3").get_object, Bucket="anns", Key="k") == DENIED


def test_pass_role_is_the_users_to_have(admin: Person):
    arn = role(admin, "of-jobs", {"Service": "sagemaker.amazonaws.com"}, allow("s3:*"))
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
    asked = {"PrimaryContainer": {"Image": image}, "ExecutionRoleArn": arn}
    lacks = user(admin, "lacks-pass", allow("sagemaker:*"))
    called = lacks("sagemaker").create_model
    assert refused(called, ModelName="m1", **asked) == "AccessDeniedException"
    has = user(admin, "has-pass", allow("sagemaker:*"), allow("iam:PassRole", on=arn))
    assert not refused(has("sagemaker").create_model, ModelName="m1", **asked)
    other = {**asked, "ExecutionRoleArn": f"arn:aws:iam::{MAIN}:role/SagebrushExecutionRole"}
    assert refused(has("sagemaker").create_model, ModelName="m2", **other) == (
        "AccessDeniedException"
    )
    lacking = {"ModelName": "m3", "PrimaryContainer": {
        "Image": image, "ModelDataUrl": "s3://anns/k.tar.gz"}}  # fmt: skip
    assert refused(has("sagemaker").create_model, **lacking) == "ValidationException"


def test_what_a_users_session_is_not_good_for(admin: Person, server: Server):
    sue = user(admin, "sue", allow("*"))
    given = sue("sts").get_session_token(DurationSeconds=900)["Credentials"]
    session = holder(server, given)
    assert session("sts").get_caller_identity()["Arn"].endswith(":user/sue")
    assert not refused(session("s3").list_buckets)
    assert refused(session("iam").list_users) == "InvalidClientTokenId"
    assert refused(session("sts").get_session_token) == DENIED
    assert refused(session("sts").get_federation_token, Name="fred") == DENIED
    trusted = role(admin, "for-sue", {"AWS": f"arn:aws:iam::{MAIN}:user/sue"}, allow("s3:*"))
    assert not refused(assumed(session, trusted, DurationSeconds=3600)("s3").list_buckets)


def test_get_session_token_needs_no_permission(admin: Person):
    poor = user(admin, "poor")
    assert poor("sts").get_session_token()["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_an_explicit_deny_of_a_user_wins_over_its_group(admin: Person):
    iam = admin("iam")
    deny = {"Effect": "Deny", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    dan = user(admin, "dan", deny)
    iam.create_group(GroupName="all")
    iam.put_group_policy(GroupName="all", PolicyName="p", PolicyDocument=text(allow("*")))
    iam.add_user_to_group(GroupName="all", UserName="dan")
    assert not refused(dan("iam").list_users)
    assert refused(dan("s3").list_buckets) == DENIED


def test_the_error_names_the_user(ann: Person):
    with pytest.raises(Exception, match=f"User: arn:aws:iam::{MAIN}:user/ann is not authorized"):
        ann("iam").list_roles()
    assert json.loads(text())["Statement"] == []
