"""Condition keys: of the request, of each part of it, of what is there and of who asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sagebrush.access import actions, conditions, dispatch
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError
from sagebrush.world import Origin
from tests.access.roles import ACCOUNT, deny, statement

SM = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
ALL = statement("*")


# Keys of requests ---------------------------------------------------------------------------------

HELD = [
    ("s3", "ListObjectsV2", {"s3:prefix": "pub/"}, {"Bucket": "b", "Prefix": "pub/"}),
    ("s3", "ListObjects", {"s3:delimiter": "/"}, {"Bucket": "b", "Delimiter": "/"}),
    ("s3", "ListObjectVersions", {"s3:max-keys": "5"}, {"Bucket": "b", "MaxKeys": 5}),
    ("s3", "PutObject", {"s3:x-amz-acl": "private"}, {"ACL": "private"}),
    ("s3", "PutObject", {"s3:x-amz-storage-class": "GLACIER"}, {"StorageClass": "GLACIER"}),
    (
        "s3",
        "PutObject",
        {"s3:x-amz-server-side-encryption": "aws:kms"},
        {"ServerSideEncryption": "aws:kms"},
    ),
    ("s3", "PutObject", {"s3:RequestObjectTag/Team": "a b"}, {"Tagging": "team=a+b&x=y"}),
    ("s3", "PutObject", {"s3:if-none-match": "*"}, {"IfNoneMatch": "*"}),
    ("s3", "CopyObject", {"s3:x-amz-copy-source": "c/k x"}, {"CopySource": "/c/k%20x"}),
    ("s3", "CreateBucket", {"s3:locationconstraint": "eu-west-1"},
     {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
    ("cloudwatch", "PutCompositeAlarm", {"cloudwatch:AlarmActions": "arn:aws:sns:r:1:t"},
     {"AlarmName": "a", "OKActions": ["arn:aws:sns:r:1:t"]}),
    ("cloudwatch", "PutMetricData", {"cloudwatch:namespace": "Mine"}, {"Namespace": "Mine"}),
    (
        "sagemaker",
        "CreateModel",
        {"aws:RequestTag/team": "a"},
        {"Tags": [{"Key": "Team", "Value": "a"}]},
    ),
    ("sagemaker", "CreateModel", {"sagemaker:NetworkIsolation": "true"},
     {"EnableNetworkIsolation": True}),
    ("sagemaker", "CreateModel", {"sagemaker:VpcSubnets": "subnet-1"},
     {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}),
    ("sagemaker", "CreateNotebookInstance", {"sagemaker:RootAccess": "Disabled"},
     {"RootAccess": "Disabled"}),
    ("sagemaker", "CreateNotebookInstance", {"sagemaker:DirectInternetAccess": "Disabled"},
     {"DirectInternetAccess": "Disabled"}),
    ("sagemaker", "CreateProcessingJob", {"sagemaker:VolumeKmsKey": "k"},
     {"ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": "k"}}}),
    ("sagemaker", "CreateTrainingJob", {"sagemaker:OutputKmsKey": "k"},
     {"OutputDataConfig": {"KmsKeyId": "k"}}),
    ("sagemaker", "CreateTrainingJob", {"sagemaker:InstanceTypes": "ml.m5.large"},
     {"ResourceConfig": {"InstanceGroups": [{"InstanceType": "ml.m5.large"}]}}),
    ("sagemaker", "CreateTrainingJob", {"sagemaker:InterContainerTrafficEncryption": "false"},
     {"EnableInterContainerTrafficEncryption": False}),
    ("sagemaker", "CreateEndpointConfig", {"sagemaker:ModelArn": f"{SM}:model/m"},
     {"ProductionVariants": [{"ModelName": "M"}]}),
    ("sagemaker-runtime", "InvokeEndpoint", {"sagemaker:TargetModel": "m.tar.gz"},
     {"TargetModel": "m.tar.gz"}),
    ("iam", "AttachRolePolicy", {"iam:PolicyARN": "arn:aws:iam::aws:policy/P"},
     {"PolicyArn": "arn:aws:iam::aws:policy/P"}),
]  # fmt: skip
BASE = {
    "s3": {"Bucket": "b", "Key": "k"},
    "sts": {"RoleArn": "arn:aws:iam::1:role/r"},
    "iam": {"RoleName": "r"},
}


@pytest.mark.parametrize(("service", "operation", "keys", "given"), HELD)
def test_a_condition_on_the_request_holds(ctx, decide, service, operation, keys, given):
    params = {**BASE.get(service, {}), **given}
    without = {**BASE.get(service, {}), **({"CopySource": "x/y"} if "CopySource" in given else {})}
    action = next(actions.needs(ctx, service, operation, params)).action
    (name, value), other = next(iter(keys.items())), f"{next(iter(keys.values()))}-other"

    def denying(operator: str, key: str, wanted: str):
        return decide(ALL, deny(action, Condition={operator: {key: wanted}}))

    equal = denying("StringEquals", name, value)
    assert equal(service, operation, params)
    assert not equal(service, operation, without)
    assert denying("StringEquals", name.upper(), value)(service, operation, params)
    assert not denying("StringEquals", name, other)(service, operation, params)
    assert denying("StringNotEquals", name, other)(service, operation, params)
    absent = denying("Null", name, "true")
    assert not absent(service, operation, params)
    assert bool(absent(service, operation, without)) == ("CopySource" not in given)


def test_prefixes_may_be_allowed_alone(decide):
    only = {"StringLike": {"s3:prefix": ["pub/*", "pub"]}}
    answer = decide(statement("s3:ListBucket", "arn:aws:s3:::b", Condition=only))
    for prefix, good in [("pub/", True), ("pub/x", True), ("secret/", False), ("", False)]:
        assert (answer("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": prefix}) == "") == good
    assert answer("s3", "ListObjectsV2", {"Bucket": "b"})
    assert answer("s3", "HeadBucket", {"Bucket": "b"})  # it is ListBucket without a prefix


TYPES = "sagemaker:InstanceTypes"
SMALL = ["ml.t3.medium", "ml.m5.large"]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("CreateTrainingJob", {"ResourceConfig": {"InstanceType": "ml.p5.48xlarge"}}),
        (
            "CreateTrainingJob",
            {
                "ResourceConfig": {
                    "InstanceGroups": [
                        {"InstanceType": "ml.m5.large"},
                        {"InstanceType": "ml.p5.48xlarge"},
                    ]
                }
            },
        ),
        (
            "CreateTrainingJob",
            {
                "ResourceConfig": {"InstanceType": "ml.m5.large"},
                "ProfilerRuleConfigurations": [{"InstanceType": "ml.p5.48xlarge"}],
            },
        ),
        (
            "CreateHyperParameterTuningJob",
            {
                "TrainingJobDefinitions": [
                    {"ResourceConfig": {"InstanceType": "ml.m5.large"}},
                    {
                        "HyperParameterTuningResourceConfig": {
                            "InstanceConfigs": [{"InstanceType": "ml.p5.48xlarge"}]
                        }
                    },
                ]
            },
        ),
        (
            "CreateEndpointConfig",
            {
                "ProductionVariants": [{"InstanceType": "ml.m5.large"}],
                "ShadowProductionVariants": [{"InstanceType": "ml.p5.48xlarge"}],
            },
        ),
        ("CreateNotebookInstance", {"InstanceType": "ml.p5.48xlarge"}),
        ("UpdateNotebookInstance", {"InstanceType": "ml.p5.48xlarge"}),
        (
            "CreateProcessingJob",
            {"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.p5.48xlarge"}}},
        ),
    ],
)
def test_instance_types_are_seen_wherever_they_stand(decide, operation, params):
    allowing = decide(statement("*", Condition={"ForAllValues:StringEquals": {TYPES: SMALL}}))
    assert allowing("sagemaker", operation, params)
    denying = decide(ALL, deny("*", Condition={"ForAnyValue:StringNotEquals": {TYPES: SMALL}}))
    assert denying("sagemaker", operation, params)
    assert denying("sagemaker", operation, {}) == ""


def test_every_training_definition_must_be_allowed_by_itself(decide):
    short = {"StoppingCondition": {"MaxRuntimeInSeconds": 60}, "EnableNetworkIsolation": True}
    long = {"StoppingCondition": {"MaxRuntimeInSeconds": 86400}, "EnableNetworkIsolation": True}
    open_ = {"StoppingCondition": {"MaxRuntimeInSeconds": 60}}
    limit = {
        "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "3600"},
        "Bool": {"sagemaker:NetworkIsolation": "true"},
    }
    name = "CreateHyperParameterTuningJob"
    for answer in (
        decide(statement("*", Condition=limit)),
        decide(
            ALL,
            deny("*", Condition={"NumericGreaterThan": {"sagemaker:MaxRuntimeInSeconds": "3600"}}),
            deny("*", Condition={"Null": {"sagemaker:NetworkIsolation": "true"}}),
        ),
    ):
        for definitions, good in [
            ([short], True),
            ([short, short], True),
            ([short, long], False),
            ([long, short], False),
            ([short, open_], False),
        ]:
            params = {"TrainingJobDefinitions": definitions}
            assert (answer("sagemaker", name, params) == "") == good, definitions
        both = {"TrainingJobDefinition": short, "TrainingJobDefinitions": [long]}
        assert answer("sagemaker", name, both)


def test_every_file_system_must_be_allowed_by_itself(decide):
    def channel(system: str) -> dict:
        return {"DataSource": {"FileSystemDataSource": {"FileSystemId": system}}}

    objects = {"DataSource": {"S3DataSource": {"S3Uri": "s3://b/k"}}}
    only = {"StringEqualsIfExists": {"sagemaker:FileSystemId": "fs-mine"}}
    answer = decide(statement("*", Condition=only))
    for channels, good in [
        ([], True),
        ([objects], True),
        ([objects, channel("fs-mine")], True),
        ([channel("fs-mine"), channel("fs-yours")], False),
    ]:
        job = {"TrainingJobName": "j", "InputDataConfig": channels}
        assert (answer("sagemaker", "CreateTrainingJob", job) == "") == good
        tuning = {"TrainingJobDefinitions": [{"InputDataConfig": channels}, {}]}
        assert (answer("sagemaker", "CreateHyperParameterTuningJob", tuning) == "") == good


def test_tags_may_be_demanded_of_what_is_created(decide):
    needed = {"StringEquals": {"aws:RequestTag/team": "a"}}
    keys = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    creating = {"StringEquals": {"sagemaker:TaggingAction": "CreateModel"}}
    answer = decide(
        statement("sagemaker:CreateModel", Condition={**needed, **keys}),
        statement("sagemaker:AddTags", Condition=creating),
    )
    team = {"Key": "team", "Value": "a"}
    for tags, good in [([team], True), ([], False), ([team, {"Key": "x", "Value": "y"}], False)]:
        found = answer("sagemaker", "CreateModel", {"ModelName": "m", "Tags": tags})
        assert (found == "") == good
    later = {"ResourceArn": f"{SM}:model/m", "Tags": [team]}
    assert answer("sagemaker", "AddTags", later).startswith("sagemaker:AddTags")


# Tags of what is there ----------------------------------------------------------------------------


def test_resource_tags_are_those_of_the_resource(ctx, decide):
    for name, team in (("Mine", "a"), ("yours", "b")):
        ctx.call("sagemaker", "CreateNotebookInstanceLifecycleConfig", {
            "NotebookInstanceLifecycleConfigName": name, "Tags": [{"Key": "Team", "Value": team}],
        })  # fmt: skip
    operation = "DescribeNotebookInstanceLifecycleConfig"
    for key in ("aws:ResourceTag/Team", "sagemaker:ResourceTag/team"):
        answer = decide(statement("*", Condition={"StringEquals": {key: "a"}}))
        for name, good in (("Mine", True), ("yours", False), ("missing", False)):
            params = {"NotebookInstanceLifecycleConfigName": name}
            assert (answer("sagemaker", operation, params) == "") == good
            arn = f"{SM}:notebook-instance-lifecycle-config/{name}"
            assert (answer("sagemaker", "ListTags", {"ResourceArn": arn}) == "") == good


def test_object_tags_are_those_of_the_object(ctx, decide):
    ctx.call("s3", "CreateBucket", {"Bucket": "tagged"})
    for key, tags in (("open", "public=yes"), ("shut", "public=no"), ("bare", "")):
        ctx.call("s3", "PutObject", {
            "Bucket": "tagged", "Key": key, "Body": b"x", **({"Tagging": tags} if tags else {}),
        })  # fmt: skip
    public = {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}
    answer = decide(statement("s3:GetObject*", Condition=public), statement("s3:PutObject*"))
    for key, good in (("open", True), ("shut", False), ("bare", False), ("missing", False)):
        named = {"Bucket": "tagged", "Key": key}
        assert (answer("s3", "GetObject", named) == "") == good
        copy = {"Bucket": "tagged", "Key": "new", "CopySource": f"tagged/{key}"}
        assert (answer("s3", "CopyObject", copy) == "") == good


def test_a_copy_takes_tags_along_only_for_who_may_read_and_write_them(ctx, decide):
    ctx.call("s3", "CreateBucket", {"Bucket": "labels"})
    put = {"Bucket": "labels", "Body": b"x"}
    ctx.call("s3", "PutObject", {**put, "Key": "with", "Tagging": "a=b"})
    ctx.call("s3", "PutObject", {**put, "Key": "without"})
    answer = decide(statement(["s3:GetObject", "s3:PutObject"]))
    copy = {"Bucket": "labels", "Key": "new", "CopySource": "labels/with"}
    assert answer("s3", "CopyObject", copy).startswith("s3:GetObjectTagging")
    assert answer("s3", "CopyObject", {**copy, "TaggingDirective": "REPLACE"}) == ""
    assert answer("s3", "CopyObject", {**copy, "CopySource": "labels/without"}) == ""
    reading = decide(statement(["s3:GetObject", "s3:PutObject", "s3:GetObjectTagging"]))
    assert reading("s3", "CopyObject", copy).startswith("s3:PutObjectTagging")


# Keys of every request ----------------------------------------------------------------------------


class Connection:
    """What asyncio tells of a connection."""

    def __init__(self, peer: object, secure: bool) -> None:
        self._told = {"peername": peer, "sslcontext": object() if secure else None}

    def __call__(self, name: str) -> object:
        return self._told.get(name)


def of_globals(ctx, **origin):
    came = {"connection": Connection(("10.1.2.3", 5), False), "headers": {"user-agent": "me"}}
    asking = replace(ctx, origin=Origin(**{**came, **origin}))
    return conditions.of_operation(asking, "s3", "ListBuckets", {})


def test_what_is_known_of_every_request(ctx):
    known = of_globals(ctx)
    role = f"arn:aws:iam::{ACCOUNT}:role/SagebrushExecutionRole"
    assert known.get("aws:principalarn") == role
    assert known.get("aws:userid") == ctx.caller.user_id
    assert known.get("aws:principaltype") == "AssumedRole"
    assert known.get("aws:sourceip") == "10.1.2.3"
    assert known.get("aws:securetransport") == "false"
    assert known.get("aws:useragent") == "me"
    assert known.get("aws:requestedregion") == "us-east-1"
    assert str(known.get("aws:currenttime")).startswith(str(moment(ctx.world.clock()).year))
    assert known.get("s3:authtype") == "REST-HEADER"
    for absent in ("aws:sourcearn", "aws:sourcevpce", "aws:referer", "s3:prefix"):
        assert known.get(absent) is None
    assert of_globals(ctx, connection=Connection("", True)).get("aws:sourceip") is None
    mapped = Connection(("::ffff:10.1.2.3", 5, 0, 0), True)
    assert of_globals(ctx, connection=mapped).get("aws:sourceip") == "10.1.2.3"
    assert of_globals(ctx, connection=Connection("", True)).get("aws:securetransport") == "true"


def test_what_is_known_of_a_presigned_url(ctx):
    signed = ctx.world.clock() - 60
    known = of_globals(ctx, presigned=True, signed_at=signed)
    assert known.get("s3:authtype") == "REST-QUERY-STRING"
    assert 60_000 <= int(str(known.get("s3:signatureage"))) < 90_000
    assert known.get("s3:signatureversion") == "AWS4-HMAC-SHA256"
    assert of_globals(ctx, presigned=True).get("s3:signatureversion") == "AWS"


def test_the_servers_own_calls_have_no_origin(ctx):
    came = replace(ctx, origin=Origin(Connection(("10.1.2.3", 5), False), {}))
    inside = came.as_role(f"arn:aws:iam::{ACCOUNT}:role/SagebrushExecutionRole")
    known = conditions.of_operation(inside, "s3", "ListBuckets", {})
    assert known.get("aws:sourceip") is None
    assert known.get("aws:securetransport") == "true"


def test_the_tags_of_the_callers_role_are_the_principals(ctx, decide):
    answer = decide(
        statement("s3:*", "arn:aws:s3:::${aws:PrincipalTag/team}/*"),
        statement("s3:*", "arn:aws:s3:::x/*", Condition={
            "StringEquals": {"aws:PrincipalTag/Team": "b"}}),
    )  # fmt: skip
    ctx.call("iam", "TagRole", {"RoleName": decide.name, "Tags": [{"Key": "Team", "Value": "a"}]})
    assert answer("s3", "GetObject", {"Bucket": "a", "Key": "k"}) == ""
    assert answer("s3", "GetObject", {"Bucket": "b", "Key": "k"})
    assert answer("s3", "GetObject", {"Bucket": "x", "Key": "k"})


def test_a_session_may_do_no_more_than_its_own_policies(decide):
    decide(ALL)
    role = decide.ctx
    only = {"StringLike": {"s3:prefix": "pub/*"}}
    session = {"Statement": [statement("s3:ListBucket", Condition=only)]}
    limited = replace(role, caller=replace(role.caller, policies=(session,)))
    dispatch.authorise(limited, "s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "pub/x"})
    for params in ({"Bucket": "b", "Prefix": "secret/"}, {"Bucket": "b"}):
        with pytest.raises(AwsError):
            dispatch.authorise(limited, "s3", "ListObjectsV2", params)
