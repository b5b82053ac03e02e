"""Several accounts of one server, by boto3: they cannot see each other, but where trusted."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.access import accounts, principals
from sagebrush.errors import AwsError
from sagebrush.services.sagemaker.notebook.stage import Start
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Row
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
from tests.services.sagemaker.liveserver import own
from tests.waiting import until

DENIED, MISSING = "AccessDenied", "ValidationException"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
B = "222222222222"
EXECUTION = "arn:aws:iam::{}:role/SagebrushExecutionRole"


@pytest.fixture(scope="module")
def admin(server: Server) -> Person:
    own(server.app)
    made = owner(server)
    made("s3").create_bucket(Bucket="of-main")
    made("s3").put_object(Bucket="of-main", Key="k", Body=b"main's")
    return made


@pytest.fixture(scope="module")
def other(server: Server, admin: Person) -> Person:
    """The administrator of account B."""
    _, made = account(server, B)
    made("s3").create_bucket(Bucket="of-b")
    made("s3").put_object(Bucket="of-b", Key="k", Body=b"b's")
    return made


def job(name: str, account: str, bucket: str, shell: str, **changes: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", shell],
        },
        "RoleArn": EXECUTION.format(account),
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/k"}
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def ended(who: Person, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = who("sagemaker").describe_training_job(TrainingJobName=name)
        return found if found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return until(look, f"the end of {name}", 40)


# What an account is -----------------------------------------------------------------------------


def test_accounts_are_added_once(server: Server, other: Person):
    made = accounts.add(server.world, "", "team")
    assert len(made["Id"]) == 12
    listed = {each["Id"]: each["Name"] for each in accounts.listed(server.world)}
    assert listed[made["Id"]] == "team"
    assert next(iter(listed)) == MAIN
    for number, name in ((B, ""), (MAIN, ""), ("", "team")):
        with pytest.raises(AwsError) as info:
            accounts.add(server.world, number, name)
        assert info.value.code == "EntityAlreadyExists"
    wrong = (("12", ""), ("1" * 11 + "x", ""), ("", "1" * 12), ("", "a\nb"), (COMPREHEND, ""))
    for number, name in wrong:
        with pytest.raises(AwsError) as info:
            accounts.add(server.world, number, name)
        assert info.value.code == "ValidationException"


def test_each_account_has_an_execution_role_of_its_own(server: Server, other: Person):
    found = other("sts").get_caller_identity()
    assert found["Account"] == B
    assert found["Arn"].startswith(f"arn:aws:sts::{B}:assumed-role/SagebrushExecutionRole/")
    there = other("iam").get_role(RoleName="SagebrushExecutionRole")["Role"]
    assert there["Arn"] == EXECUTION.format(B)
    assert found["UserId"].split(":")[0] == there["RoleId"]
    assert principals.find(server.world, "333333333333", "SagebrushExecutionRole") is None


def test_the_account_of_a_key(server: Server, admin: Person, other: Person):
    ursula = user(other, "ursula")
    session = other("sts").get_session_token()["Credentials"]["AccessKeyId"]
    of_user = ursula("sts").get_session_token()["Credentials"]["AccessKeyId"]
    info = admin("sts").get_access_key_info
    for key in (other.key, ursula.key, session, of_user):
        assert info(AccessKeyId=key)["Account"] == B
    assert info(AccessKeyId=admin.key)["Account"] == MAIN
    assert refused(info, AccessKeyId="AKIAIOSFODNN7EXAMPLE") == "ValidationError"


# What they do not see ---------------------------------------------------------------------------


def test_buckets_are_their_owners(admin: Person, other: Person):
    assert [b["Name"] for b in other("s3").list_buckets()["Buckets"]] == ["of-b"]
    assert [b["Name"] for b in admin("s3").list_buckets()["Buckets"]] == ["of-main"]
    for who, theirs, mine in ((other, "of-main", "of-b"), (admin, "of-b", "of-main")):
        s3 = who("s3")
        assert refused(s3.head_bucket, Bucket=theirs) == "403"
        assert refused(s3.list_objects_v2, Bucket=theirs) == DENIED
        assert refused(s3.get_object, Bucket=theirs, Key="k") == DENIED
        assert refused(s3.get_object, Bucket=theirs, Key="absent") == DENIED
        assert refused(s3.put_object, Bucket=theirs, Key="k", Body=b"x" * 400_000) == DENIED
        assert refused(s3.get_bucket_location, Bucket=theirs) == DENIED
        assert refused(s3.put_bucket_tagging, Bucket=theirs, Tagging={"TagSet": []}) == DENIED
        assert refused(s3.delete_bucket, Bucket=theirs) == DENIED
        assert refused(s3.create_multipart_upload, Bucket=theirs, Key="k") == DENIED
        assert refused(s3.create_bucket, Bucket=theirs) == "BucketAlreadyExists"
        assert refused(s3.get_bucket_policy, Bucket=theirs) == DENIED
        policy = text(allow("s3:*", on=f"arn:aws:s3:::{theirs}/*", Principal="*"))
        assert refused(s3.put_bucket_policy, Bucket=theirs, Policy=policy) == DENIED
        source = {"Bucket": theirs, "Key": "k"}
        assert refused(s3.copy_object, Bucket=mine, Key="stolen", CopySource=source) == DENIED
        assert refused(s3.copy_object, Bucket=theirs, Key="k",
                       CopySource={"Bucket": mine, "Key": "k"}) == DENIED  # fmt: skip
        upload = s3.create_multipart_upload(Bucket=mine, Key="m")["UploadId"]
        asked = {"Bucket": mine, "Key": "m", "UploadId": upload, "PartNumber": 1}
        assert refused(s3.upload_part_copy, CopySource=source, **asked) == DENIED
        s3.abort_multipart_upload(Bucket=mine, Key="m", UploadId=upload)
        found = s3.delete_objects(Bucket=theirs, Delete={"Objects": [{"Key": "k"}]})
        assert [each["Code"] for each in found["Errors"]] == [DENIED]
    assert admin("s3").get_object(Bucket="of-main", Key="k")["Body"].read() == b"main's"
    assert other("s3").get_object(Bucket="of-b", Key="k")["Body"].read() == b"b's"


def test_owners_differ_and_can_be_expected(admin: Person, other: Person):
    mine, theirs = (who("s3").list_buckets()["Owner"]["ID"] for who in (admin, other))
    assert mine != theirs
    s3 = other("s3")
    assert not refused(s3.head_bucket, Bucket="of-b", ExpectedBucketOwner=B)
    assert refused(s3.head_bucket, Bucket="of-b", ExpectedBucketOwner=MAIN) == "403"


def test_roles_users_and_policies_are_their_accounts(admin: Person, other: Person):
    role(admin, "both", {"AWS": MAIN}, allow("s3:*"))
    iam = other("iam")
    assert refused(iam.get_role, RoleName="both") == "NoSuchEntity"
    theirs = role(other, "both", {"AWS": B})
    assert theirs == f"arn:aws:iam::{B}:role/both"
    assert [r["RoleName"] for r in iam.list_roles()["Roles"]] == ["SagebrushExecutionRole", "both"]
    user(admin, "eve")
    user(other, "eve", allow("iam:*"))
    made = iam.create_policy(PolicyName="own", PolicyDocument=text(allow("*")))["Policy"]["Arn"]
    assert refused(admin("iam").get_policy, PolicyArn=made) == "NoSuchEntity"
    assert refused(admin("iam").attach_user_policy, UserName="eve", PolicyArn=made) == (
        "NoSuchEntity"
    )
    eve = admin("iam").list_access_keys(UserName="eve")["AccessKeyMetadata"][0]["AccessKeyId"]
    asked = {"UserName": "eve", "AccessKeyId": eve}
    assert refused(iam.delete_access_key, **asked) == "NoSuchEntity"
    assert refused(iam.update_access_key, Status="Inactive", **asked) == "NoSuchEntity"
    simulate = {
        "PolicySourceArn": f"arn:aws:iam::{MAIN}:role/both", "ActionNames": ["s3:GetObject"],
    }  # fmt: skip
    assert refused(iam.simulate_principal_policy, **simulate) == "NoSuchEntity"


def test_jobs_of_one_name_run_in_both_accounts_with_their_own_credentials(
    admin: Person, other: Person
):
    shell = "cat /opt/ml/input/data/train/k > /opt/ml/model/m; echo seen $(cat /opt/ml/model/m)"
    for who, number, bucket in ((admin, MAIN, "of-main"), (other, B, "of-b")):
        who("sagemaker").create_training_job(**job("same", number, bucket, shell))
    for who, number, bucket, words in (
        (admin, MAIN, "of-main", b"main's"),
        (other, B, "of-b", b"b's"),
    ):
        found = ended(who, "same")
        assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
        assert found["TrainingJobArn"] == f"arn:aws:sagemaker:us-east-1:{number}:training-job/same"
        key = "out/same/output/model.tar.gz"
        model = who("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(model)) as tar:
            assert tar.extractfile("m").read() == words  # type: ignore[union-attr]
        logs, group = who("logs"), "/aws/sagemaker/TrainingJobs"
        events = logs.filter_log_events(logGroupName=group)["events"]
        assert [e["message"] for e in events if "seen" in e["message"]] == [
            f"seen {words.decode()}"
        ]
        listed = who("sagemaker").list_training_jobs()["TrainingJobSummaries"]
        assert [each["TrainingJobArn"].split(":")[4] for each in listed] == [number]


def test_a_job_of_one_account_cannot_use_what_is_the_others(admin: Person, other: Person):
    sagemaker = other("sagemaker")
    assert refused(sagemaker.create_training_job, **job("j1", MAIN, "of-b", "true")) == MISSING
    asked = job("j2", B, "of-main", "true")
    answer = refused(sagemaker.create_training_job, **asked)
    assert answer or ended(other, "j2")["TrainingJobStatus"] == "Failed"
    theirs = f"arn:aws:sagemaker:us-east-1:{MAIN}:training-job/same"
    for called in (sagemaker.list_tags, sagemaker.add_tags):
        more = {"Tags": [{"Key": "a", "Value": "b"}]} if called == sagemaker.add_tags else {}
        assert refused(called, ResourceArn=theirs, **more) == MISSING
    only_mains = job("of-main-alone", MAIN, "of-main", "true")
    admin("sagemaker").create_training_job(**only_mains)
    name = {"TrainingJobName": "of-main-alone"}
    assert refused(sagemaker.describe_training_job, **name) == MISSING
    assert refused(sagemaker.stop_training_job, **name) == MISSING
    logs = other("logs")
    group = f"arn:aws:logs:us-east-1:{MAIN}:log-group:/aws/sagemaker/TrainingJobs"
    assert refused(logs.filter_log_events, logGroupIdentifier=group) == "ResourceNotFoundException"
    ended(admin, "of-main-alone")


def test_results_for_a_bucket_of_the_others_are_refused_at_once(admin: Person, other: Person):
    wanted = job("away", B, "of-b", "true", OutputDataConfig={"S3OutputPath": "s3://of-main/away"})
    create = other("sagemaker").create_training_job
    with pytest.raises(ClientError, match="or the role has no access to it"):
        create(**wanted)
    statement = {
        "Effect": "Allow", "Principal": {"AWS": EXECUTION.format(B)},
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::of-main/away/*",
    }  # fmt: skip
    admin("s3").put_bucket_policy(Bucket="of-main", Policy=text(statement))
    try:
        create(**wanted)
        describe = other("sagemaker").describe_training_job
        until(lambda: describe(TrainingJobName="away")["TrainingJobStatus"] == "Completed")
    finally:
        admin("s3").delete_bucket_policy(Bucket="of-main")
    stored = admin("s3").list_objects_v2(Bucket="of-main", Prefix="away/")["Contents"]
    assert [each["Key"] for each in stored] == ["away/away/output/model.tar.gz"]


def test_models_and_endpoints_are_their_accounts(admin: Person, other: Person):
    theirs = EXECUTION.format(MAIN)
    made = {"ModelName": "m", "PrimaryContainer": {"Image": IMAGE}}
    with pytest.raises(ClientError) as info:
        other("sagemaker").create_model(ExecutionRoleArn=theirs, **made)
    assert info.value.response["Error"]["Code"] == MISSING
    assert str(info.value).endswith(f"({theirs}; this account is {B})")  # by no setting
    admin("sagemaker").create_model(ExecutionRoleArn=theirs, **made)
    sagemaker = other("sagemaker")
    assert refused(sagemaker.describe_model, ModelName="m") == MISSING
    variant = {
        "VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }  # fmt: skip
    config = {"EndpointConfigName": "c", "ProductionVariants": [variant]}
    assert refused(sagemaker.create_endpoint_config, **config) == MISSING
    data = {"Image": IMAGE, "ModelDataUrl": "s3://of-main/k"}
    named = {"ModelName": "stolen", "ExecutionRoleArn": EXECUTION.format(B)}
    assert refused(sagemaker.create_model, PrimaryContainer=data, **named) == MISSING
    invoke = other("sagemaker-runtime").invoke_endpoint
    assert refused(invoke, EndpointName="e", Body=b"") == "ValidationError"


# Where they trust each other --------------------------------------------------------------------


def test_a_role_of_another_account_needs_both_sides(server: Server, admin: Person, other: Person):
    may = allow("s3:GetObject", on="arn:aws:s3:::of-main/*")
    visited = role(admin, "visited", {"AWS": B}, may)
    asked = {"RoleArn": visited, "RoleSessionName": "guest"}
    poor = user(other, "poor")
    assert refused(poor("sts").assume_role, **asked) == DENIED, "its own account does not allow it"
    guest = user(other, "guest", allow("sts:AssumeRole", on=visited))
    found = guest("sts").assume_role(**asked)
    assert found["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{MAIN}:assumed-role/visited/guest"
    inside = holder(server, found["Credentials"])
    assert inside("sts").get_caller_identity()["Account"] == MAIN
    assert inside("s3").get_object(Bucket="of-main", Key="k")["Body"].read() == b"main's"
    assert refused(inside("s3").get_object, Bucket="of-b", Key="k") == DENIED
    untrusting = role(admin, "untrusting", {"AWS": MAIN}, may)
    assert refused(guest("sts").assume_role, RoleArn=untrusting, RoleSessionName="me") == DENIED
    assert refused(other("sts").assume_role, RoleArn=untrusting, RoleSessionName="me") == DENIED
    for missing in ("absent", "SagebrushExecutionRole"):
        arn = f"arn:aws:iam::{MAIN}:role/{missing}"
        assert refused(other("sts").assume_role, RoleArn=arn, RoleSessionName="me") == DENIED
    assert principals.find(server.world, MAIN, "absent") is None, "no stand-in for a stranger"


def test_nobody_reaches_comprehends_account(server: Server, admin: Person):
    """What Comprehend does there, with the rights of its users' roles, is its own."""
    inside = server.world.service_ctx(account=COMPREHEND)
    inside.call("s3", "CreateBucket", {"Bucket": "of-comprehend"})
    model = {
        "ModelName": "of-comprehend",
        "PrimaryContainer": {"Image": "comprehend"},
        "ExecutionRoleArn": EXECUTION.format(MAIN),
    }
    inside.call("sagemaker", "CreateModel", model)
    names = [each["ModelName"] for each in admin("sagemaker").list_models()["Models"]]
    assert "of-comprehend" not in names
    assert refused(admin("s3").list_objects_v2, Bucket="of-comprehend") == DENIED
    arn = EXECUTION.format(COMPREHEND)
    assert refused(admin("sts").assume_role, RoleArn=arn, RoleSessionName="me") == DENIED
    model |= {"ExecutionRoleArn": arn}
    assert refused(admin("sagemaker").create_model, **model) == MISSING


