"""What a user does with boto3: upload, train, deploy, predict, clean up. It uses no private interface.

Every function takes `Clients` and plain values; an AWS error passes through as botocore's.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.quickstart.texts import PREFIX, Example, Split, tokens

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
"""AWS's own BlazingText image in us-east-1."""
INSTANCE = "ml.m5.large"
BATCH = 200
POLL_SECONDS = 0.25


class JourneyFailed(Exception):
    """A stage failed; the text is the service's."""


@dataclass(frozen=True)
class Clients:
    """boto3 clients of the services in use."""

    s3: Any
    sagemaker: Any
    runtime: Any
    logs: Any


@dataclass(frozen=True)
class Names:
    """The names of this run's resources."""

    run: str
    bucket: str
    role: str

    @property
    def prefix(self) -> str:
        return f"quickstart/{self.run}"


@dataclass(frozen=True)
class Guess:
    """The endpoint's answer for one text."""

    label: str
    probability: float


def upload(clients: Clients, names: Names, split: Split) -> int:
    """The bucket exists and both channels are in it; returns the bytes sent."""
    found = {bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]}
    if names.bucket not in found:
        clients.s3.create_bucket(Bucket=names.bucket)
    sent = 0
    with tempfile.TemporaryDirectory() as folder:
        for channel in ("train", "validation"):
            file = Path(folder) / f"{channel}.txt"
            file.write_text("".join(map(_line, getattr(split, channel))), encoding="utf-8")
            clients.s3.upload_file(str(file), names.bucket, f"{names.prefix}/{channel}/{file.name}")
            sent += file.stat().st_size
    return sent


def _line(example: Example) -> str:
    return f"{PREFIX}{example.label} {tokens(example.text)}\n"


def hyperparameters(examples: int) -> dict[str, str]:
    """BlazingText's hyperparameters for that many training texts: more epochs for fewer texts."""
    return {
        "mode": "supervised",
        "epochs": str(max(5, min(100, 350_000 // max(examples, 1)))),
        "learning_rate": "0.2",
        "word_ngrams": "2",
        "vector_dim": "50",
        "min_count": "1",
        "buckets": "500000",
    }


def train(
    clients: Clients, names: Names, examples: int, tell: Callable[[str, float], None]
) -> dict[str, Any]:
    """The description of the completed job; `tell(secondary status, seconds)` at each look.

    Raises JourneyFailed with the job's failure reason; an interrupted one is stopped.
    """
    where = f"s3://{names.bucket}/{names.prefix}"
    clients.sagemaker.create_training_job(
        TrainingJobName=names.run,
        RoleArn=names.role,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters=hyperparameters(examples),
        InputDataConfig=[_channel(name, f"{where}/{name}") for name in ("train", "validation")],
        OutputDataConfig={"S3OutputPath": f"{where}/output"},
        ResourceConfig={"InstanceType": INSTANCE, "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )
    try:
        return _wait(
            lambda: clients.sagemaker.describe_training_job(TrainingJobName=names.run),
            lambda job: (job["TrainingJobStatus"], job.get("SecondaryStatus", "")),
            tell,
        )
    except KeyboardInterrupt:
        clients.sagemaker.stop_training_job(TrainingJobName=names.run)
        raise


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {
        "ChannelName": name,
        "ContentType": "text/plain",
        "DataSource": {"S3DataSource": source},
    }


def deploy(clients: Clients, names: Names, model: str, tell: Callable[[str, float], None]) -> None:
    """An endpoint named as the run answers with the model; raises JourneyFailed."""
    clients.sagemaker.create_model(
        ModelName=names.run,
        ExecutionRoleArn=names.role,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": model},
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": names.run,
        "InitialInstanceCount": 1,
        "InstanceType": INSTANCE,
    }
    clients.sagemaker.create_endpoint_config(
        EndpointConfigName=names.run, ProductionVariants=[variant]
    )
    clients.sagemaker.create_endpoint(EndpointName=names.run, EndpointConfigName=names.run)
    _wait(
        lambda: clients.sagemaker.describe_endpoint(EndpointName=names.run),
        lambda endpoint: (endpoint["EndpointStatus"], endpoint["EndpointStatus"]),
        tell,
    )


def _wait(
    look: Callable[[], dict[str, Any]],
    status: Callable[[Mapping[str, Any]], tuple[str, str]],
    tell: Callable[[str, float], None],
) -> dict[str, Any]:
    """The description once its status is a good end; raises JourneyFailed at a bad one."""
    started = time.monotonic()
    while True:
        found = look()
        end, detail = status(found)
        tell(detail, time.monotonic() - started)
        if end in ("Completed", "InService"):
            return found
        if end in ("Failed", "Stopped"):
            raise JourneyFailed(found.get("FailureReason") or f"it ended as {end}")
        time.sleep(POLL_SECONDS)


def ask(clients: Clients, names: Names, texts: Sequence[str]) -> list[Guess]:
    """The endpoint's most probable label for each text, by one InvokeEndpoint."""
    question = {"instances": [tokens(text) for text in texts], "configuration": {"k": 1}}
    answer = clients.runtime.invoke_endpoint(
        EndpointName=names.run,
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps(question),
    )
    said = json.loads(answer["Body"].read())
    return [Guess(one["label"][0].removeprefix(PREFIX), float(one["prob"][0])) for one in said]


def ask_all(clients: Clients, names: Names, texts: Sequence[str]) -> Iterator[list[Guess]]:
    """The answers for many texts, a batch at a time, in order."""
    for start in range(0, len(texts), BATCH):
        yield ask(clients, names, texts[start : start + BATCH])


def last_words(clients: Clients, names: Names, lines: int = 15) -> list[str]:
    """The last lines that the training job wrote; [] when there are none."""
    from botocore.exceptions import ClientError

    group = "/aws/sagemaker/TrainingJobs"
    try:
        found = clients.logs.describe_log_streams(
            logGroupName=group, logStreamNamePrefix=names.run + "/"
        )
        events = [
            event["message"]
            for stream in found["logStreams"]
            for event in clients.logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"]
            )["events"]
        ]
    except ClientError:
        return []
    return events[-lines:]


def tidy(clients: Clients, names: Names) -> None:
    """Endpoint, configuration and model of the run are gone; the job and its model file stay.

    An endpoint that is still being created is waited for: until then its deletion is refused, as on AWS.
    """
    from botocore.exceptions import ClientError

    for delete, member in (
        (clients.sagemaker.delete_endpoint, "EndpointName"),
        (clients.sagemaker.delete_endpoint_config, "EndpointConfigName"),
        (clients.sagemaker.delete_model, "ModelName"),
    ):
        while True:
            try:
                delete(**{member: names.run})
            except ClientError as error:
                if "in-progress" in str(error):
                    time.sleep(POLL_SECONDS)
                    continue
                if "Could not find" not in str(error):
                    raise
            break
