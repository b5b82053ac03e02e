"""`jobs show`: a processing job, and what is said of a name that is no training job's."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.commands.job import facts as job_facts
from sagebrush.commands.job import show as job_show
from sagebrush.commands.running import CommandError
from sagebrush.scheduler.instances import instance

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
CLEAN: dict[str, Any] = {
    "ProcessingJobName": "clean",
    "ProcessingJobStatus": "Failed",
    "ExitMessage": "no rows",
    "AppSpecification": {
        "ImageUri": "sagemaker-scikit-learn",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/clean.py"],
        "ContainerArguments": ["--column", "two words"],
    },
    "ProcessingResources": {
        "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
    },
    "ProcessingInputs": [
        {
            "InputName": "raw",
            "S3Input": {"S3Uri": "s3://b/raw/", "LocalPath": "/opt/ml/processing/in"},
        }
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {
                "OutputName": "tidy",
                "S3Output": {"S3Uri": "s3://b/tidy/", "LocalPath": "/opt/ml/processing/out"},
            }
        ]
    },
    "CreationTime": NOW,
    "ProcessingStartTime": NOW,
    "ProcessingEndTime": NOW + dt.timedelta(minutes=30),
}


class Client:
    """Knows one tuning job and one processing job, and no training job."""

    def describe_training_job(self, **asked: Any) -> Any:
        error = {"Code": "ValidationException", "Message": "Requested resource not found."}
        raise ClientError({"Error": error}, "DescribeTrainingJob")

    def describe_processing_job(self, **asked: Any) -> Any:
        name = asked["ProcessingJobName"]
        if name == "clean":
            return CLEAN
        message = f"Could not find requested job with name: {name}"
        error = {"Code": "ValidationException", "Message": message}
        raise ClientError({"Error": error}, "DescribeProcessingJob")

    def describe_hyper_parameter_tuning_job(self, **asked: Any) -> Any:
        name = asked["HyperParameterTuningJobName"]
        if name == "intents":
            return {}
        message = f"Amazon SageMaker can't find a tuning job called {name}. Type another name."
        error = {"Code": "ResourceNotFound", "Message": message}
        raise ClientError({"Error": error}, "DescribeHyperParameterTuningJob")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("intents", "intents is a tuning job: sagebrush jobs plot intents"),
        ("clean", "clean is a processing job: sagebrush jobs show clean"),
        ("nobody", "there is no training or processing job nobody"),
    ],
)
def test_what_is_no_training_job_is_told(name: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        job_show.describe(Client(), name)


def test_a_processing_job_is_shown() -> None:
    hourly = instance("ml.m5.xlarge").price
    assert hourly is not None
    live = {"here, algo-1": "2 of 4 vCPU"}
    found = list(job_show.processing(CLEAN, live))
    assert found[:4] == [
        ("processing job", "clean"),
        ("status", "Failed"),
        ("says", "no rows"),
        ("image", "sagemaker-scikit-learn"),
    ]
    told = dict(found)
    assert told["program"] == "python3 /opt/ml/processing/code/clean.py --column 'two words'"
    assert told["instances"] == "2 × ml.m5.xlarge"
    assert told["input"] == "raw: s3://b/raw/ -> /opt/ml/processing/in"
    assert told["output"] == "tidy: /opt/ml/processing/out -> s3://b/tidy/"
    assert told["here, algo-1"] == "2 of 4 vCPU"
    assert told["took here"] == "30 min"
    assert told["on AWS"] == f"would have cost {job_facts.dollars(hourly)}"
    assert told["price on AWS"].endswith("an hour (us-east-1 on demand, prices of 2026-09-27)")


def test_a_type_without_a_price_says_so() -> None:
    cluster = {"InstanceType": "ml.m8i.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    told = dict(
        job_show.processing({**CLEAN, "ProcessingResources": {"ClusterConfig": cluster}}, {})
    )
    assert told["price on AWS"] == "no price known for ml.m8i.large"
    assert "on AWS" not in told


def test_a_processing_job_that_waits_has_no_end() -> None:
    waits = {k: v for k, v in CLEAN.items() if "Time" not in k or k == "CreationTime"}
    told = dict(job_show.processing(waits, {}))
    assert not {"took here", "on AWS"} & told.keys()


def test_a_training_job_tells_of_its_warm_pool() -> None:
    pool = {"Status": "Reused", "ResourceRetainedBillableTimeInSeconds": 90, "ReusedByJob": "next"}
    config = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    doc = {"CreationTime": NOW, "ResourceConfig": config, "WarmPoolStatus": pool}
    found = dict(job_show._results(doc))
    assert found["warm pool"] == "Reused, kept for 1 min 30 s, reused by next"
