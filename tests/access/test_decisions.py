"""Which actions and resources a request is decided by, however it names them."""

from __future__ import annotations

import pytest

from sagebrush.errors import AwsError
from tests.access.roles import ACCOUNT, deny, document, statement

SM = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}"
ALL = statement("*")


# What is asked ------------------------------------------------------------------------------------

ASKED = [
    ("s3", "ListBuckets", {}, "s3:ListAllMyBuckets"),
    ("s3", "HeadBucket", {"Bucket": "b"}, 's3:ListBucket on resource: "arn:aws:s3:::b"'),
    (
        "s3",
        "GetObject",
        {"Bucket": "b", "Key": "k/x"},
        's3:GetObject on resource: "arn:aws:s3:::b/k/x"',
    ),
    (
        "s3",
        "GetObject",
        {"Bucket": "b", "Key": "k", "VersionId": "null"},
        's3:GetObjectVersion on resource: "arn:aws:s3:::b/k"',
    ),
    (
        "sagemaker",
        "CreateTrainingJob",
        {"TrainingJobName": "My-Job"},
        f"sagemaker:CreateTrainingJob on resource: {SM}:training-job/my-job",
    ),
    ("sagemaker", "ListModels", {}, "sagemaker:ListModels"),
    (
        "sagemaker-runtime",
        "InvokeEndpointWithResponseStream",
        {"EndpointName": "e"},
        f"sagemaker:InvokeEndpointWithResponseStream on resource: {SM}:endpoint/e",
    ),
    (
        "logs",
        "GetLogEvents",
        {"logGroupName": "g", "logStreamName": "s"},
        f"logs:GetLogEvents on resource: {LOGS}:log-group:g:log-stream:s",
    ),
    (
        "logs",
        "FilterLogEvents",
        {"logGroupIdentifier": "g"},
        f"logs:FilterLogEvents on resource: {LOGS}:log-group:g:log-stream:",
    ),
    (
        "iam",
        "CreateRole",
        {"RoleName": "r", "Path": "/a/b/"},
        f"iam:CreateRole on resource: arn:aws:iam::{ACCOUNT}:role/a/b/r",
    ),
    ("cloudwatch", "ListMetrics", {}, "cloudwatch:ListMetrics"),
    (
        "cloudwatch",
        "DescribeAlarms",
        {"AlarmNames": ["a b"]},
        f"cloudwatch:DescribeAlarms on resource: arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:a b",
    ),
    (
        "sqs",
        "SendMessageBatch",
        {"QueueUrl": f"http://localhost:4566/{ACCOUNT}/q"},
        f"sqs:SendMessage on resource: arn:aws:sqs:us-east-1:{ACCOUNT}:q",
    ),
    (
        "sqs",
        "ReceiveMessage",
        {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/210987654321/q"},
        "sqs:ReceiveMessage on resource: arn:aws:sqs:us-east-1:210987654321:q",
    ),
    (
        "sns",
        "PublishBatch",
        {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:t"},
        f"sns:Publish on resource: arn:aws:sns:us-east-1:{ACCOUNT}:t",
    ),
]


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("sqs", "ListQueues", "AccessDenied", 403),
        ("sns", "ListTopics", "AuthorizationErrorException", 403),
        ("logs", "DescribeLogGroups", "AccessDeniedException", 400),
    ],
)
def test_a_refusal_has_its_services_code(ctx, service, operation, code, status):
    role = f"arn:aws:iam::{ACCOUNT}:role/none"
    with pytest.raises(AwsError) as caught:
        ctx.world.service_ctx(role).call(service, operation, {})
    assert (caught.value.code, caught.value.status) == (code, status)


@pytest.mark.parametrize(("service", "operation", "params", "told"), ASKED)
def test_a_refusal_names_action_and_resource(decide, service, operation, params, told):
    assert decide()(service, operation, params) == told


