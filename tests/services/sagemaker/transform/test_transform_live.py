"""Transform jobs through boto3, a real server, a real model server and driver; kill -9 on the way."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import needs
import pytest
from botocore.exceptions import ClientError

from sagebrush.compute.local import probe
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.liveserver import own
from tests.services.sagemaker.training.test_training_live import IMAGE, ROLE, Killable
from tests.waiting import until

Client = Callable[..., Any]
GROUP = "/aws/sagemaker/TransformJobs"
CODE = """
import os, time

def model_fn(folder):
    return open(os.path.join(folder, "word")).read()

def input_fn(body, content_type):
    text = body if isinstance(body, str) else body.decode()
    return text.splitlines()

def predict_fn(lines, word):
    if "bad" in lines:
        raise ValueError("a bad record")
    time.sleep(float(os.environ.get("SLOW", "0")))
    return [f"{word}{line}" for line in lines]

def output_fn(found, accept):
    return "\\n".join(found), accept
"""


def prepare(client: Client) -> None:
    """A bucket with a model's archive, and the model."""
    s3 = client("s3")
    s3.create_bucket(Bucket="jobs")
    body = archive({"code/inference.py": CODE, "word": "got "})
    s3.put_object(Bucket="jobs", Key="model.tar.gz", Body=body)
    client("sagemaker").create_model(
        ModelName="m",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": "s3://jobs/model.tar.gz",
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        },
    )


def create(client: Client, name: str, files: dict[str, bytes], **changes: Any) -> str:
    """The ARN of a job over these objects; of a structure the given members alone are changed."""
    for each, body in files.items():
        client("s3").put_object(Bucket="jobs", Key=f"in/{name}/{each}", Body=body)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://jobs/in/{name}/"}
    request: dict[str, Any] = {
        "TransformJobName": name,
        "ModelName": "m",
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://jobs/out/{name}",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    for member, value in changes.items():
        had = request.get(member)
        request[member] = {**had, **value} if isinstance(had, dict) else value
    return client("sagemaker").create_transform_job(**request)["TransformJobArn"]


def ended(client: Client, name: str) -> dict[str, Any]:
    """The description of the job once it has ended."""

    def look() -> dict[str, Any] | None:
        found = client("sagemaker").describe_transform_job(TransformJobName=name)
        return found if found["TransformJobStatus"] not in ("InProgress", "Stopping") else None

    return until(look, f"the end of {name}", 40.0)


def outputs(client: Client, name: str) -> dict[str, bytes]:
    s3, prefix = client("s3"), f"out/{name}/"
    found = s3.list_objects_v2(Bucket="jobs", Prefix=prefix).get("Contents", ())
    return {
        each["Key"].removeprefix(prefix): s3.get_object(Bucket="jobs", Key=each["Key"])[
            "Body"
        ].read()
        for each in found
    }


@pytest.fixture(scope="module")
def live(server: Any) -> Client:
    own(server.app)
    prepare(server.client)
    return server.client


def test_a_round(live: Client) -> None:
    files = {"a.csv.gz": gzip.compress(b"7,x\n8,y\n"), "deep/b.csv.gz": gzip.compress(b"9,z")}
    arn = create(
        live,
        "round",
        files,
        TransformInput={"CompressionType": "Gzip"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        Tags=[{"Key": "k", "Value": "v"}],
    )
    found = ended(live, "round")
    assert found["TransformJobStatus"] == "Completed", found["FailureReason"]
    assert outputs(live, "round") == {
        "a.csv.gz.out": b"7,got x\n8,got y\n",
        "deep/b.csv.gz.out": b"9,got z\n",
    }
    sagemaker, logs = live("sagemaker"), live("logs")
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    listed = sagemaker.list_transform_jobs(StatusEquals="Completed", NameContains="rou")
    assert [each["TransformJobName"] for each in listed["TransformJobSummaries"]] == ["round"]
    streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="round/i-")
    model, data = [each["logStreamName"] for each in streams["logStreams"]]
    assert data == f"{model}/data-log"
    events = logs.get_log_events(logGroupName=GROUP, logStreamName=data, startFromHead=True)
    said = [event["message"].partition(":[sagemaker logs]: ")[2] for event in events["events"]]
    assert said[0].startswith("MaxConcurrentTransforms=")
    assert said[1].startswith("jobs/in/round/a.csv.gz: transformed 2 records")
    with pytest.raises(ClientError) as caught:
        create(live, "round", {})
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_record_that_the_model_refuses(live: Client) -> None:
    create(
        live,
        "bad",
        {"a.csv": b"x\nbad\n", "b.csv": b"y\n"},
        BatchStrategy="SingleRecord",
        ModelClientConfig={"InvocationsMaxRetries": 0},
    )
    found = ended(live, "bad")
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"] == (
        "AlgorithmError: See job logs for more information. (jobs/in/bad/a.csv, record 2: Bad HTTP"
        " status received from algorithm: 500. Message: ValueError: a bad record)"
    )
    assert outputs(live, "bad") == {"b.csv.out": b"got y\n"}


