"""Which of several errors is told: of the request itself, its name, what it names, state, quotas."""

from __future__ import annotations

from typing import Any

from sagebrush.compute.host import Host
from sagebrush.errors import Doc
from tests.services.sagemaker.calls import Call, job, refusal
from tests.services.sagemaker.hosting.test_model import IMAGE
from tests.services.sagemaker.stand import Stand

NOTEBOOK = {"NotebookInstanceName": "nb"}
HUGE = {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
NOBODY = "arn:aws:iam::999999999999:role/nobody"
ELSEWHERE = {"S3OutputPath": "s3://no-such-bucket/out"}
TWICE = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
LONG = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}


def changed(name: str, **more: Any) -> Doc:
    return {**job(name), **more}


def endpoint_config(name: str, model: str, **more: Any) -> Doc:
    variant = {"VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    variants = [{**variant, "ModelName": model, **more}]
    return {"EndpointConfigName": name, "ProductionVariants": variants}


ORDER: dict[str, tuple[Call, str, str]] = {
    "a malformed name before one that is not there": (
        ("sagemaker", "DescribeEndpoint", {"EndpointName": "not_a_name"}),
        "ValidationException",
        "1 validation error detected: Value 'not_a_name' at 'endpointName' failed to satisfy",
    ),
    "what is wrong by itself before a name that is taken": (
        ("sagemaker", "CreateTrainingJob", changed("runs", StoppingCondition=LONG)),
        "ValidationException",
        "MaxWaitTimeInSeconds",
    ),
    "tags before a name that is taken": (
        ("sagemaker", "CreateTrainingJob", changed("runs", Tags=TWICE)),
        "ValidationException",
        "Tag keys must be unique",
    ),
    "a name that is taken before a role": (
        ("sagemaker", "CreateTrainingJob", changed("runs", RoleArn=NOBODY)),
        "ResourceInUse",
        "Training job names must be unique",
    ),
    "a role before what would be read and written as it": (
        (
            "sagemaker",
            "CreateTrainingJob",
            changed("new", RoleArn=NOBODY, OutputDataConfig=ELSEWHERE),
        ),
        "ValidationException",
        "Cross-account pass role is not allowed",
    ),
    "a bucket before what the host does not have": (
        (
            "sagemaker",
            "CreateTrainingJob",
            changed("new", OutputDataConfig=ELSEWHERE, ResourceConfig=HUGE),
        ),
        "ValidationException",
        "OutputDataConfig: the S3 bucket",
    ),
    "what the host does not have last": (
        ("sagemaker", "CreateTrainingJob", changed("new", ResourceConfig=HUGE)),
        "ResourceLimitExceeded",
        "CapacityError",
    ),
    "a configuration before an endpoint that exists": (
        ("sagemaker", "CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "none"}),
        "ValidationException",
        "Could not find endpoint configuration",
    ),
    "an endpoint before its configuration": (
        ("sagemaker", "UpdateEndpoint", {"EndpointName": "none", "EndpointConfigName": "none"}),
        "ValidationException",
        'Could not find endpoint "',
    ),
    "a configuration that exists before its model": (
        ("sagemaker", "CreateEndpointConfig", endpoint_config("c-m", "none")),
        "ValidationException",
        "Cannot create already existing endpoint configuration",
    ),
    "a variant that is none before a configuration that exists": (
        (
            "sagemaker",
            "CreateEndpointConfig",
            endpoint_config("c-m", "none", CoreDumpConfig={"DestinationS3Uri": "s3://a/b"}),
        ),
        "ValidationException",
        "Sagebrush does not support core dumps",
    ),
    "a model that exists before its data": (
        (
            "sagemaker",
            "CreateModel",
            {
                "ModelName": "m",
                "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://models/none.tar.gz"},
            },
        ),
        "ValidationException",
        "Cannot create already existing model",
    ),
    "an instance that is not there before its role": (
        ("sagemaker", "UpdateNotebookInstance", {**NOTEBOOK, "RoleArn": NOBODY}),
        "ValidationException",
        "RecordNotFound",
    ),
}


def test_of_several_errors_the_first_is_told(stand: Stand) -> None:
    world = stand.app.world
    world.host = Host(4, 8 << 30)
    stand.create()
    stand.sm("CreateTrainingJob", **job("runs"))
    told = {case: refusal(stand, call) for case, (call, _, _) in ORDER.items()}
    wrong = {
        case: found
        for case, found in told.items()
        if found[0] != ORDER[case][1] or ORDER[case][2] not in found[1]
    }
    assert not wrong
