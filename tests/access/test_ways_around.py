"""What somebody would try who has a Deny to get around, by real clients over the wire."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.access.roles import ACCOUNT, deny, refused, statement

SM = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}"
BUCKET = "guarded"
ALL = statement("*")
Session = Callable[..., Callable[..., Any]]


@pytest.fixture(scope="module", autouse=True)
def objects(client: Callable[..., Any]) -> None:
    """What is guarded: `secret/x`, and beside it `pub/x` and `%73ecret/x`."""
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key in ("secret/x", "pub/x", "%73ecret/x", "secret /x"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())


@pytest.fixture(scope="module")
def reader(session: Session) -> Any:
    """An S3 client that may do all but read what is under `secret/`."""
    denied = [deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/secret/*")]
    return session(statement("s3:*"), *denied)("s3")


# The order of members -----------------------------------------------------------------------------


def sent_as(sagemaker: Any, operation: str, body: str) -> str:
    """The error's code of the operation when its body is this text, "" when it is done."""
    events, name = sagemaker.meta.events, f"before-call.sagemaker.{operation}"

    def replace(params: Any, **_: Any) -> None:
        params["body"] = body.encode()

    events.register_first(name, replace, unique_id=name)
    try:
        method = "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")
        named = json.loads(body)
        return refused(getattr(sagemaker, method), **named)
    finally:
        events.unregister(name, unique_id=name)


@pytest.mark.parametrize("resource", ["endpoint/prod", "endpoint-config/next"])
def test_members_in_any_order(session: Session, resource: str) -> None:
    sagemaker = session(statement("sagemaker:*"), deny("sagemaker:*", f"{SM}:{resource}"))(
        "sagemaker"
    )
    for operation in ("CreateEndpoint", "UpdateEndpoint"):
        for body in (
            '{"EndpointName":"PROD","EndpointConfigName":"Next"}',
            '{"EndpointConfigName":"Next","EndpointName":"PROD"}',
        ):
            assert sent_as(sagemaker, operation, body) == "AccessDeniedException"
        free = '{"EndpointConfigName":"other","EndpointName":"test"}'
        assert sent_as(sagemaker, operation, free) == "ValidationException"  # neither is there


# Log groups ---------------------------------------------------------------------------------------


def test_log_groups_by_name_identifier_and_arn(
    session: Session, client: Callable[..., Any]
) -> None:
    owner = client("logs")
    for group in ("secret-group", "open-group"):
        owner.create_log_group(logGroupName=group)
        owner.create_log_stream(logGroupName=group, logStreamName="s")
    logs = session(statement("logs:*"), deny("logs:*", f"{LOGS}:log-group:secret-group*"))("logs")
    arn = f"{LOGS}:log-group:secret-group"
    named = [
        {"logGroupName": "secret-group"},
        *({"logGroupIdentifier": each} for each in ("secret-group", arn)),
    ]
    for which in named:
        assert refused(logs.filter_log_events, **which) == "AccessDeniedException"
        assert refused(logs.describe_log_streams, **which) == "AccessDeniedException"
        assert refused(logs.get_log_events, **which, logStreamName="s") == "AccessDeniedException"
    assert refused(logs.describe_log_groups, logGroupIdentifiers=[arn]) == "AccessDeniedException"
    both = {"logGroupName": "open-group", "logGroupIdentifier": "secret-group"}
    assert refused(logs.filter_log_events, **both) == "AccessDeniedException"
    assert refused(logs.filter_log_events, logGroupIdentifier="open-group") == ""
    assert refused(logs.get_log_events, logGroupIdentifier="open-group", logStreamName="s") == ""


def test_log_groups_of_other_accounts_are_not_ours(client: Callable[..., Any]) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName="home-group")
    for where in (f"us-east-1:{'9' * 12}", f"eu-west-1:{ACCOUNT}"):
        arn = f"arn:aws:logs:{where}:log-group:home-group"
        found = refused(logs.filter_log_events, logGroupIdentifier=arn)
        assert found == "ResourceNotFoundException"
    arn = f"{LOGS}:log-group:home-group"
    assert refused(logs.filter_log_events, logGroupIdentifier=arn) == ""
    listed = logs.describe_log_groups(logGroupIdentifiers=[arn, "nowhere"])["logGroups"]
    assert [group["logGroupName"] for group in listed] == ["home-group"]


# Objects ------------------------------------------------------------------------------------------


