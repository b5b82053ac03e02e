"""What bucket policies allow and deny, by boto3: within an account, and across two."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagebrush.access import bucket_policies
from sagebrush.errors import Doc
from tests.conftest import Server
from tests.people import (
    MAIN,
    Person,
    account,
    allow,
    assumed,
    holder,
    owner,
    refused,
    role,
    text,
    user,
)

DENIED, B = "AccessDenied", "222222222222"
NUMBERS = itertools.count()
Bucket = Callable[..., str]


@pytest.fixture(scope="module")
def admin(server: Server) -> Person:
    return owner(server)


@pytest.fixture(scope="module")
def other(server: Server) -> Person:
    return account(server, B)[1]


@pytest.fixture
def bucket(admin: Person) -> Bucket:
    """A new bucket of the main account with an object, and a policy of statements."""

    def make(*statements: Doc) -> str:
        name, s3 = f"guarded-{next(NUMBERS)}", admin("s3")
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="k", Body=b"guarded")
        put(admin, name, *statements)
        return name

    return make


def put(who: Person, name: str, *statements: Doc) -> None:
    if statements:
        arn = f"arn:aws:s3:::{name}"
        whole = [{**each, "Resource": [arn, f"{arn}/*"]} for each in statements]
        who("s3").put_bucket_policy(Bucket=name, Policy=text(*whole))


def to(principal: Any, *actions: str, **more: Any) -> Doc:
    return {**allow(*actions, **more), "Principal": principal}


def deny(*actions: str, **more: Any) -> Doc:
    return {**to("*", *actions, **more), "Effect": "Deny"}


def read(who: Person, name: str) -> str:
    return refused(who("s3").get_object, Bucket=name, Key="k")


# Across accounts --------------------------------------------------------------------------------


def test_another_account_needs_the_bucket_and_its_own_policies(
    admin: Person, other: Person, bucket: Bucket
):
    name = bucket(to({"AWS": B}, "s3:GetObject", "s3:PutObject", "s3:ListBucket"))
    assert not read(other, name), "its administrator may do everything"
    poor = user(other, "poor")
    assert read(poor, name) == DENIED, "its own account gives it nothing"
    reader = user(other, "reader", allow("s3:GetObject"))
    assert not read(reader, name)
    assert refused(reader("s3").put_object, Bucket=name, Key="k", Body=b"") == DENIED
    assert refused(other("s3").delete_object, Bucket=name, Key="k") == DENIED
    assert refused(other("s3").get_bucket_acl, Bucket=name) == DENIED
    admin("s3").delete_bucket_policy(Bucket=name)
    assert read(reader, name) == DENIED


def test_objects_belong_to_the_buckets_owner(admin: Person, other: Person, bucket: Bucket):
    name = bucket(to({"AWS": f"arn:aws:iam::{B}:root"}, "s3:*"))
    theirs = other("s3")
    theirs.put_object(Bucket=name, Key="new", Body=b"from b")
    theirs.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k"})
    upload = theirs.create_multipart_upload(Bucket=name, Key="large")
    me = admin("s3").list_buckets()["Owner"]
    listed = theirs.list_objects_v2(Bucket=name, FetchOwner=True)["Contents"]
    assert {each["Owner"]["ID"] for each in listed} == {me["ID"]}
    assert theirs.get_object_acl(Bucket=name, Key="new")["Owner"] == me
    assert theirs.get_bucket_acl(Bucket=name)["Owner"] == me
    found = theirs.list_parts(Bucket=name, Key="large", UploadId=upload["UploadId"])
    assert found["Owner"] == me
    assert admin("s3").get_object(Bucket=name, Key="new")["Body"].read() == b"from b"
    assert not refused(theirs.head_bucket, Bucket=name, ExpectedBucketOwner=MAIN)
    assert refused(theirs.head_bucket, Bucket=name, ExpectedBucketOwner=B) == "403"
    # what S3 keeps to the owner's account, whatever the policy allows
    assert refused(theirs.get_bucket_policy, Bucket=name) == "MethodNotAllowed"
    assert refused(theirs.put_bucket_policy, Bucket=name, Policy=text()) == "MethodNotAllowed"
    assert refused(theirs.delete_bucket_policy, Bucket=name) == "MethodNotAllowed"


def test_a_copy_needs_both_buckets(admin: Person, other: Person, bucket: Bucket):
    name = bucket(to({"AWS": B}, "s3:GetObject", "s3:GetObjectTagging"))
    s3 = other("s3")
    s3.create_bucket(Bucket="of-b")
    s3.copy_object(Bucket="of-b", Key="k", CopySource={"Bucket": name, "Key": "k"})
    assert s3.get_object(Bucket="of-b", Key="k")["Body"].read() == b"guarded"
    back = {"Bucket": "of-b", "Key": "k"}
    assert refused(s3.copy_object, Bucket=name, Key="x", CopySource=back) == DENIED
    put(admin, name, to({"AWS": B}, "s3:PutObject"))
    assert not refused(s3.copy_object, Bucket=name, Key="x", CopySource=back)
    assert refused(s3.copy_object, Bucket="of-b", Key="y",
                   CopySource={"Bucket": name, "Key": "k"}) == DENIED  # fmt: skip


def test_one_user_or_role_of_another_account(other: Person, bucket: Bucket):
    first, second = (user(other, n, allow("s3:*")) for n in ("first", "second"))
    name = bucket(to({"AWS": f"arn:aws:iam::{B}:user/first"}, "s3:GetObject"))
    assert not read(first, name)
    assert read(second, name) == DENIED
    assert read(other, name) == DENIED
    arn = role(other, "visitor", {"AWS": B}, allow("s3:*"))
    name = bucket(to({"AWS": arn}, "s3:GetObject"))
    assert not read(assumed(other, arn), name)
    assert read(first, name) == DENIED


def test_a_bucket_policy_means_that_user_not_the_next_of_its_name(
    admin: Person, other: Person, bucket: Bucket
):
    for who, number in ((other, B), (admin, MAIN)):
        arn = f"arn:aws:iam::{number}:user/brief"
        brief = user(who, "brief", allow("s3:*"))
        name = bucket(to({"AWS": arn}, "s3:GetObject"), deny("s3:DeleteObject"))
        assert json.loads(admin("s3").get_bucket_policy(Bucket=name)["Policy"])["Statement"][0][
            "Principal"
        ] == {"AWS": arn}
        assert not read(brief, name)
        iam = who("iam")
        iam.delete_access_key(UserName="brief", AccessKeyId=brief.key)
        iam.delete_user_policy(UserName="brief", PolicyName="p")
        iam.delete_user(UserName="brief")
        again = user(who, "brief", *([allow("s3:*")] if who is other else []))
        assert read(again, name) == DENIED
        shown = json.loads(admin("s3").get_bucket_policy(Bucket=name)["Policy"])
        assert shown["Statement"][0]["Principal"]["AWS"].startswith("AIDA")


def test_a_public_policy_is_not_for_strangers_while_the_bucket_restricts_it(
    admin: Person, other: Person, bucket: Bucket
):
    name = bucket(to("*", "s3:GetObject"))
    assert admin("s3").get_bucket_policy_status(Bucket=name)["PolicyStatus"]["IsPublic"]
    assert read(other, name) == DENIED
    admin("s3").delete_public_access_block(Bucket=name)
    assert not read(other, name)
    on = {"RestrictPublicBuckets": True}
    admin("s3").put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=on)
    assert read(other, name) == DENIED
    fixed = to("*", "s3:GetObject", Condition={"StringEquals": {"aws:PrincipalAccount": B}})
    put(admin, name, fixed)
    assert not admin("s3").get_bucket_policy_status(Bucket=name)["PolicyStatus"]["IsPublic"]
    assert not read(other, name)


def test_a_bucket_that_blocks_public_policies(admin: Person, bucket: Bucket):
    name = bucket()
    on = {"BlockPublicPolicy": True}
    admin("s3").put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=on)
    arn = f"arn:aws:s3:::{name}/*"
    public = text({**to("*", "s3:GetObject"), "Resource": arn})
    assert refused(admin("s3").put_bucket_policy, Bucket=name, Policy=public) == DENIED
    put(admin, name, to({"AWS": B}, "s3:GetObject"))


def test_keys_about_accounts(other: Person, bucket: Bucket):
    known = {"aws:ResourceAccount": MAIN, "s3:ResourceAccount": MAIN, "aws:PrincipalAccount": B}
    name = bucket(to({"AWS": B}, "s3:GetObject", Condition={"StringEquals": known}))
    assert not read(other, name)
    only_own = allow("s3:*", Condition={"StringEquals": {"aws:ResourceAccount": B}})
    careful = user(other, "careful", only_own)
    assert read(careful, name) == DENIED
    assert not refused(careful("s3").create_bucket, Bucket="carefuls-own")


# Within the account -----------------------------------------------------------------------------


def test_in_its_account_a_bucket_policy_suffices(admin: Person, bucket: Bucket):
    ann = user(admin, "ann")
    arn = f"arn:aws:iam::{MAIN}:user/ann"
    name = bucket(to({"AWS": arn}, "s3:GetObject"))
    assert not read(ann, name)
    assert refused(ann("s3").put_object, Bucket=name, Key="k", Body=b"") == DENIED
    by_account = bucket(to({"AWS": MAIN}, "s3:GetObject"))
    assert read(ann, by_account) == DENIED, "naming the account leaves it to its own policies"


def test_a_users_own_deny_wins(admin: Person, bucket: Bucket):
    no = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
    barred = user(admin, "barred", no)
    name = bucket(to({"AWS": f"arn:aws:iam::{MAIN}:user/barred"}, "s3:*"))
    assert read(barred, name) == DENIED
    assert not refused(barred("s3").list_objects_v2, Bucket=name)


def test_a_bucket_policy_denies_administrators_too(admin: Person, bucket: Bucket):
    name = bucket(deny("s3:*"))
    s3 = admin("s3")
    assert read(admin, name) == DENIED
    assert refused(s3.put_object, Bucket=name, Key="k", Body=b"") == DENIED
    assert refused(s3.put_object, Bucket=name, Key="k", Body=b"x" * 400_000) == DENIED
    found = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k"}]})
    assert [each["Code"] for each in found["Errors"]] == [DENIED]
    assert json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    s3.delete_bucket_policy(Bucket=name)
    assert not read(admin, name)


def test_a_policy_holds_for_the_next_request_while_others_read(admin: Person, bucket: Bucket):
    name, over = bucket(), threading.Event()
    s3 = admin("s3")

    def others() -> None:
        while not over.is_set():
            read(admin, name)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(others)
        try:
            for _ in range(6):
                put(admin, name, deny("s3:GetObject"))
                assert read(admin, name) == DENIED
                s3.delete_bucket_policy(Bucket=name)
                assert not read(admin, name)
        finally:
            over.set()


def test_a_deny_with_a_condition(admin: Person, bucket: Bucket):
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    name = bucket(deny("s3:PutObject", Condition=plain))
    assert not read(admin, name)
    assert refused(admin("s3").put_object, Bucket=name, Key="k", Body=b"") == DENIED


def test_a_deny_that_spares_one_user(admin: Person, bucket: Bucket):
    spared = user(admin, "spared", allow("s3:*"))
    only = {
        "Effect": "Deny", "Action": "s3:GetObject",
        "NotPrincipal": {"AWS": [MAIN, f"arn:aws:iam::{MAIN}:user/spared"]},
    }  # fmt: skip
    name = bucket(only)
    assert not read(spared, name)
    assert read(user(admin, "unspared", allow("s3:*")), name) == DENIED


def test_a_federated_user_has_what_a_bucket_gives_it(server: Server, admin: Person, bucket: Bucket):
    lender = user(admin, "lender", allow("s3:*"), allow("sts:*"))
    bob = holder(server, lender("sts").get_federation_token(Name="bob")["Credentials"])
    name = bucket(to({"AWS": f"arn:aws:sts::{MAIN}:federated-user/bob"}, "s3:GetObject"))
    assert not read(bob, name)
    assert refused(bob("s3").put_object, Bucket=name, Key="k", Body=b"") == DENIED
    by_user = bucket(to({"AWS": f"arn:aws:iam::{MAIN}:user/lender"}, "s3:GetObject"))
    assert read(bob, by_user) == DENIED, "its session has no policy that allows it"
    admin("iam").delete_user_policy(UserName="lender", PolicyName="p")
    for key in admin("iam").list_access_keys(UserName="lender")["AccessKeyMetadata"]:
        admin("iam").delete_access_key(UserName="lender", AccessKeyId=key["AccessKeyId"])
    admin("iam").delete_user(UserName="lender")
    assert read(bob, name) == DENIED, "the user that lent it its permissions is gone"


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        (to("*", "s3:GetObject"), True),
        (to({"AWS": "*"}, "s3:GetObject"), True),
        (to({"AWS": [B, "*"]}, "s3:GetObject"), True),
        (to({"AWS": B}, "s3:GetObject"), False),
        (deny("s3:GetObject"), False),
        (to("*", "s3:*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), False),
        (to("*", "s3:*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}), True),
        (to("*", "s3:*", Condition={"StringLike": {"aws:PrincipalArn": "*"}}), True),
        (to("*", "s3:*", Condition={"Bool": {"aws:SecureTransport": "true"}}), True),
    ],
)
def test_what_is_public(statement: Doc, public: bool):
    assert bucket_policies.public({"Statement": [statement]}) is public
