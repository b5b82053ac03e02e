"""Constraints in AWS's words."""

from __future__ import annotations

import re
import time
from itertools import product
from typing import Any

import pytest

from sagebrush.aws import models
from sagebrush.aws.check import MOST_MATCHED, check, longest_matched
from sagebrush.aws.patterns import LINEAR, compiled
from sagebrush.errors import AwsError
from sagebrush.store.spool import Spooled
from tests.protocol.samples import sample

JOB = {
    "TrainingJobName": "job-1",
    "RoleArn": "arn:aws:iam::123456789012:role/SagebrushExecutionRole",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "AlgorithmSpecification": {"TrainingInputMode": "File"},
}


def refusal(service: str, name: str, params: dict[str, Any]) -> AwsError:
    op: Any = models.operation(service, name)
    with pytest.raises(AwsError) as caught:
        check(op, params)
    assert caught.value.status == 400
    return caught.value


def told(changes: dict[str, Any]) -> str:
    """What is said of a CreateTrainingJob request with `changes`, after the count."""
    error = refusal("sagemaker", "CreateTrainingJob", JOB | changes)
    assert error.code == "ValidationException"
    return error.message.partition(": ")[2]


def test_a_right_request_passes() -> None:
    op: Any = models.operation("sagemaker", "CreateTrainingJob")
    check(op, JOB)


