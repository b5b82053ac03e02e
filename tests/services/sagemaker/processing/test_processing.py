"""Processing jobs through boto3, a real server and real processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.compute.host import Host
from tests.conftest import make_settings, started
from tests.services.sagemaker.liveserver import own
from tests.waiting import until

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
GROUP = "/aws/sagemaker/ProcessingJobs"
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="sandbox"))
    own(made.app).world.host = Host(8, 32 << 30)
    yield made
    made.app.stop_jobs(lambda: True)
    made.stop()


@pytest.fixture(scope="module")
def live(server: Any) -> Client:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="data")
    for name in "abcdef":
        s3.put_object(Bucket="data", Key=f"in/{name}.txt", Body=name.encode())
    return server.client


def s3_input(name: str, uri: str, path: str, **more: Any) -> dict[str, Any]:
    given = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**given, **more}}


def s3_output(name: str, uri: str, path: str, mode: str = "EndOfJob") -> dict[str, Any]:
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode},
    }


def request(name: str, shell: str, count: int = 1, **changes: Any) -> dict[str, Any]:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": name,
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["/bin/sh", "-c", shell],
        },
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": ROLE,
        "ProcessingInputs": [s3_input("text", "s3://data/in/", "/opt/ml/processing/input")],
        "ProcessingOutputConfig": {
            "Outputs": [s3_output("out", f"s3://data/out/{name}", "/opt/ml/processing/output")]
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def ended(sagemaker: Any, name: str, patience: float = 40.0) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = sagemaker.describe_processing_job(ProcessingJobName=name)
        return found if found["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return until(look, f"the end of {name}", patience)


def keys(live: Client, prefix: str) -> dict[str, bytes]:
    s3 = live("s3")
    listed = s3.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])
    return {
        each["Key"].removeprefix(prefix): s3.get_object(Bucket="data", Key=each["Key"])[
            "Body"
        ].read()
        for each in listed
    }


pytestmark = pytest.mark.sandbox


def test_it_reads_works_and_stores(live: Client) -> None:
    sagemaker = live("sagemaker")
    shell = (
        "cat /opt/ml/processing/input/*.txt > /opt/ml/processing/output/all.txt;"
        " cp /opt/ml/config/*.json /opt/ml/processing/output;"
        " ln -s all.txt /opt/ml/processing/output/link;"
        " echo $MINE > /opt/ml/output/message; echo said"
    )
    made = sagemaker.create_processing_job(
        **request("works", shell, Environment={"MINE": "done by env"})
    )
    found = ended(sagemaker, "works")
    assert found["ProcessingJobStatus"] == "Completed", found
    assert found["ProcessingJobArn"] == made["ProcessingJobArn"]
    assert found["ExitMessage"] == "done by env"
    assert found["ProcessingEndTime"] >= found["ProcessingStartTime"]
    out = keys(live, "out/works/")
    assert out["all.txt"] == b"abcdef"
    config = json.loads(out["processingjobconfig.json"])
    assert config["ProcessingJobName"] == "works"
    assert config["ProcessingInputs"][0]["S3Input"]["LocalPath"] == "/opt/ml/processing/input"
    hosts = json.loads(out["resourceconfig.json"])
    assert (hosts["current_host"], hosts["hosts"]) == ("algo-1", ["algo-1"])
    streams = live("logs").describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix="works/algo-1"
    )
    events = live("logs").get_log_events(
        logGroupName=GROUP,
        logStreamName=streams["logStreams"][0]["logStreamName"],
        startFromHead=True,
    )
    said = [event["message"] for event in events["events"]]
    assert said[-2:] == ["said", "Sagebrush: left out of s3://data/out/works: link: a link"]
    listed = sagemaker.list_processing_jobs(NameContains="works")["ProcessingJobSummaries"]
    assert (listed[0]["ProcessingJobName"], listed[0]["ExitMessage"]) == ("works", "done by env")


def test_several_instances_share_the_objects_out(live: Client) -> None:
    sagemaker = live("sagemaker")
    shell = (
        "cd /opt/ml/processing; for f in input/*; do cp $f output; done;"
        " ls input | tr '\\n' ' ' > output/$(hostname).list"
    )
    sharded = s3_input(
        "text",
        "s3://data/in/",
        "/opt/ml/processing/input",
        S3DataDistributionType="ShardedByS3Key",
    )
    sagemaker.create_processing_job(**request("shards", shell, 3, ProcessingInputs=[sharded]))
    found = ended(sagemaker, "shards")
    assert found["ProcessingJobStatus"] == "Completed", found
    out = keys(live, "out/shards/")
    lists = [out[f"algo-{n}.list"].decode().split() for n in (1, 2, 3)]
    assert sorted(name for each in lists for name in each) == [f"{name}.txt" for name in "abcdef"]
    assert all(lists)


def test_a_failure_says_why_and_keeps_continuous_output(live: Client) -> None:
    sagemaker = live("sagemaker")
    outputs = [
        s3_output("live", "s3://data/out/live", "/opt/ml/processing/live", "Continuous"),
        s3_output("late", "s3://data/out/late", "/opt/ml/processing/late"),
    ]
    shell = (
        "cd /opt/ml/processing; echo 1 > live/one; echo 2 > late/two;"
        " echo 'Traceback (most recent call last):' >&2;"
        " echo 'ValueError: no text' >&2; exit 3"
    )
    sagemaker.create_processing_job(
        **request("fails", shell, ProcessingOutputConfig={"Outputs": outputs})
    )
    found = ended(sagemaker, "fails")
    assert found["ProcessingJobStatus"] == "Failed"
    assert "ValueError: no text" in found["FailureReason"]
    assert "exit code: 3" in found["FailureReason"]
    assert keys(live, "out/live/") == {"one": b"1\n"}
    assert keys(live, "out/late/") == {}


def test_it_is_stopped_and_deleted(live: Client) -> None:
    sagemaker = live("sagemaker")
    sagemaker.create_processing_job(**request("endless", "sleep 600"))
    with pytest.raises(ClientError, match="in status InProgress"):
        sagemaker.delete_processing_job(ProcessingJobName="endless")
    sagemaker.stop_processing_job(ProcessingJobName="endless")
    assert ended(sagemaker, "endless")["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="in status Stopped"):
        sagemaker.stop_processing_job(ProcessingJobName="endless")
    sagemaker.delete_processing_job(ProcessingJobName="endless")
    with pytest.raises(ClientError, match="Could not find requested job with name: endless"):
        sagemaker.describe_processing_job(ProcessingJobName="endless")


def test_it_ends_with_its_time(live: Client) -> None:
    sagemaker = live("sagemaker")
    sagemaker.create_processing_job(
        **request("long", "sleep 600", StoppingCondition={"MaxRuntimeInSeconds": 1})
    )
    found = ended(sagemaker, "long")
    assert found["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeInSeconds (1)" in found["FailureReason"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ProcessingInputs": [s3_input("a", "s3://data/none/", "/opt/ml/processing/a")]},
         "No S3 objects found"),
        ({"ProcessingInputs": [s3_input("a", "s3://data/in/", "/etc")]}, "beneath /opt/ml"),
        ({"ProcessingInputs": [s3_input("a", "s3://data/in/", "/opt/ml/../x")]}, "beneath /opt/ml"),
        ({"ProcessingInputs": [s3_input("a", "s3://data/in/", "/opt/ml/config")]}, "reserved"),
        ({"ProcessingInputs": [s3_input("a", "s3://data/in/", "/opt/ml/processing/a")] * 2},
         "Input names must be unique"),
        ({"ProcessingInputs": [s3_input("a", "s3://data/in/", "/opt/ml/processing/a",
                                        S3InputMode="Pipe")]}, "S3InputMode Pipe"),
        ({"ProcessingOutputConfig": {"Outputs": [
            s3_output("o", "s3://nowhere-there/x", "/opt/ml/processing/o")]}},
         "output path s3://nowhere-there/x"),
        ({"ProcessingOutputConfig": {"Outputs": [
            {"OutputName": "o", "FeatureStoreOutput": {"FeatureGroupName": "f"}}]}},
         "only S3Output"),
        ({"AppSpecification": {"ImageUri": IMAGE}}, "ContainerEntrypoint is needed"),
        ({"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.huge",
                                                    "InstanceCount": 1, "VolumeSizeInGB": 1}}},
         "enum value set"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 28 * 86400 + 1}}, ""),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused(live: Client, changes: dict[str, Any], words: str) -> None:
    sagemaker = live("sagemaker")
    with pytest.raises(ClientError) as caught:
        sagemaker.create_processing_job(**request("wrong", "true", **changes))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert words in str(caught.value)
    assert not sagemaker.list_processing_jobs(NameContains="wrong")["ProcessingJobSummaries"]


def test_a_name_is_taken_once(live: Client) -> None:
    sagemaker = live("sagemaker")
    sagemaker.create_processing_job(**request("twice", "true"))
    with pytest.raises(ClientError) as caught:
        sagemaker.create_processing_job(**request("twice", "true"))
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_an_output_that_the_job_removed_is_a_failure(live: Client) -> None:
    sagemaker = live("sagemaker")
    sagemaker.create_processing_job(**request("removes", "rm -r /opt/ml/processing/output"))
    found = ended(sagemaker, "removes")
    assert found["ProcessingJobStatus"] == "Failed"
    assert "/opt/ml/processing/output is not a directory any more" in found["FailureReason"]


def test_the_messages_of_several_instances_are_told_apart(live: Client) -> None:
    sagemaker = live("sagemaker")
    shell = "printf 'bye %s' $(hostname) > /opt/ml/output/message"
    sagemaker.create_processing_job(**request("messages", shell, 2))
    assert ended(sagemaker, "messages")["ExitMessage"] == "bye algo-1\nbye algo-2"
