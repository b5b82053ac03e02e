"""SageMaker's events: one for each change of a state, with the members that AWS's examples have."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagebrush import registry
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.events import EVENT_SOURCES
from sagebrush.store.events import Event
from sagebrush.store.rows import Row
from tests.services.sagemaker.jobworld import JobWorld

AT = dt.datetime.fromtimestamp(1704320746.123, dt.UTC)
MILLISECONDS = 1704320746123
ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def row(kind: str, status: str = "", tags: Doc | None = None, **doc: Any) -> Row:
    whole = {"CreationTime": AT, "LastModifiedTime": AT, **doc}
    return Row("123456789012", "us-east-1", kind, "Mine", status, whole, {"tags": tags or {}})


def only(kind: str, old: Row | None, new: Row | None) -> Event:
    (found,) = EVENT_SOURCES[kind](old, new)
    return found


@pytest.mark.costs("imports every service")
def test_every_source_is_of_a_kind_that_is_there() -> None:
    sources = registry.event_sources()
    assert sources.keys() <= registry.kinds().keys() | {"queue", "bucket"}
    assert {*EVENT_SOURCES, "endpoint"} <= sources.keys()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobWorld]:
    found = JobWorld(tmp_path, consumed=True)
    yield found
    found.loop.stop()
    found.db.close()


def test_a_training_job_from_its_creation_to_its_end(jobs: JobWorld) -> None:
    jobs.create(HyperParameters={"epochs": "3"}, Tags=[{"Key": "team", "Value": "a"}])
    jobs.run()
    events = [each.event for each in jobs.events.due(100)]
    assert [each.detail["SecondaryStatus"] for each in events] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert {each.detail_type for each in events} == {"SageMaker Training Job State Change"}
    last = events[-1]
    assert (last.source, last.resources) == ("aws.sagemaker", (f"{ARN}:training-job/job",))
    detail = last.detail
    assert detail["TrainingJobStatus"] == "Completed"
    assert detail["HyperParameters"] == {"epochs": "3"}
    assert detail["Tags"] == {"team": "a"}
    assert detail["ModelArtifacts"]["S3ModelArtifacts"].endswith("job/output/model.tar.gz")
    assert detail["TrainingStartTime"] <= detail["TrainingEndTime"] == round(last.at * 1000)
    first = detail["SecondaryStatusTransitions"][0]
    assert (first["Status"], first["StartTime"]) == ("Starting", 1_000_000_000)
    json.dumps([each.detail for each in events])  # no moment is left


def test_a_job_that_nobody_looks_at_stores_no_event(tmp_path: Path) -> None:
    jobs = JobWorld(tmp_path)
    jobs.create()
    jobs.run()
    assert jobs.events.next_due() is None
    jobs.loop.stop()
    jobs.db.close()


def test_a_status_alone_decides() -> None:
    kind = "transform-job"
    job = row(kind, "InProgress", TransformJobName="Mine", TransformJobArn="a", ModelName="m")
    assert EVENT_SOURCES[kind](job, replace(job, doc={**job.doc, "ModelName": "n"})) == ()
    assert EVENT_SOURCES[kind](job, None) == (), "of its deletion AWS documents no event"
    found = only(kind, job, replace(job, status="Failed", doc={**job.doc, "FailureReason": "why"}))
    assert found.detail_type == "SageMaker Transform Job State Change"
    assert found.detail == {
        "TransformJobName": "Mine",
        "TransformJobArn": "a",
        "TransformJobStatus": "Failed",
        "FailureReason": "why",
        "ModelName": "m",
        "CreationTime": MILLISECONDS,
        "Tags": {},
    }
    assert found.resources == (f"{ARN}:transform-job/mine",)


def test_a_processing_job_as_in_the_guide() -> None:
    given = {
        "ProcessingJobName": "Mine",
        "ProcessingInputs": [
            {
                "InputName": "in",
                "S3Input": {
                    "S3Uri": "s3://in",
                    "LocalPath": "/opt/ml/processing/in",
                    "S3DataType": "ManifestFile",
                    "S3InputMode": "Pipe",
                    "S3DataDistributionType": "FullyReplicated",
                },
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [{"OutputName": "out", "S3Output": {"S3UploadMode": "Continuous"}}]
        },
    }
    found = only("processing-job", None, row("processing-job", "InProgress", **given))
    assert found.detail_type == "SageMaker Processing Job State Change"
    assert found.detail["ProcessingInputs"][0]["S3Input"] == {
        "S3Uri": "s3://in",
        "LocalPath": "/opt/ml/processing/in",
        "S3DataType": "MANIFEST_FILE",
        "S3InputMode": "PIPE",
        "S3DataDistributionType": "FULLYREPLICATED",
    }
    outputs = found.detail["ProcessingOutputConfig"]["Outputs"]
    assert outputs == [{"OutputName": "out", "S3Output": {"S3UploadMode": "CONTINUOUS"}}]
    assert (found.detail["ExperimentConfig"], "Tags" in found.detail) == ({}, False)


def test_a_tuning_job() -> None:
    kind = "hyper-parameter-tuning-job"
    job = row(kind, "InProgress", HyperParameterTuningJobName="Mine")
    found = only(kind, job, replace(job, status="Completed"))
    assert found.detail_type == "SageMaker HyperParameter Tuning Job State Change"
    assert found.detail["HyperParameterTuningJobStatus"] == "Completed"


def test_models_and_configurations_when_they_come_and_go() -> None:
    container = {"Image": "i", "ModelDataUrl": "s3://m", "Environment": {"SECRET": "x"}}
    model = row("model", tags={"a": "b"}, ModelName="Mine", PrimaryContainer=container)
    for old, new in ((None, model), (model, None)):
        found = only("model", old, new)
        assert found.detail_type == "SageMaker Model State Change"
        assert found.detail == {
            "ModelName": "Mine",
            "PrimaryContainer": {"Image": "i", "ModelDataUrl": "s3://m"},
            "CreationTime": MILLISECONDS,
            "Tags": {"a": "b"},
        }
    tagged = replace(model, plan={"tags": {}})
    assert EVENT_SOURCES["model"](model, tagged) == ()
    config = row("endpoint-config", EndpointConfigName="Mine", ProductionVariants=[{"a": 1}])
    found = only("endpoint-config", config, None)
    assert found.detail_type == "SageMaker Endpoint Config State Change"
    assert found.detail["ProductionVariants"] == [{"a": 1}]


def test_notebook_instances_and_their_lifecycle_configurations() -> None:
    kind = "notebook-instance"
    doc: Doc = {"NotebookInstanceName": "Mine", "Url": "u", "RootAccess": "Enabled", "RoleArn": "r"}
    instance = row(kind, "Pending", **doc)
    found = only(kind, instance, replace(instance, status="InService"))
    assert found.detail_type == "SageMaker Notebook Instance State Change"
    assert found.detail == {
        "NotebookInstanceName": "Mine",
        "NotebookInstanceStatus": "InService",
        "RoleArn": "r",
        "LastModifiedTime": MILLISECONDS,
        "CreationTime": MILLISECONDS,
        "Tags": {},
    }
    kind = "notebook-instance-lifecycle-config"
    config = row(kind, NotebookInstanceLifecycleConfigName="Mine", OnStart=[{"Content": "c2g="}])
    found = only(kind, None, config)
    assert found.detail_type == "SageMaker Notebook Lifecycle Config State Change"
    assert "OnStart" not in found.detail
    later = replace(config, doc={**config.doc, "LastModifiedTime": AT + dt.timedelta(1)})
    assert only(kind, config, later).detail["LastModifiedTime"] > MILLISECONDS
    assert only(kind, later, None).resources == (f"{ARN}:{kind}/mine",)