def copied_from(s3: Any, operation: str, source: str) -> Callable[..., Any]:
    """The operation with a copy source that goes over the wire exactly as it stands."""

    def call(**params: Any) -> Any:
        def raw(request: Any, **_: Any) -> None:
            del request.headers["x-amz-copy-source"]
            request.headers["x-amz-copy-source"] = source

        events, name = s3.meta.events, f"before-sign.s3.{operation}"
        events.register(name, raw, unique_id=name)
        try:
            method = {"CopyObject": s3.copy_object, "UploadPartCopy": s3.upload_part_copy}
            return method[operation](CopySource=f"{BUCKET}/pub/x", **params)
        finally:
            events.unregister(name, unique_id=name)

    return call


SOURCES = [
    f"{BUCKET}/secret/x",
    f"/{BUCKET}/secret/x",
    f"{BUCKET}/%73ecret/x",
    f"{BUCKET}%2Fsecret%2Fx",
    f"%2F{BUCKET}%2fsecret%2fx",
    f"{BUCKET}/secret/x?versionId=null",
    f"{BUCKET}/%73%65cret/x?versionId=null",
    f"{BUCKET}/secret/missing",
]


@pytest.mark.parametrize("source", SOURCES)
def test_the_source_of_a_copy_in_any_spelling(reader: Any, source: str) -> None:
    copy = copied_from(reader, "CopyObject", source)
    assert refused(copy, Bucket=BUCKET, Key="out") == "AccessDenied"
    upload = reader.create_multipart_upload(Bucket=BUCKET, Key="out")["UploadId"]
    part = copied_from(reader, "UploadPartCopy", source)
    given = {"Bucket": BUCKET, "Key": "out", "UploadId": upload, "PartNumber": 1}
    assert refused(part, **given) == "AccessDenied"


def test_keys_that_only_look_alike_are_free(reader: Any) -> None:
    for source, body in [("%2573ecret/x", b"%73ecret/x"), ("secret+/x", b"secret /x")]:
        copied_from(reader, "CopyObject", f"{BUCKET}/{source}")(Bucket=BUCKET, Key="out")
        assert reader.get_object(Bucket=BUCKET, Key="out")["Body"].read() == body
    point = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/p/object/secret/x"
    copy = copied_from(reader, "CopyObject", point)
    assert refused(copy, Bucket=BUCKET, Key="out") == "NotImplemented"


def fetched(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize(
    "more", [{}, {"VersionId": "null"}, {"PartNumber": 1}, {"Range": "bytes=0-0"}]
)
def test_an_object_in_every_way_of_reading_it(reader: Any, more: dict[str, Any]) -> None:
    named = {"Bucket": BUCKET, "Key": "secret/x", **more}
    assert refused(reader.get_object, **named) == "AccessDenied"
    assert refused(reader.head_object, **named) == "403"
    url = reader.generate_presigned_url("get_object", named)
    assert fetched(url, **({"Range": more["Range"]} if "Range" in more else {})) == 403
    if "VersionId" in more or not more:
        attributes = {**named, "ObjectAttributes": ["ObjectSize"]}
        assert refused(reader.get_object_attributes, **attributes) == "AccessDenied"


def test_what_is_not_there_is_not_told_to_who_may_not_list(session: Session, reader: Any) -> None:
    named, copied = {"Bucket": BUCKET, "Key": "none"}, {"CopySource": f"{BUCKET}/none"}
    one = session(statement(["s3:GetObject*", "s3:PutObject"]))("s3")
    assert refused(one.get_object, **named) == "AccessDenied"
    assert refused(one.head_object, **named) == "403"
    assert refused(one.copy_object, Bucket=BUCKET, Key="out", **copied) == "AccessDenied"
    assert refused(one.get_object, Bucket=BUCKET, Key="pub/x") == ""
    assert refused(reader.get_object, **named) == "NoSuchKey"


def test_a_key_that_is_percent_encoded_in_the_url(reader: Any) -> None:
    def spelt(request: Any, **_: Any) -> None:
        request.url = request.url.replace("/secret/", "/%73ecret/")

    reader.meta.events.register("before-sign.s3.GetObject", spelt, unique_id="spelt")
    try:
        assert refused(reader.get_object, Bucket=BUCKET, Key="secret/x") == "AccessDenied"
    finally:
        reader.meta.events.unregister("before-sign.s3.GetObject", unique_id="spelt")


def put(url: str, source: str | None) -> int:
    """The status of a PUT to a presigned URL, with that header where one is given."""
    headers = {} if source is None else {"x-amz-copy-source": source}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, None, headers, method="PUT")) as r:
            return r.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_copy_by_a_presigned_url(reader: Any, client: Callable[..., Any]) -> None:
    given = {"Bucket": BUCKET, "Key": "by-url"}
    url = reader.generate_presigned_url(
        "copy_object", {**given, "CopySource": f"{BUCKET}/secret/x"}
    )
    assert put(url, None) == put(url, f"{BUCKET}/secret/x") == put(url, f"{BUCKET}/pub/x") == 403
    owner = client("s3")
    url = owner.generate_presigned_url("copy_object", {**given, "CopySource": f"{BUCKET}/pub/x"})
    assert "x-amz-copy-source=" in url  # version 2 puts the header into the URL
    assert put(url, f"{BUCKET}/secret/x") == 200
    copied = owner.get_object(**given)["Body"].read()
    assert copied == b"pub/x", "a header must not name another source than the URL that was signed"