def test_naming_the_user_is_not_enough_across_accounts(admin: Person, other: Person):
    direct = user(other, "direct")
    named = role(admin, "named", {"AWS": f"arn:aws:iam::{B}:user/direct"}, allow("s3:*"))
    asked = {"RoleArn": named, "RoleSessionName": "me"}
    assert refused(direct("sts").assume_role, **asked) == DENIED
    other("iam").put_user_policy(
        UserName="direct", PolicyName="p", PolicyDocument=text(allow("sts:AssumeRole"))
    )
    assert not refused(direct("sts").assume_role, **asked)
    everybody = role(admin, "everybody", {"AWS": "*"}, allow("s3:*"))
    poor = user(other, "poorer")
    assert refused(poor("sts").assume_role, RoleArn=everybody, RoleSessionName="me") == DENIED


def test_trust_may_ask_for_an_external_id_and_the_callers_account(admin: Person, other: Person):
    wanted = {"StringEquals": {"sts:ExternalId": "42", "aws:PrincipalAccount": B,
                               "aws:ResourceAccount": MAIN}}  # fmt: skip
    arn = role(admin, "external", {"AWS": B}, allow("s3:*"), Condition=wanted)
    asked = {"RoleArn": arn, "RoleSessionName": "me"}
    assert refused(other("sts").assume_role, **asked) == DENIED
    assert not refused(other("sts").assume_role, ExternalId="42", **asked)


