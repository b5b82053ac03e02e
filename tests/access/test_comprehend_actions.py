"""Which actions and resources Comprehend's requests are decided by, those of jobs and custom models too."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.store.rows import Row
from sagebrush.world import Ctx
from tests.access.roles import ACCOUNT, deny, statement

ARN = f"arn:aws:comprehend:us-east-1:{ACCOUNT}:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reads"
ALL = statement("*")
TAGS = {"Tags": [{"Key": "k", "Value": "v"}]}
VERSION = "version/v1"

ASKED = [
    ("DetectSentiment", {"Text": "x"}, "DetectSentiment"),
    ("DetectEntities", {"Text": "x"}, "DetectEntities"),
    (
        "DetectEntities",
        {"EndpointArn": f"{ARN}entity-recognizer-endpoint/e"},
        f"DetectEntities on resource: {ARN}entity-recognizer-endpoint/e",
    ),
    (
        "ClassifyDocument",
        {"EndpointArn": f"{ARN}document-classifier-endpoint/e"},
        f"ClassifyDocument on resource: {ARN}document-classifier-endpoint/e",
    ),
    (
        "StartEntitiesDetectionJob",
        {"JobName": "j"},
        f"StartEntitiesDetectionJob on resource: {ARN}entities-detection-job/*",
    ),
    (
        "DescribeTopicsDetectionJob",
        {"JobId": "ab"},
        f"DescribeTopicsDetectionJob on resource: {ARN}topics-detection-job/ab",
    ),
    (
        "StopPiiEntitiesDetectionJob",
        {"JobId": "ab"},
        f"StopPiiEntitiesDetectionJob on resource: {ARN}pii-entities-detection-job/ab",
    ),
    ("ListEntityRecognizers", {}, "ListEntityRecognizers"),
    (
        "CreateDocumentClassifier",
        {"DocumentClassifierName": "c"},
        f"CreateDocumentClassifier on resource: {ARN}document-classifier/c",
    ),
    (
        "CreateEntityRecognizer",
        {"RecognizerName": "r", "VersionName": "v1"},
        f"CreateEntityRecognizer on resource: {ARN}entity-recognizer/r/{VERSION}",
    ),
    (
        "ImportModel",
        {
            "SourceModelArn": f"arn:aws:comprehend:us-east-1:210987654321:entity-recognizer/r/{VERSION}"
        },
        "ImportModel on resource: arn:aws:comprehend:us-east-1:210987654321:entity-recognizer/r/"
        + VERSION,
    ),
    (
        "CreateEndpoint",
        {"EndpointName": "e", "ModelArn": f"{ARN}entity-recognizer/r"},
        f"CreateEndpoint on resource: {ARN}entity-recognizer-endpoint/e",
    ),
    (
        "CreateEndpoint",
        {"EndpointName": "e", "ModelArn": f"{ARN}document-classifier/c"},
        f"CreateEndpoint on resource: {ARN}document-classifier-endpoint/e",
    ),
    (
        "DeleteEndpoint",
        {"EndpointArn": f"{ARN}entity-recognizer-endpoint/e"},
        f"DeleteEndpoint on resource: {ARN}entity-recognizer-endpoint/e",
    ),
    (
        "PutResourcePolicy",
        {"ResourceArn": f"{ARN}document-classifier/c/{VERSION}"},
        f"PutResourcePolicy on resource: {ARN}document-classifier/c/{VERSION}",
    ),
    (
        "DescribeDataset",
        {"DatasetArn": f"{ARN}flywheel/f/dataset/d"},
        f"DescribeDataset on resource: {ARN}flywheel/f/dataset/d",
    ),
    (
        "TagResource",
        {"ResourceArn": f"{ARN}events-detection-job/ab", **TAGS},
        f"TagResource on resource: {ARN}events-detection-job/ab",
    ),
]


@pytest.mark.parametrize(("operation", "params", "told"), ASKED)
def test_a_refusal_names_action_and_resource(decide: Any, operation: str, params: Any, told: str):
    assert decide()("comprehend", operation, params) == f"comprehend:{told}"


ADDED = [
    ("StartSentimentDetectionJob", {"DataAccessRoleArn": ROLE}, "iam:PassRole"),
    ("StartSentimentDetectionJob", TAGS, "comprehend:TagResource"),
    ("CreateFlywheel", {"FlywheelName": "f", "DataAccessRoleArn": ROLE}, "iam:PassRole"),
    ("CreateFlywheel", {"FlywheelName": "f", **TAGS}, "comprehend:TagResource"),
    ("CreateEntityRecognizer", {"RecognizerName": "r", **TAGS}, "comprehend:TagResource"),
    (
        "UpdateEndpoint",
        {"EndpointArn": f"{ARN}entity-recognizer-endpoint/e", "DesiredDataAccessRoleArn": ROLE},
        "iam:PassRole",
    ),
    ("CreateDataset", {"FlywheelArn": f"{ARN}flywheel/f", "DatasetName": "d", **TAGS},
     "comprehend:TagResource"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "params", "action"), ADDED)
def test_roles_are_passed_and_tags_are_allowed(
    decide: Any, operation: str, params: Any, action: str
):
    assert decide(ALL)("comprehend", operation, params) == ""
    told = decide(ALL, deny(action))("comprehend", operation, params)
    assert told.startswith(f"{action} on resource: ")


def test_a_role_is_passed_to_comprehend_alone(decide: Any):
    to = {"StringEquals": {"iam:PassedToService": "comprehend.amazonaws.com"}}
    other = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    params = {"DataAccessRoleArn": ROLE}
    may = statement("comprehend:*")
    for condition, allowed in ((to, True), (other, False)):
        answer = decide(may, statement("iam:PassRole", ROLE, Condition=condition))
        told = answer("comprehend", "StartTopicsDetectionJob", params)
        assert (told == "") == allowed


def test_a_jobs_models_need_the_action_too(decide: Any):
    secret = f"{ARN}entity-recognizer/secret"
    answer = decide(statement("comprehend:*"), deny("comprehend:*", secret))
    start = "StartEntitiesDetectionJob"
    assert answer("comprehend", start, {"EntityRecognizerArn": secret}).endswith(secret)
    assert answer("comprehend", start, {"EntityRecognizerArn": f"{secret}-not"}) == ""
    wheel = f"{ARN}flywheel/f"
    answer = decide(statement("comprehend:*"), deny("comprehend:*", wheel))
    assert answer("comprehend", start, {"FlywheelArn": wheel}).endswith(wheel)


KEYS = [
    ("CreateDocumentClassifier", {"ModelKmsKeyId": "k"}, "comprehend:ModelKmsKey"),
    ("CreateDocumentClassifier", {"VolumeKmsKeyId": "k"}, "comprehend:VolumeKmsKey"),
    (
        "StartTopicsDetectionJob",
        {"OutputDataConfig": {"S3Uri": "s3://b", "KmsKeyId": "k"}},
        "comprehend:OutputKmsKey",
    ),
    (
        "CreateFlywheel",
        {"FlywheelName": "f", "DataSecurityConfig": {"DataLakeKmsKeyId": "k"}},
        "comprehend:DataLakeKmsKey",
    ),
    (
        "DescribeFlywheelIteration",
        {"FlywheelArn": f"{ARN}flywheel/f", "FlywheelIterationId": "k"},
        "comprehend:FlywheelIterationId",
    ),
]


@pytest.mark.parametrize(("operation", "params", "key"), KEYS)
def test_conditions_see_keys(decide: Any, operation: str, params: Any, key: str):
    params = {"DocumentClassifierName": "c", **params}
    for value, allowed in (("k", True), ("other", False)):
        condition = {"StringEquals": {key: value}}
        answer = decide(statement("comprehend:*", Condition=condition))
        assert (answer("comprehend", operation, params) == "") == allowed


def test_conditions_see_the_network(decide: Any):
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}
    inside = {"ForAllValues:StringEquals": {"comprehend:VpcSubnets": ["subnet-1", "subnet-2"]}}
    answer = decide(statement("comprehend:*", Condition=inside))
    start = "StartKeyPhrasesDetectionJob"
    assert answer("comprehend", start, {"VpcConfig": vpc}) == ""
    elsewhere = {**vpc, "Subnets": ["subnet-3"]}
    assert answer("comprehend", start, {"VpcConfig": elsewhere}) != ""


def tagged(ctx: Ctx, kind: str, name: str, **doc: Any) -> None:
    """There is such a resource with the tag `team` `blue`."""
    plan = {"tags": {"team": "blue"}}
    ctx.world.rows.insert(Row(ctx.account, ctx.region, kind, name, "", doc, plan))


@pytest.mark.parametrize(
    ("kind", "name", "operation", "member"),
    [
        ("entity-recognizer", "r/version/v1", "DeleteEntityRecognizer", "EntityRecognizerArn"),
        ("flywheel", "f", "DeleteFlywheel", "FlywheelArn"),
    ],
)
def test_tags_of_resources_decide(
    ctx: Ctx, decide: Any, kind: str, name: str, operation: str, member: str
):
    tagged(ctx, kind, name)
    blue = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    answer = decide(statement("comprehend:*", Condition=blue))
    assert answer("comprehend", operation, {member: f"{ARN}{kind}/{name}"}) == ""
    assert answer("comprehend", operation, {member: f"{ARN}{kind}/other"}) != ""
    foreign = f"arn:aws:comprehend:us-east-1:210987654321:{kind}/{name}"
    assert answer("comprehend", operation, {member: foreign}) != ""


def test_the_tags_of_a_data_set_are_its_own(ctx: Ctx, decide: Any):
    tagged(ctx, "flywheel-dataset", "f/dataset/d")
    blue = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    answer = decide(statement("comprehend:*", Condition=blue))
    arn = f"{ARN}flywheel/f/dataset/"
    assert answer("comprehend", "DescribeDataset", {"DatasetArn": f"{arn}d"}) == ""
    assert answer("comprehend", "DescribeDataset", {"DatasetArn": f"{arn}e"}) != ""


@pytest.mark.parametrize(
    ("model", "kind"),
    [("ENTITY_RECOGNIZER", "entity-recognizer"), ("DOCUMENT_CLASSIFIER", "document-classifier")],
)
def test_a_flywheels_endpoint_is_of_its_models_type(ctx: Ctx, decide: Any, model: str, kind: str):
    tagged(ctx, "flywheel", f"of-{kind}", ModelType=model)
    params = {"EndpointName": "e", "FlywheelArn": f"{ARN}flywheel/of-{kind}"}
    told = decide()("comprehend", "CreateEndpoint", params)
    assert told == f"comprehend:CreateEndpoint on resource: {ARN}{kind}-endpoint/e"