def test_each_object_of_a_batch(session: Session, client: Callable[..., Any]) -> None:
    client("s3").put_object(Bucket=BUCKET, Key="keep/1", Body=b"")
    denied = deny("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/keep/*")
    s3 = session(statement("s3:*"), denied)("s3")
    for entry in ({"Key": "keep/1"}, {"Key": "keep/1", "VersionId": "null"}):
        client("s3").put_object(Bucket=BUCKET, Key="other", Body=b"")
        batch = {"Objects": [{"Key": "other"}, entry]}
        told = s3.delete_objects(Bucket=BUCKET, Delete=batch)
        assert told["Deleted"] == [{"Key": "other"}]
        (error,) = told["Errors"]
        message = error.pop("Message")
        assert error == {**entry, "Code": "AccessDenied"}
        assert "explicit deny" in message
        assert refused(client("s3").head_object, Bucket=BUCKET, Key="other") == "404"
        assert refused(s3.delete_object, Bucket=BUCKET, **entry) == "AccessDenied"
    quiet = s3.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": "keep/1"}, {"Key": "gone"}], "Quiet": True}
    )
    assert [each["Key"] for each in quiet["Errors"]] == ["keep/1"]
    assert "Deleted" not in quiet
    client("s3").head_object(Bucket=BUCKET, Key="keep/1")


def test_listing_by_prefix(session: Session) -> None:
    arn = f"arn:aws:s3:::{BUCKET}"
    only = {"StringLike": {"s3:prefix": "pub/*"}}
    s3 = session(statement(["s3:ListBucket", "s3:ListBucketVersions"], arn, Condition=only))("s3")
    for call in (s3.list_objects, s3.list_objects_v2, s3.list_object_versions):
        assert refused(call, Bucket=BUCKET, Prefix="pub/") == ""
        for prefix in ("secret/", "", "pub"):
            assert refused(call, Bucket=BUCKET, Prefix=prefix) == "AccessDenied"
        assert refused(call, Bucket=BUCKET) == "AccessDenied"
        assert refused(call, Bucket=BUCKET, Prefix="pub/", EncodingType="url") == ""
    secret = {"StringLike": {"s3:prefix": "secret/*"}}
    s3 = session(statement("s3:*"), deny("s3:ListBucket*", arn, Condition=secret))("s3")
    for call in (s3.list_objects, s3.list_objects_v2, s3.list_object_versions):
        assert refused(call, Bucket=BUCKET, Prefix="secret/") == "AccessDenied"
        assert refused(call, Bucket=BUCKET, Prefix="pub/") == ""


def test_a_prefix_that_comes_twice(session: Session) -> None:
    """The second of two parameters must not be listed where the first was allowed."""
    only = {"StringLike": {"s3:prefix": "pub/*"}}
    s3 = session(statement("s3:ListBucket", Condition=only))("s3")

    def twice(request: Any, **_: Any) -> None:
        request.url += "&prefix=secret%2F"

    s3.meta.events.register("before-sign.s3.ListObjectsV2", twice)
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="pub/")
    assert [each["Key"] for each in listed["Contents"]] == ["pub/x"]


def test_tags_and_access_lists_by_header(session: Session) -> None:
    s3 = session(statement("s3:*"), deny(["s3:PutObjectTagging", "s3:PutObjectAcl"]))("s3")
    put = {"Bucket": BUCKET, "Key": "tagged", "Body": b"x"}
    assert refused(s3.put_object, **put) == ""
    assert refused(s3.put_object, **put, Tagging="a=b") == "AccessDenied"
    assert refused(s3.put_object, **put, ACL="bucket-owner-full-control") == "AccessDenied"
    named = {"Bucket": BUCKET, "Key": "tagged"}
    assert refused(s3.create_multipart_upload, **named, Tagging="a=b") == "AccessDenied"
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    assert refused(s3.put_object_tagging, **named, Tagging=tags) == "AccessDenied"
    source = {"CopySource": f"{BUCKET}/pub/x", "Tagging": "a=b", "TaggingDirective": "REPLACE"}
    assert refused(s3.copy_object, **named, **source) == "AccessDenied"


