"""Training jobs in three regions of one server, through boto3: each region has its own."""

from __future__ import annotations

import io
import sys
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.services.sagemaker.liveserver import own
from tests.services.sagemaker.training.test_training_live import ended, request

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
GROUP = "/aws/sagemaker/TrainingJobs"
SAY = "echo loss=0.25; echo at $AWS_REGION $AWS_DEFAULT_REGION; env > /opt/ml/model/env"
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def at(server: Server) -> Client:
    """`at(region, service)`: a client; each region has a bucket `jobs-REGION` with `in/words`."""
    own(server.app)
    for region in REGIONS:
        s3, name = server.client("s3", region_name=region), f"jobs-{region}"
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
        s3.put_object(Bucket=name, Key="in/words", Body=region.encode())
    return lambda region, service: server.client(service, region_name=region)


def asked(name: str, region: str, shell: str = SAY, **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://jobs-{region}/in/"}
    given = {
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://jobs-{region}/out"},
    }
    return request(name, shell, **{**given, **changes})


@pytest.fixture(scope="module")
def done(at: Client) -> dict[str, dict[str, Any]]:
    """The job `same`, which has ended in each region."""
    for region in REGIONS:
        at(region, "sagemaker").create_training_job(**asked("same", region))
    return {region: ended(at(region, "sagemaker"), "same") for region in REGIONS}


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_has_a_job_of_its_own(
    at: Client, done: dict[str, dict[str, Any]], region: str
) -> None:
    job = done[region]
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobArn"] == f"arn:aws:sagemaker:{region}:123456789012:training-job/same"
    found = at(region, "sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert [each["TrainingJobArn"] for each in found] == [job["TrainingJobArn"]]
    key = "out/same/output/model.tar.gz"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://jobs-{region}/{key}"
    assert at(region, "s3").head_object(Bucket=f"jobs-{region}", Key=key)

    logs = at(region, "logs")
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["arn"].startswith(f"arn:aws:logs:{region}:")
    (stream,) = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    events = logs.get_log_events(
        logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True
    )
    assert f"at {region} {region}" in [each["message"] for each in events["events"]]

    (point,) = at(region, "cloudwatch").get_metric_statistics(
        Namespace=GROUP, MetricName="loss", Period=3600, Statistics=["SampleCount"],
        Dimensions=[{"Name": "TrainingJobName", "Value": "same"}],
        StartTime=time.time() - 3600, EndTime=time.time() + 3600,
    )["Datapoints"]  # fmt: skip
    assert point["SampleCount"] == 1


def test_a_name_is_taken_in_its_region_alone(at: Client, done: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(ClientError) as error:
        at("eu-west-1", "sagemaker").create_training_job(**asked("same", "eu-west-1"))
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    with pytest.raises(ClientError, match="Requested resource not found"):
        at("eu-west-2", "sagemaker").describe_training_job(TrainingJobName="same")


def test_an_arn_of_another_region(at: Client, done: dict[str, dict[str, Any]]) -> None:
    arn = done["eu-west-1"]["TrainingJobArn"]
    tags = [{"Key": "of", "Value": "ireland"}]
    at("eu-west-1", "sagemaker").add_tags(ResourceArn=arn, Tags=tags)
    assert at("eu-west-1", "sagemaker").list_tags(ResourceArn=arn)["Tags"] == tags
    with pytest.raises(ClientError, match="ARN should be scoped to correct region: us-east-1"):
        at("us-east-1", "sagemaker").list_tags(ResourceArn=arn)
    other = done["us-east-1"]["TrainingJobArn"]
    assert at("us-east-1", "sagemaker").list_tags(ResourceArn=other)["Tags"] == []


def test_input_and_output_must_be_in_the_jobs_region(at: Client) -> None:
    """CreateTrainingJob, S3DataSource: "Your input bucket must be in the same AWS region as your
    training job"."""
    sagemaker, far = at("eu-west-1", "sagemaker"), "us-east-1"
    wanted = asked("far", far)
    near = {"S3OutputPath": "s3://jobs-eu-west-1/out"}
    with pytest.raises(ClientError) as error:
        sagemaker.create_training_job(**{**wanted, "OutputDataConfig": near})
    assert error.value.response["Error"]["Code"] == "ValidationException"
    message = error.value.response["Error"]["Message"]
    assert 'No S3 objects found under S3 URL "s3://jobs-us-east-1/in/"' in message
    assert "the bucket exists in the selected region (eu-west-1)" in message
    wanted = asked("far", "eu-west-1", OutputDataConfig=wanted["OutputDataConfig"])
    with pytest.raises(ClientError, match=r"does not exist in the selected region \(eu-west-1\)"):
        sagemaker.create_training_job(**wanted)


def test_input_in_a_public_bucket_that_is_not_here_says_how_to_put_it_there(at: Client) -> None:
    """The server has the setting sample_data off."""
    uri = "s3://sagemaker-sample-files/datasets/mine/"
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    channel = {"ChannelName": "train", "DataSource": source}
    how = "sagebrush samples add sagemaker-sample-files/datasets/mine FOLDER"
    with pytest.raises(ClientError, match=how):
        at("us-east-1", "sagemaker").create_training_job(
            **asked("samples", "us-east-1", InputDataConfig=[channel])
        )


def test_a_script_reads_a_bucket_elsewhere(at: Client) -> None:
    """boto3 inside a job signs for the job's region, and is led on."""
    code = (
        "import boto3\n"
        "far = boto3.client('s3').get_object(Bucket='jobs-us-east-1', Key='in/words')\n"
        "jobs = boto3.client('sagemaker').list_training_jobs(NameContains='reads')\n"
        "print(far['Body'].read(), jobs['TrainingJobSummaries'][0]['TrainingJobArn'])\n"
    )
    at("eu-west-1", "s3").put_object(Bucket="jobs-eu-west-1", Key="in/far.py", Body=code)
    sagemaker, logs = at("eu-west-1", "sagemaker"), at("eu-west-1", "logs")
    shell = f"{sys.executable} /opt/ml/input/data/train/far.py"
    sagemaker.create_training_job(**asked("reads", "eu-west-1", shell))
    found = ended(sagemaker, "reads")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    events = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="reads/")["events"]
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/reads"
    assert events[-1]["message"] == f"b'us-east-1' {arn}"


def test_code_may_be_anywhere(at: Client) -> None:
    """AWS's containers fetch it by boto3, which follows S3 to the bucket's region."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry, script = (
            tarfile.TarInfo("far.py"),
            b"import os\nprint(os.environ['SAGEMAKER_REGION'])",
        )
        entry.size = len(script)
        archive.addfile(entry, io.BytesIO(script))
    at("us-east-1", "s3").put_object(
        Bucket="jobs-us-east-1", Key="code/far.tar.gz", Body=packed.getvalue()
    )
    wanted = asked("code", "eu-west-1")
    del wanted["AlgorithmSpecification"]["ContainerEntrypoint"]
    wanted["HyperParameters"] = {
        "sagemaker_program": "far.py",
        "sagemaker_submit_directory": "s3://jobs-us-east-1/code/far.tar.gz",
    }
    at("eu-west-1", "sagemaker").create_training_job(**wanted)
    found = ended(at("eu-west-1", "sagemaker"), "code")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    logs = at("eu-west-1", "logs")
    events = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="code/")["events"]
    assert "eu-west-1" in [each["message"] for each in events]


def test_a_model_must_be_in_its_region(at: Client, done: dict[str, dict[str, Any]]) -> None:
    job = done["us-east-1"]
    container = {
        "Image": job["AlgorithmSpecification"]["TrainingImage"],
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    }
    given = {"PrimaryContainer": container, "ExecutionRoleArn": job["RoleArn"]}
    with pytest.raises(ClientError, match="the object is located in eu-west-1"):
        at("eu-west-1", "sagemaker").create_model(ModelName="far", **given)
    made = at("us-east-1", "sagemaker").create_model(ModelName="near", **given)
    assert made["ModelArn"] == "arn:aws:sagemaker:us-east-1:123456789012:model/near"


def test_services_without_regions(at: Client) -> None:
    for region in REGIONS:
        identity = at(region, "sts").get_caller_identity()
        assert identity["Account"] == "123456789012"
        roles = [each["RoleName"] for each in at(region, "iam").list_roles()["Roles"]]
        assert "SagebrushExecutionRole" in roles