def test_roles_chain_across_accounts(admin: Person, other: Person):
    first = role(other, "first", {"AWS": B}, allow("sts:AssumeRole"))
    second = role(admin, "second", {"AWS": first}, allow("s3:ListAllMyBuckets"))
    assert refused(other("sts").assume_role, RoleArn=second, RoleSessionName="me") == DENIED
    there = assumed(assumed(other, first), second)
    assert [b["Name"] for b in there("s3").list_buckets()["Buckets"]] == ["of-main"]
    other("iam").delete_role_policy(RoleName="first", PolicyName="p")
    other("iam").delete_role(RoleName="first")
    role(other, "first", {"AWS": B}, allow("sts:AssumeRole"))
    again = assumed(other, first)
    asked = {"RoleArn": second, "RoleSessionName": "me"}
    assert refused(again("sts").assume_role, **asked) == DENIED, "it is another role of that name"


def test_a_user_with_least_privilege_trains(admin: Person):
    bucket = "least-data"
    admin("s3").create_bucket(Bucket=bucket)
    admin("s3").put_object(Bucket=bucket, Key="k", Body=b"data")
    arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    runs = role(admin, "least", {"Service": "sagemaker.amazonaws.com"}, allow("s3:*", on=arns))
    mine = "arn:aws:sagemaker:*:*:training-job/lena-*"
    lena = user(
        admin, "lena",
        allow("sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", on=mine),
        allow("iam:PassRole", on=runs),
    )  # fmt: skip
    asked = job("lena-1", MAIN, bucket, "echo done > /opt/ml/model/m", RoleArn=runs)
    lena("sagemaker").create_training_job(**asked)
    assert ended(lena, "lena-1")["TrainingJobStatus"] == "Completed"
    for changed in ({"TrainingJobName": "toms-1"}, {"RoleArn": EXECUTION.format(MAIN)}):
        call = lena("sagemaker").create_training_job
        assert refused(call, **{**asked, "TrainingJobName": "lena-2", **changed}) == (
            "AccessDeniedException"
        )
    stop = lena("sagemaker").stop_training_job
    assert refused(stop, TrainingJobName="lena-1") == "AccessDeniedException"


def test_folders_of_this_machine_are_the_owners_alone(
    server: Server, admin: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    tied = replace(server.world.settings, notebook_folders=(f"corpus={tmp_path}",))
    monkeypatch.setattr(server.world, "settings", tied)
    nora = user(admin, "nora", allow("sagemaker:*", "iam:PassRole"))
    asked = {"NotebookInstanceName": "corpus", "InstanceType": "ml.t3.medium"}
    create = nora("sagemaker").create_notebook_instance
    assert refused(create, RoleArn=EXECUTION.format(MAIN), **asked) == MISSING
    for number, shown in ((MAIN, [tmp_path]), (B, [])):
        row = Row(number, "us-east-1", "notebook-instance", "corpus", "Pending", {}, {})
        assert Start(server.world, row).folders() == shown
