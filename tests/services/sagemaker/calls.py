"""Calls of operations and what they answer, for tests that compare errors."""

from __future__ import annotations

import pytest

from sagebrush.errors import AwsError, Doc
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker.stand import Stand

BASE = "arn:aws:sagemaker:us-east-1:123456789012"

Call = tuple[str, str, Doc]
"""(service, operation, parameters)."""


def refusal(stand: Stand, call: Call) -> tuple[str, str]:
    """(code, message) of the error that the call answers."""
    with pytest.raises(AwsError) as caught:
        stand.ctx.call(*call)
    assert 400 <= caught.value.status < 500
    return caught.value.code, caught.value.message


def job(name: str) -> Doc:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://models/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def processing(name: str) -> Doc:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": name,
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
        "RoleArn": ROLE,
    }
