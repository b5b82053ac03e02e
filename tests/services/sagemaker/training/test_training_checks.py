"""What CreateTrainingJob refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from tests.services.sagemaker.jobworld import IMAGE, JobWorld, channel, of_group, resources

TRAIN = channel("train", "s3://bucket/in/")
AUGMENTED = channel("train", "s3://bucket/in/", "AugmentedManifestFile")
WITH_ATTRIBUTES = channel("train", "s3://bucket/in/")
WITH_ATTRIBUTES["DataSource"]["S3DataSource"]["AttributeNames"] = ["line"]


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobWorld]:
    found = JobWorld(tmp_path)
    found.s3.buckets["bucket"]["in/a.txt"] = b"a"
    yield found
    found.db.close()


def algorithm(**changes: Any) -> Doc:
    return {"TrainingImage": IMAGE, "TrainingInputMode": "File", **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RoleArn": "arn:aws:iam::123456789012:user/somebody"}, "not the ARN of a role"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/Missing"}, "Could not assume role"),
        ({"RoleArn": "arn:aws:iam::999999999999:role/Any"}, "Cross-account pass role"),
        ({"AlgorithmSpecification": algorithm(TrainingImage="scikit-lern:1")}, "nearest name is"),
        ({"AlgorithmSpecification": algorithm(TrainingImage="comprehend")}, "trains none"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "exactly one of TrainingImage"),
        ({"AlgorithmSpecification": algorithm(AlgorithmName="a")}, "exactly one of TrainingImage"),
        (
            {"AlgorithmSpecification": {"AlgorithmName": "mine", "TrainingInputMode": "File"}},
            "AlgorithmName mine",
        ),
        (
            {"AlgorithmSpecification": algorithm(MetricDefinitions=[{"Name": "m", "Regex": "(["}])},
            "invalid regular expression for m",
        ),
        (
            {"InputDataConfig": [{**TRAIN, "InputMode": "FastFile", "CompressionType": "Gzip"}]},
            "CompressionType Gzip is used only in Pipe input mode; in FastFile mode leave it",
        ),
        (
            {"InputDataConfig": [AUGMENTED]},
            "AugmentedManifestFile can only be used if the channel's input mode is Pipe",
        ),
        (
            {"InputDataConfig": [{**AUGMENTED, "InputMode": "FastFile"}]},
            "input mode is Pipe, not FastFile",
        ),
        (
            {"InputDataConfig": [{**AUGMENTED, "InputMode": "Pipe"}]},
            "AttributeNames must be given",
        ),
        (
            {"InputDataConfig": [WITH_ATTRIBUTES]},
            "AttributeNames can only be given with S3DataType AugmentedManifestFile, not S3Prefix",
        ),
        ({"InputDataConfig": [TRAIN, TRAIN]}, "unique: train is there twice"),
        ({"InputDataConfig": [channel("..", "s3://bucket/in/")]}, "cannot be a channel's name"),
        (
            {"InputDataConfig": [channel("train", "s3://bucket/none/")]},
            'No S3 objects found under S3 URL "s3://bucket/none/"',
        ),
        (
            {"InputDataConfig": [channel("train", "s3://missing/in/")]},
            'permissions on bucket "missing"',
        ),
        (
            {"InputDataConfig": [{"ChannelName": "t", "DataSource": {"FileSystemDataSource": {}}}]},
            "FileSystemDataSource is not supported",
        ),
        ({"InputDataConfig": [{"ChannelName": "t", "DataSource": {}}]}, "names no source of data"),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://missing/out"}},
            "output path s3://missing/out",
        ),
        ({"ResourceConfig": resources(InstanceType="ml.m5.huge")}, "enum value set"),
        ({"ResourceConfig": resources(InstanceCount=0)}, "at least 1"),
        ({"ResourceConfig": resources(InstanceCount=255)}, "255 instances: in Sagebrush a job has"),
        ({"ResourceConfig": resources(InstanceType=None)}, "either InstanceType"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 28 * 86400 + 1}}, "more than 28 days"),
        (
            {"EnableManagedSpotTraining": True},
            "Invalid MaxWaitTimeInSeconds",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/../../etc"}},
            "beneath /opt/ml",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://missing/c"}},
            "CheckpointConfig: the S3 bucket of the output path s3://missing/c",
        ),
        (
            {"TensorBoardOutputConfig": {"S3OutputPath": "s3://missing/t"}},
            "TensorBoardOutputConfig: the S3 bucket",
        ),
        (
            {"DebugHookConfig": {"S3OutputPath": "s3://bucket/t", "LocalPath": "/tmp"}},
            "DebugHookConfig: LocalPath /tmp must be",
        ),
        ({"InputDataConfig": [{**TRAIN, "CompressionType": "Gzip"}]}, "only in Pipe input mode"),
        ({"InputDataConfig": [{**TRAIN, "RecordWrapperType": "RecordIO"}]}, "only in Pipe input"),
        (
            {"InputDataConfig": [channel("train", "s3://bucket/in/", "Converse")]},
            "Converse is not supported",
        ),
        ({"InputDataConfig": [of_group("other")]}, "InstanceGroupNames names other"),
        (
            {"ResourceConfig": resources(TrainingPlanArn="arn")},
            "ResourceConfig.TrainingPlanArn: training plans are not supported",
        ),
        (
            {"ResourceConfig": resources(InstanceType=None, InstancePreferences=[])},
            "ResourceConfig.InstancePreferences",
        ),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "unique"),
    ],
)
def test_wrong_requests_are_refused_and_leave_nothing(
    jobs: JobWorld, changes: Doc, words: str
) -> None:
    with pytest.raises(AwsError) as caught:
        jobs.create(**changes)
    assert words in caught.value.message
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    assert jobs.rows.select("training-job") == []