def test_a_manifest_and_what_is_captured(live: Client) -> None:
    s3 = live("s3")
    manifest = [{"prefix": "s3://jobs/in/some/"}, "x/1.csv", "3.csv"]
    s3.put_object(Bucket="jobs", Key="some.manifest", Body=json.dumps(manifest).encode())
    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://jobs/some.manifest"}
    files = {"x/1.csv": b"1", "2.csv": b"2", "3.csv": b"3"}
    create(
        live,
        "some",
        files,
        TransformInput={"DataSource": {"S3DataSource": source}},
        DataCaptureConfig={"DestinationS3Uri": "s3://jobs/seen", "GenerateInferenceId": True},
    )
    found = ended(live, "some")
    assert found["TransformJobStatus"] == "Completed", found["FailureReason"]
    began = found["TransformStartTime"].astimezone(tz=None).timestamp()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)).encode()
    made = outputs(live, "some")
    assert list(made) == ["3.csv.out", "x/1.csv.out"]
    answer, new, at = made["3.csv.out"].strip().split(b",")
    assert (answer, len(new), at) == (b"got 3", 36, stamp)
    seen = s3.list_objects_v2(Bucket="jobs", Prefix="seen/")["Contents"]
    assert [each["Key"].split("/")[1] for each in seen] == ["input", "output"]


def test_a_stop(live: Client, server: Any) -> None:
    files = {"a.csv": b"\n".join(b"%d" % n for n in range(500))}
    create(live, "stops", files, BatchStrategy="SingleRecord", Environment={"SLOW": "0.05"})
    jobs = server.app.settings.home / "jobs"

    def at_work() -> bool:
        found = [path.read_text() for path in jobs.glob("b-*.d/ml/progress.json")]
        return any('"done": 0' in text and '"records": 0' not in text for text in found)

    until(at_work, "records on their way", 40.0)
    live("sagemaker").stop_transform_job(TransformJobName="stops")
    assert ended(live, "stops")["TransformJobStatus"] == "Stopped"
    assert outputs(live, "stops") == {}


@pytest.fixture(params=["process", pytest.param("sandbox", marks=pytest.mark.sandbox)])
def killable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Killable]:
    if request.param == "sandbox" and probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    made = Killable(tmp_path / "home", request.param)
    made.up()
    yield made
    made.kill()


@pytest.mark.full
def test_a_job_outlives_kills_of_the_server_and_repeats_no_object(killable: Killable) -> None:
    prepare(killable.client)
    files = {f"{n}.csv": b"\n".join(b"%d" % k for k in range(20)) for n in range(12)}
    create(
        killable.client,
        "kills",
        files,
        BatchStrategy="SingleRecord",
        Environment={"SLOW": "0.02"},
        MaxConcurrentTransforms=1,
    )
    for _ in range(3):
        time.sleep(1.0)
        killable.kill()
        time.sleep(0.5)
        killable.up()
    found = ended(killable.client, "kills")
    assert found["TransformJobStatus"] == "Completed", found["FailureReason"]
    made = outputs(killable.client, "kills")
    assert made["3.csv.out"] == b"".join(b"got %d\n" % k for k in range(20))
    assert len(made) == 12
    (journal,) = (killable.home / "jobs").glob("b-*.d/ml/journal")
    done = [json.loads(line)["done"] for line in journal.read_text().splitlines() if "done" in line]
    assert done == list(range(12))