ADDED = [
    (
        "cloudwatch",
        "PutMetricAlarm",
        {"AlarmName": "a", "Tags": [{"Key": "k", "Value": "v"}]},
        "cloudwatch:TagResource",
    ),
    ("s3", "PutObject", {"Tagging": "a=b"}, "s3:PutObjectTagging"),
    ("s3", "PutObject", {"ACL": "bucket-owner-full-control"}, "s3:PutObjectAcl"),
    ("s3", "PutObject", {"GrantRead": "id=x"}, "s3:PutObjectAcl"),
    ("s3", "PutObject", {"ObjectLockMode": "GOVERNANCE"}, "s3:PutObjectRetention"),
    ("s3", "CreateMultipartUpload", {"Tagging": "a=b"}, "s3:PutObjectTagging"),
    ("s3", "CopyObject", {"CopySource": "c/k"}, "s3:GetObject"),
    ("s3", "CopyObject", {"CopySource": "c/k?versionId=null"}, "s3:GetObjectVersion"),
    (
        "s3",
        "CopyObject",
        {"CopySource": "c/k", "Tagging": "a=b", "TaggingDirective": "REPLACE"},
        "s3:PutObjectTagging",
    ),
    ("s3", "UploadPartCopy", {"CopySource": "c/k"}, "s3:GetObject"),
    ("s3", "GetObjectAttributes", {}, "s3:GetObject"),
    ("s3", "GetObjectAttributes", {}, "s3:GetObjectAttributes"),
    ("s3", "CreateBucket", {"ObjectOwnership": "ObjectWriter"}, "s3:PutBucketOwnershipControls"),
    ("s3", "CreateBucket", {"ACL": "public-read"}, "s3:PutBucketAcl"),
    (
        "s3",
        "CreateBucket",
        {"CreateBucketConfiguration": {"Tags": [{"Key": "a", "Value": "b"}]}},
        "s3:TagResource",
    ),
    ("sagemaker", "CreateModel", {"Tags": [{"Key": "a", "Value": "b"}]}, "sagemaker:AddTags"),
    ("sagemaker", "CreateModel", {"ExecutionRoleArn": "arn:aws:iam::1:role/r"}, "iam:PassRole"),
    ("logs", "CreateLogGroup", {"tags": {"a": "b"}}, "logs:TagResource"),
    ("iam", "CreateRole", {"Tags": [{"Key": "a", "Value": "b"}]}, "iam:TagRole"),
]
NAMES = {
    "cloudwatch": {},
    "s3": {"Bucket": "b", "Key": "k"},
    "sagemaker": {"ModelName": "m"},
    "logs": {"logGroupName": "g"},
    "iam": {"RoleName": "r"},
    "sts": {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"},
}


@pytest.mark.parametrize(("service", "operation", "more", "action"), ADDED)
def test_further_permissions_are_needed_where_the_request_asks_more(
    decide, service, operation, more, action
):
    params = {**NAMES[service], **more}
    assert decide(ALL)(service, operation, params) == ""
    assert decide(ALL, deny(action))(service, operation, params).startswith(action + " on")


@pytest.mark.parametrize(
    ("operation", "params", "action"),
    [
        ("PutObject", {}, "s3:PutObjectTagging"),
        ("PutObject", {"Tagging": ""}, "s3:PutObjectTagging"),
        ("CreateBucket", {"ACL": "private"}, "s3:PutBucketAcl"),
        ("CreateBucket", {"ObjectLockEnabledForBucket": False}, "s3:PutBucketVersioning"),
        ("CopyObject", {"CopySource": "c/k", "Tagging": "a=b"}, "s3:PutObjectTagging"),
    ],
)
def test_and_are_not_where_it_does_not(decide, operation, params, action):
    assert decide(ALL, deny(action))("s3", operation, {"Bucket": "b", "Key": "k", **params}) == ""


def test_an_endpoint_is_made_of_a_configuration_that_the_caller_may_use(decide):
    params = {"EndpointConfigName": "Secret", "EndpointName": "e"}
    answer = decide(statement("sagemaker:*"), deny("sagemaker:*", f"{SM}:endpoint-config/secret"))
    for operation in ("CreateEndpoint", "UpdateEndpoint"):
        assert answer("sagemaker", operation, params).endswith(":endpoint-config/secret")
        assert answer("sagemaker", operation, {**params, "EndpointConfigName": "other"}) == ""


def test_the_roles_of_all_definitions_are_passed(decide):
    role = f"arn:aws:iam::{ACCOUNT}:role/"
    answer = decide(statement("sagemaker:*"), statement("iam:PassRole", f"{role}mine*"))
    tuning = {"HyperParameterTuningJobName": "t"}
    mine, yours = {"RoleArn": f"{role}mine"}, {"RoleArn": f"{role}yours"}
    for definitions, good in [
        ({"TrainingJobDefinition": mine}, True),
        ({"TrainingJobDefinition": yours}, False),
        ({"TrainingJobDefinitions": [mine, yours]}, False),
        ({"TrainingJobDefinitions": [yours, mine]}, False),
        ({"TrainingJobDefinition": mine, "TrainingJobDefinitions": [yours]}, False),
        ({"TrainingJobDefinitions": [mine, {"RoleArn": f"{role}mine-too"}]}, True),
    ]:
        found = answer("sagemaker", "CreateHyperParameterTuningJob", {**tuning, **definitions})
        assert found == ("" if good else f"iam:PassRole on resource: {role}yours")


def test_a_role_is_passed_to_sagemaker_alone(decide):
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    params = {"ModelName": "m", "ExecutionRoleArn": "arn:aws:iam::1:role/r"}
    answer = decide(statement("sagemaker:*"), statement("iam:PassRole", Condition=to_lambda))
    assert answer("sagemaker", "CreateModel", params).startswith("iam:PassRole")


def test_a_role_is_one_role_however_its_path_is_spelt(ctx, decide):
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    ctx.call("iam", "CreateRole", {
        "RoleName": "Boss", "Path": "/deep/", "AssumeRolePolicyDocument": document(trust),
    })  # fmt: skip
    real = f"arn:aws:iam::{ACCOUNT}:role/deep/Boss"
    answer = decide(ALL, deny("*", real))
    for spelt in ("role/deep/Boss", "role/Boss", "role/other/path/Boss"):
        arn = f"arn:aws:iam::{ACCOUNT}:{spelt}"
        model = {"ModelName": "m", "ExecutionRoleArn": arn}
        for service, operation, params, action in [
            ("sagemaker", "CreateModel", model, "iam:PassRole"),
            ("iam", "SimulatePrincipalPolicy", {"PolicySourceArn": arn}, None),
            ("iam", "DeleteRole", {"RoleName": "Boss"}, None),
        ]:
            action = action or f"iam:{operation}"
            assert answer(service, operation, params) == f"{action} on resource: {real}"


@pytest.mark.parametrize(
    "arn",
    [
        f"{SM}:model/secret",
        f"{SM}:model/SECRET",
        f"{SM}:Model/Secret",
        f"arn:aws-cn:sagemaker:us-east-1:{ACCOUNT}:model/secret",
    ],
)
def test_an_arn_in_any_case_is_one_resource(decide, arn):
    answer = decide(ALL, deny("sagemaker:*", f"{SM}:model/secret"))
    for operation in ("AddTags", "ListTags", "DeleteTags"):
        assert answer("sagemaker", operation, {"ResourceArn": arn}).endswith(":model/secret")
    assert answer("sagemaker", "DescribeModel", {"ModelName": "Secret"}).endswith(":model/secret")


SPELT = [
    {"logGroupName": "secret"},
    {"logGroupIdentifier": "secret"},
    {"logGroupIdentifier": f"{LOGS}:log-group:secret"},
    {"logGroupIdentifier": f"{LOGS}:log-group:secret:*"},
    {"logGroupIdentifier": f"arn:aws-cn:logs:us-east-1:{ACCOUNT}:log-group:secret"},
    {"logGroupName": "open", "logGroupIdentifier": "secret"},
    {"logGroupName": "secret", "logGroupIdentifier": "open"},
]
DENIED = ["secret", "secret:*", "secret*", "sec*:log-stream:*"]


@pytest.mark.parametrize("pattern", DENIED)
def test_a_log_group_is_denied_by_either_of_its_arns(decide, pattern):
    answer = decide(ALL, deny("logs:*", f"{LOGS}:log-group:{pattern}"))
    for params in SPELT:
        for operation in ("FilterLogEvents", "DescribeLogStreams"):
            assert answer("logs", operation, params), (operation, params)
        assert answer("logs", "GetLogEvents", {**params, "logStreamName": "s"}), params
    assert answer("logs", "FilterLogEvents", {"logGroupIdentifier": "open"}) == ""
    named = {"logGroupIdentifiers": ["open", f"{LOGS}:log-group:secret"]}
    assert answer("logs", "DescribeLogGroups", named)
    assert answer("logs", "DescribeLogGroups", {}) == ""


def test_a_log_group_is_allowed_with_what_is_in_it(decide):
    plain = decide(statement("logs:*", f"{LOGS}:log-group:g"))
    assert plain("logs", "FilterLogEvents", {"logGroupName": "g"})  # as AWS: `:*` is wanting
    answer = decide(statement("logs:*", f"{LOGS}:log-group:g:*"))
    assert answer("logs", "FilterLogEvents", {"logGroupName": "g"}) == ""
    assert answer("logs", "PutLogEvents", {"logGroupName": "g", "logStreamName": "s"}) == ""
    assert answer("logs", "FilterLogEvents", {"logGroupName": "g2"})
    assert answer("logs", "DescribeLogGroups", {})
    everywhere = decide(statement("logs:DescribeLogGroups", f"{LOGS}:log-group:*"))
    assert everywhere("logs", "DescribeLogGroups", {}) == ""


def test_a_stream_is_denied_by_its_own_arn(decide):
    answer = decide(ALL, deny("logs:*", f"{LOGS}:log-group:g:log-stream:secret"))
    for operation in ("GetLogEvents", "PutLogEvents", "DeleteLogStream"):
        assert answer("logs", operation, {"logGroupName": "g", "logStreamName": "secret"})
        assert answer("logs", operation, {"logGroupName": "g", "logStreamName": "open"}) == ""


@pytest.mark.parametrize(
    "source",
    [
        "b/secret/x",
        "/b/secret/x",
        "b/%73ecret/x",
        "b%2Fsecret%2Fx",
        "%62/secret/x",
        "/b/secret/x?versionId=null",
        "b/s%65cret/x?versionId=abc",
        "b/secret/a+b",
    ],
)
def test_the_source_of_a_copy_is_what_the_copy_reads(decide, source):
    answer = decide(ALL, deny("s3:GetObject", "arn:aws:s3:::b/secret/*"))
    for operation in ("CopyObject", "UploadPartCopy"):
        params = {"Bucket": "b", "Key": "out", "CopySource": source}
        assert "arn:aws:s3:::b/secret/" in answer("s3", operation, params)


def test_other_objects_are_not_the_denied_one(decide):
    answer = decide(ALL, deny("s3:GetObject", "arn:aws:s3:::b/secret/*"))
    for source in ("b/%2573ecret/x", "//b/secret", "b//secret/x", "b/Secret/x"):
        params = {"Bucket": "b", "Key": "out", "CopySource": source}
        if source.startswith("//"):
            with pytest.raises(AwsError, match="Invalid copy source"):
                answer("s3", "CopyObject", params)
        else:
            assert answer("s3", "CopyObject", params) == ""
    point = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/p/object/secret/x"
    with pytest.raises(AwsError, match="access point"):
        answer("s3", "CopyObject", {"Bucket": "b", "Key": "out", "CopySource": point})


def test_versions_have_actions_of_their_own(decide):
    """There are no versions here: what is denied of an object is denied of its version `null`."""
    key = {"Bucket": "b", "Key": "k"}
    version = {**key, "VersionId": "null"}
    plain, versioned = "s3:GetObject", "s3:GetObjectVersion"
    assert decide(statement(versioned))("s3", "GetObject", version) == ""
    assert decide(statement(plain))("s3", "GetObject", version).startswith(versioned)
    assert decide(statement(versioned))("s3", "GetObject", key).startswith(plain)
    assert decide(ALL, deny(plain))("s3", "HeadObject", version)
    assert decide(ALL, deny(versioned))("s3", "GetObject", version)
    assert decide(ALL, deny(versioned))("s3", "GetObject", key) == ""
    batch = {
        "Bucket": "b",
        "Delete": {"Objects": [{"Key": "1"}, {"Key": "k", "VersionId": "null"}]},
    }
    for denied in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
        assert decide(ALL, deny(denied, "arn:aws:s3:::b/k"))("s3", "DeleteObjects", batch)
        assert decide(ALL, deny(denied, "arn:aws:s3:::b/k"))("s3", "DeleteObject", key)
        assert decide(ALL, deny(denied, "arn:aws:s3:::b/k"))("s3", "DeleteObject", version)
    only = {"StringEquals": {"s3:VersionId": "null"}}
    assert decide(statement("s3:*", Condition=only))("s3", "GetObject", version) == ""
    assert decide(statement("s3:*", Condition=only))("s3", "GetObject", key)