def test_one_error_is_singular_and_several_are_plural() -> None:
    message = refusal("sagemaker", "ListTrainingJobs", {"MaxResults": 0}).message
    assert message == (
        "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    )
    params = {"MaxResults": 101, "NameContains": "a b"}
    message = refusal("sagemaker", "ListTrainingJobs", params).message
    assert message == (
        "2 validation errors detected: Value '101' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 100; "
        "Value 'a b' at 'nameContains' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9\\-]+"
    )


def test_missing_members() -> None:
    assert told({"RoleArn": None}) == (
        "Value null at 'roleArn' failed to satisfy constraint: Member must not be null"
    )
    assert (
        told({"ResourceConfig": {}, "OutputDataConfig": {}}).count("Member must not be null") >= 1
    )
    assert "'outputDataConfig.s3OutputPath'" in told({"OutputDataConfig": {}})


def test_a_queue_service_names_the_first_member_that_is_missing() -> None:
    """Recorded: localstack test_task_service_sqs, `test_send_message_empty_body`."""
    error = refusal("sqs", "SendMessage", {"QueueUrl": "u"})
    assert error.code == "MissingParameter"
    assert error.message == "The request must contain the parameter MessageBody."


def test_patterns_match_the_whole_value() -> None:
    assert told({"TrainingJobName": "job-1\n"}).endswith(
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )
    assert "Value '-job' at 'trainingJobName'" in told({"TrainingJobName": "-job"})
    assert "Value 'jöb' at 'trainingJobName'" in told({"TrainingJobName": "jöb"})


def test_enums_name_their_values() -> None:
    found = told({"AlgorithmSpecification": {"TrainingInputMode": "Tape"}})
    assert found == (
        "Value 'Tape' at 'algorithmSpecification.trainingInputMode' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Pipe, File, FastFile]"
    )


def test_lists_of_structures_and_of_scalars_have_their_own_paths() -> None:
    found = told({"Tags": [{"Key": "a", "Value": ""}, {"Key": "", "Value": "x"}]})
    assert found == (
        "Value '' at 'tags.2.member.key' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
    found = told({"VpcConfig": {"SecurityGroupIds": ["a b", "c"], "Subnets": ["s"]}})
    assert found == (
        "Value '[a b, c]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 32, "
        "Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]"
    )
    assert "Value '[]' at 'vpcConfig.subnets'" in told(
        {"VpcConfig": {"SecurityGroupIds": ["a"], "Subnets": []}}
    )


def test_maps_name_keys_and_values() -> None:
    assert "Map keys must satisfy constraint: [" in told({"HyperParameters": {"k" * 257: "v"}})
    assert told({"HyperParameters": {"k": "v" * 2501}}).endswith(
        "Map value must satisfy constraint: [Member must have length less than or equal to 2500, "
        "Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: .*]"
    )
    assert "{'k'" not in told({"HyperParameters": {"k": "a\nb"}})


def test_limits_of_floating_point_numbers_are_written_as_java_writes_them() -> None:
    variant = {"VariantName": "v", "ModelName": "m", "InitialVariantWeight": -1.5}
    params = {"EndpointConfigName": "c", "ProductionVariants": [variant]}
    assert refusal("sagemaker", "CreateEndpointConfig", params).message.endswith(
        "Value '-1.5' at 'productionVariants.1.member.initialVariantWeight' failed to satisfy "
        "constraint: Member must have value greater than or equal to 0.0"
    )


def test_length_is_counted_in_utf_16_units_and_bytes() -> None:
    tags: Any = {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"}
    op: Any = models.operation("sagemaker", "AddTags")
    check(op, tags | {"Tags": [{"Key": "é" * 128, "Value": "x"}]})
    error = refusal("sagemaker", "AddTags", tags | {"Tags": [{"Key": "𐐷" * 65, "Value": "x"}]})
    assert "less than or equal to 128" in error.message
    params = {"EndpointName": "e", "Body": Spooled(7 << 20, "")}
    invoke: Any = models.operation("sagemaker-runtime", "InvokeEndpoint")
    limit = invoke.input_shape.members["Body"].metadata["max"]
    check(invoke, params | {"Body": b"x" * limit})
    error = refusal("sagemaker-runtime", "InvokeEndpoint", params | {"Body": b"x" * (limit + 1)})
    assert "at 'body' failed" in error.message
    assert "xxxx" not in error.message


def test_services_have_codes_of_their_own() -> None:
    assert refusal("iam", "CreateRole", {"RoleName": "a b"}).code == "ValidationError"
    assert refusal("sts", "AssumeRole", {}).code == "ValidationError"
    name = {"logGroupName": "a b"}
    assert refusal("logs", "CreateLogGroup", name).code == "InvalidParameterException"
    endpoint = {"EndpointName": "a b", "Body": b""}
    assert refusal("sagemaker-runtime", "InvokeEndpoint", endpoint).code == "ValidationError"
    assert refusal("stepfunctions", "CreateStateMachine", {}).code == "ValidationException"


def test_s3_keeps_to_its_own_words() -> None:
    params: dict[str, Any] = {"Bucket": "b", "Key": "k"}
    bad = params | {"Tagging": {"TagSet": [{"Key": "a"}]}}
    assert refusal("s3", "PutObjectTagging", bad).code == "MalformedXML"
    assert refusal("s3", "PutObjectTagging", params).code == "MissingRequestBodyError"
    assert refusal("s3", "GetObjectAttributes", params).code == "InvalidRequest"
    assert refusal("s3", "PutObject", params | {"ACL": "no-such-acl"}).code == "InvalidArgument"
    put: Any = models.operation("s3", "PutObject")
    check(put, params | {"ACL": "private", "ChecksumAlgorithm": "crc32"})
    begin = params | {"ChecksumAlgorithm": "MD4"}
    assert refusal("s3", "CreateMultipartUpload", begin).code == "InvalidRequest"
    asked = params | {"ObjectAttributes": ["ETag", "Nothing"]}
    assert refusal("s3", "GetObjectAttributes", asked).code == "InvalidArgument"


def test_a_huge_value_is_not_echoed_whole_nor_slow_to_match() -> None:
    message = told({"TrainingJobName": "a" + "-" * 1_000_000})
    assert "less than or equal to 63" in message
    assert len(message) < 5_000


@pytest.mark.costs("builds a value for every constraint of a service")
@pytest.mark.parametrize("service", models.SERVICES)
def test_every_constraint_can_be_checked(service: str) -> None:
    """Filled samples break many patterns; every answer is a list of them, never a fault."""
    if service == "s3":
        return
    told = []
    for name in models.names(service):
        op: Any = models.operation(service, name)
        try:
            check(op, sample(op.input_shape, True) if op.input_shape else {})
        except AwsError as error:
            told.append(error.message)
    assert [message for message in told if " validation error" not in message] == []
    assert told or service in ("sagemaker-metrics", "sqs"), "these have no constraints"


UNTRANSLATED = {
    r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}",
    r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,256}",
}
"""Patterns that Python cannot express: a counted end of line. They are not checked."""


def test_every_pattern_but_two_is_checked() -> None:
    skipped, total = set(), 0
    for service in models.SERVICES:
        model: Any = models.model(service)
        for name in model.shape_names:
            pattern = model.shape_for(name).metadata.get("pattern")
            if pattern:
                total += 1
                if compiled(pattern) is None:
                    skipped.add(pattern)
    assert total > 800
    assert skipped == UNTRANSLATED


UNITS = ("a", "-", "a-", "a.", "1", "/", "a/", "_", "A ", ".", ":")
STARTS = ("", "arn:aws:sagemaker:us-east-1:123456789012:", "s3://", "https://", "a")


@pytest.mark.costs("tries every pattern of a service")
@pytest.mark.parametrize("service", [s for s in models.SERVICES if s != "s3"])
def test_no_value_makes_a_pattern_hang(service: str) -> None:
    """Repetitions that nearly match, as long as `check` looks at: each within half a second."""
    longest: dict[str, int] = {}
    model: Any = models.model(service)
    for name in model.shape_names:
        metadata = model.shape_for(name).metadata
        if "pattern" in metadata:
            size = longest_matched(metadata.get("max", MOST_MATCHED))
            longest[metadata["pattern"]] = max(size, longest.get(metadata["pattern"], 0))
    slow = {}
    for pattern, size in longest.items():
        regex = compiled(pattern)
        for start, unit in product(STARTS, UNITS) if regex else ():
            value = (start + unit * size)[: size - 2] + "\n!"
            begun = time.process_time()
            assert regex is not None
            regex.fullmatch(value)
            if (spent := time.process_time() - begun) > 0.5:
                slow[pattern] = spent
                break
    assert slow == {}


@pytest.mark.parametrize("pattern", LINEAR)
def test_a_rewritten_pattern_matches_the_same(pattern: str) -> None:
    theirs = re.compile(pattern, re.ASCII)
    ours = compiled(pattern)
    assert ours is not None
    start = "https://" if pattern.startswith("https") else ""
    for alphabet in ("a./-A", "a-A0", " \ta:\n", "a*./A"):
        values = [start + "".join(t) for n in range(6) for t in product(alphabet, repeat=n)]
        assert [v for v in values if bool(ours.fullmatch(v)) != bool(theirs.fullmatch(v))] == []


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", ["", "naïve 日本 1", "a_b@c"], ["a,b", "a\tb", "😀"]),
        (r"[\p{Alnum}\-]+", ["aZ9-"], ["é", "_"]),
        (r"\p{ASCII}*", ["a\x00~"], ["é"]),
        (r"^\P{C}*$", ["é x"], ["a\x00", "a\n"]),
        (r"[\w-_]*", ["a-_"], ["é", "."]),
        (r".*", ["any thing"], ["two\nlines", "two\rlines", "two\u2028lines"]),
        (r"\A\S[\p{Print}]*\z", ["a b"], [" a", "a\n", ""]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a😀\t"], ["\x00"]),
        (r"(?<first>a)b", ["ab"], ["b"]),
    ],
)
def test_java_patterns_mean_what_they_mean_in_java(
    pattern: str, fits: list[str], fails: list[str]
) -> None:
    regex = compiled(pattern)
    assert regex is not None
    assert [x for x in fits if not regex.fullmatch(x)] == []
    assert [x for x in fails if regex.fullmatch(x)] == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_are_finite(value: float) -> None:
    desired = [{"VariantName": "v", "DesiredWeight": value}]
    params = {"EndpointName": "e", "DesiredWeightsAndCapacities": desired}
    message = refusal("sagemaker", "UpdateEndpointWeightsAndCapacities", params).message
    assert "desiredWeightsAndCapacities.1.member.desiredWeight" in message
    assert "Member must be a finite number" in message
    step = {"MetricIntervalLowerBound": value, "ScalingAdjustment": 1}
    params = {
        "PolicyName": "p",
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/v",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "StepScalingPolicyConfiguration": {"StepAdjustments": [step]},
    }
    message = refusal("application-autoscaling", "PutScalingPolicy", params).message
    assert "Member must be a finite number" in message