# SageMaker's tags and roles -----------------------------------------------------------------------


def test_resources_by_arn_in_any_case(session: Session, client: Callable[..., Any]) -> None:
    kind = "notebook-instance-lifecycle-config"
    owner = client("sagemaker")
    for name in ("Guarded", "Free"):
        owner.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)
    sagemaker = session(ALL, deny("sagemaker:*", f"{SM}:{kind}/guarded"))("sagemaker")
    tags = [{"Key": "a", "Value": "b"}]
    for arn in (
        f"{SM}:{kind}/guarded",
        f"{SM}:{kind}/GUARDED",
        f"{SM}:{kind}/Guarded",
        f"arn:aws-us-gov:sagemaker:us-east-1:{ACCOUNT}:{kind}/Guarded",
    ):
        assert refused(sagemaker.add_tags, ResourceArn=arn, Tags=tags) == "AccessDeniedException"
        assert refused(sagemaker.list_tags, ResourceArn=arn) == "AccessDeniedException"
        given = {"ResourceArn": arn, "TagKeys": ["a"]}
        assert refused(sagemaker.delete_tags, **given) == "AccessDeniedException"
    assert refused(sagemaker.add_tags, ResourceArn=f"{SM}:{kind}/FREE", Tags=tags) == ""
    describe = sagemaker.describe_notebook_instance_lifecycle_config
    denied = refused(describe, NotebookInstanceLifecycleConfigName="Guarded")
    assert denied == "AccessDeniedException"


def test_tags_that_come_with_a_new_resource(session: Session) -> None:
    sagemaker = session(statement("sagemaker:*"), deny("sagemaker:AddTags"))("sagemaker")
    create = sagemaker.create_code_repository
    given = {"GitConfig": {"RepositoryUrl": "https://example.com/r"}}
    tags = [{"Key": "a", "Value": "b"}]
    name = {"CodeRepositoryName": "tagged-repository"}
    assert refused(create, **name, **given, Tags=tags) == "AccessDeniedException"
    assert refused(create, **name, **given) == ""


def test_a_role_by_another_path(session: Session, client: Callable[..., Any]) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    made = client("iam").create_role(
        RoleName="Powerful", Path="/team/", AssumeRolePolicyDocument=json.dumps(trust)
    )
    denied = deny(["iam:PassRole", "sts:AssumeRole", "iam:GetRole"], made["Role"]["Arn"])
    limited = session(ALL, denied)
    sagemaker, iam, sts = limited("sagemaker"), limited("iam"), limited("sts")
    image = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/i:1"
    for path in ("team/", "", "x/y/"):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{path}Powerful"
        model = {"ModelName": "m", "PrimaryContainer": {"Image": image}, "ExecutionRoleArn": arn}
        assert refused(sagemaker.create_model, **model) == "AccessDeniedException"
        assume = {"RoleArn": arn, "RoleSessionName": "case"}
        assert refused(sts.assume_role, **assume) == "AccessDenied"
    assert refused(iam.get_role, RoleName="Powerful") == "AccessDenied"


# Where a request comes from -----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_address_and_the_way_of_signing(session: Session, server: Any) -> None:
    here = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    assert refused(session(statement("s3:*", Condition=here))("s3").list_buckets) == ""
    elsewhere = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    denied = session(statement("s3:*", Condition=elsewhere))("s3")
    assert refused(denied.list_buckets) == "AccessDenied"
    insecure = deny("*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert refused(session(ALL, insecure)("s3").list_buckets) == "AccessDenied"
    secured = session(ALL, insecure)("s3", f"https://localhost:{server.app.tls_port}")
    assert refused(secured.list_buckets) == ""
    old = deny("*", Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}})
    secured = session(ALL, old)("s3", f"https://localhost:{server.app.tls_port}")
    assert refused(secured.list_buckets) == ""
    presigned = deny("*", Condition={"StringNotEquals": {"s3:authType": "REST-HEADER"}})
    s3 = session(ALL, presigned)("s3")
    named = {"Bucket": BUCKET, "Key": "pub/x"}
    assert refused(s3.get_object, **named) == ""
    assert fetched(s3.generate_presigned_url("get_object", named)) == 403
