"""A tuning job of short scripts as boto3 asks for it."""

from __future__ import annotations

import io
import tarfile
from typing import Any

from tests.services.sagemaker.tuning.tuningworld import config, definition
from tests.waiting import until

SCRIPT = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float)
parser.add_argument("--pause", type=float, default=0.0)
parser.add_argument("--epochs", type=int, default=1)
given, _ = parser.parse_known_args()
for epoch in range(given.epochs):
    time.sleep(given.pause)
    print(f"objective={given.x * (epoch + 1)}", flush=True)
"""
BUCKET = "tuning"


def prepare(s3: Any) -> None:
    """The bucket is there, with the trials' script in it."""
    s3.create_bucket(Bucket=BUCKET)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(SCRIPT)
        tar.addfile(member, io.BytesIO(SCRIPT.encode()))
    s3.put_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz", Body=out.getvalue())


def request(name: str, static: dict[str, str], **settings: Any) -> dict[str, Any]:
    """CreateHyperParameterTuningJob's; `settings` as `tuningworld.config` takes them."""
    parameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": f"s3://{BUCKET}/code/sourcedir.tar.gz",
        **static,
    }
    resources = {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config(**settings),
        "TrainingJobDefinition": definition(
            StaticHyperParameters=parameters,
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
            ResourceConfig=resources,
        ),
    }


def ended(sagemaker: Any, name: str, patience: float = 90.0) -> dict[str, Any]:
    """The description of the tuning job once it has ended."""

    def look() -> dict[str, Any] | None:
        found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        over = found["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped")
        return found if over else None

    return until(look, f"the end of {name}", patience)


def trials(sagemaker: Any, name: str) -> list[dict[str, Any]]:
    """All summaries of the tuning job's trials, in the order of their names."""
    found = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100
    )
    return found["TrainingJobSummaries"]
