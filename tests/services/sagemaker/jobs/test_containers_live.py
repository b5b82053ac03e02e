"""An image of one's own through the API: it trains, reaches AWS as its role, serves an endpoint."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import podman_service
import pytest
from botocore.exceptions import ClientError
from podman_service import IMAGE

from tests.waiting import until

ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
ENDED = ("Completed", "Failed", "Stopped")


pytestmark = pytest.mark.full  # as the tests of the engine itself


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server whose engine is the tests' own Podman."""
    with podman_service.served() as podman, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", podman.url)
        server = request.getfixturevalue("server")
        s3 = server.client("s3")
        s3.create_bucket(Bucket="jobs")
        s3.put_object(Bucket="jobs", Key="in/words.txt", Body=b"hello ")
        yield server
        for key in server.app.backend.adopt():
            server.app.backend.forget(key)


def request(name: str, *shell: str, **changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"TrainingImage": IMAGE, "TrainingInputMode": "File"}
    if shell:
        spec["ContainerEntrypoint"] = ["/bin/sh", "-c"]
        spec["ContainerArguments"] = list(shell)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/in/"}}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": spec,
        "RoleArn": ROLE,
        "InputDataConfig": [{"ChannelName": "train", "DataSource": source}],
        "OutputDataConfig": {"S3OutputPath": "s3://jobs/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def trained(server: Any, name: str, *shell: str, **changes: Any) -> dict[str, Any]:
    """The description of the job once it has ended."""
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request(name, *shell, **changes))

    def look() -> dict[str, Any] | None:
        found = sagemaker.describe_training_job(TrainingJobName=name)
        return found if found["TrainingJobStatus"] in ENDED else None

    return until(look, f"the end of {name}")


def model(server: Any, name: str) -> dict[str, bytes]:
    """What the job's model archive holds."""
    key = f"out/{name}/output/model.tar.gz"
    body = server.client("s3").get_object(Bucket="jobs", Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        files = {m.name: tar.extractfile(m) for m in tar.getmembers() if m.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_an_image_of_ones_own_trains_and_serves(live: Any) -> None:
    found = trained(live, "mine")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    assert model(live, "mine") == {"words.txt": b"hello "}
    logs, group = live.client("logs"), "/aws/sagemaker/TrainingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="mine/")
    name = stream["logStreams"][0]["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
    assert [e["message"] for e in events["events"]][-1] == "trained mine"

    sagemaker = live.client("sagemaker")
    data = found["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(
        ModelName="mine",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": data},
    )
    variant = {
        "VariantName": "all",
        "ModelName": "mine",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="mine", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="mine", EndpointConfigName="mine")

    def look() -> dict[str, Any] | None:
        found = sagemaker.describe_endpoint(EndpointName="mine")
        return found if found["EndpointStatus"] != "Creating" else None

    told = until(look, "the endpoint")
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    runtime = live.client("sagemaker-runtime")
    for _ in range(3):
        answer = runtime.invoke_endpoint(EndpointName="mine", Body=b"world")
        assert answer["Body"].read() == b"hello WORLD"
    sagemaker.delete_endpoint(EndpointName="mine")
    _transforms(live)


def _transforms(server: Any) -> None:
    """The model, in turn with itself, takes what is in S3 to S3."""
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    container = sagemaker.describe_model(ModelName="mine")["PrimaryContainer"]
    two = [{name: container[name] for name in ("Image", "ModelDataUrl")}] * 2
    sagemaker.create_model(ModelName="twice", ExecutionRoleArn=ROLE, Containers=two)
    s3.put_object(Bucket="jobs", Key="said/a.txt", Body=b"you\nme\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/said/"}
    sagemaker.create_transform_job(
        TransformJobName="mine",
        ModelName="twice",
        BatchStrategy="SingleRecord",
        TransformInput={"DataSource": {"S3DataSource": source}, "SplitType": "Line"},
        TransformOutput={"S3OutputPath": "s3://jobs/out", "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )

    def look() -> dict[str, Any] | None:
        found = sagemaker.describe_transform_job(TransformJobName="mine")
        return found if found["TransformJobStatus"] in ENDED else None

    told = until(look, "the transform job")
    assert told["TransformJobStatus"] == "Completed", told.get("FailureReason")
    made = s3.get_object(Bucket="jobs", Key="out/a.txt.out")["Body"].read()
    assert made == b"hello HELLO YOU\nhello HELLO ME\n"


def test_the_container_reaches_aws_as_its_role_and_nothing_else_of_ours(live: Any) -> None:
    engine = live.app.backend.containers.engines.find()
    here = f"http://{engine.gateway}:{live.app.port}"
    s3 = live.client("s3", endpoint_url=here)
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": "jobs", "Key": "in/words.txt"}, ExpiresIn=60
    )
    shell = (
        "wget -q -O /opt/ml/model/words $URL || echo no words; "
        "wget -O /dev/null $AWS_ENDPOINT_URL/_sagebrush/health; "
        "env | grep ^AWS_ > /opt/ml/model/env"
    )
    found = trained(live, "reaches", shell, Environment={"URL": url})
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    files = model(live, "reaches")
    assert files["words"] == b"hello "
    env = dict(line.split("=", 1) for line in files["env"].decode().splitlines())
    assert env["AWS_ENDPOINT_URL"] == here
    sts = live.client(
        "sts",
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=env["AWS_SESSION_TOKEN"],
    )
    arn = sts.get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/SagebrushExecutionRole/SageMaker"
    (row,) = [
        r for r in live.world.rows.select("training-job", ["Completed"]) if r.name == "reaches"
    ]
    text = "\n".join(line.text for line in live.app.backend.logs(row.plan["key"]))
    assert "404" in text


def test_an_isolated_container_is_told_nothing_of_aws(live: Any) -> None:
    shell = "env | grep -c ENDPOINT_URL; ip -o address | grep -c eth0; echo $AWS_SESSION_TOKEN. >&2"
    shell += "; env > /opt/ml/model/env"
    found = trained(live, "alone", shell, EnableNetworkIsolation=True)
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    env = model(live, "alone")["env"].decode()
    assert "AWS_SESSION_TOKEN" not in env
    assert "AWS_ENDPOINT_URL" not in env
    assert "TRAINING_JOB_NAME=alone" in env


def test_an_image_that_fails_or_is_nowhere_is_told(live: Any) -> None:
    found = trained(live, "fails", "echo ValueError: none >&2; exit 7")
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].endswith("exit code: 7")

    nowhere = request("nowhere")
    nowhere["AlgorithmSpecification"]["TrainingImage"] = "localhost:1/no/such:9"
    spec = nowhere["AlgorithmSpecification"]
    found = trained(live, "nowhere", AlgorithmSpecification=spec)
    assert found["TrainingJobStatus"] == "Failed"
    words = "ClientError: the image could not be pulled: localhost:1/no/such:9: "
    assert found["FailureReason"].startswith(words)

    private = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-lern:1"
    spec = {**spec, "TrainingImage": private}
    with pytest.raises(ClientError, match="the nearest name is sagemaker-scikit-learn"):
        trained(live, "unknown", AlgorithmSpecification=spec)


def test_the_record_holds_no_keys(live: Any) -> None:
    for file in (live.app.settings.home / "jobs").glob("*/spec.json"):
        assert "AWS_SECRET_ACCESS_KEY" not in json.loads(file.read_text())["spec"]["env"]
