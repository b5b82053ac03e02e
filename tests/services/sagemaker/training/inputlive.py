"""Training jobs whose scripts read their input in other ways than from files: shortcuts for tests."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

from tests.services.sagemaker.training.test_training_live import ended, request

DATA = "import os; D = os.environ.get('SAGEBRUSH_ML', '/opt/ml') + '/input/data/'\n"
"""What every script begins with: where its channels are, in either isolation."""


def channel(name: str, uri: str, kind: str = "S3Prefix", **more: Any) -> dict[str, Any]:
    """A channel; `AttributeNames` and the like go to its S3DataSource."""
    inner = ("AttributeNames", "S3DataDistributionType", "InstanceGroupNames")
    source = {"S3DataType": kind, "S3Uri": uri}
    source |= {key: more.pop(key) for key in inner if key in more}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


class Scripts:
    """Runs scripts as training jobs on a server."""

    def __init__(self, client: Callable[..., Any]) -> None:
        self.client = client

    def start(self, name: str, code: str, *channels: dict[str, Any], **changes: Any) -> None:
        """The job has been created; its script is an object of the bucket `jobs`."""
        body = (DATA + code).encode()
        self.client("s3").put_object(Bucket="jobs", Key=f"code/{name}/script.py", Body=body)
        own = channel("code", f"s3://jobs/code/{name}/")
        shell = f"exec {sys.executable} -u /opt/ml/input/data/code/script.py"
        wanted = request(name, shell, InputDataConfig=[own, *channels], **changes)
        self.client("sagemaker").create_training_job(**wanted)

    def ended(self, name: str, patience: float = 60.0) -> dict[str, Any]:
        """The description of the job once it has ended."""
        return ended(self.client("sagemaker"), name, patience)

    def said(self, name: str, instance: str = "algo-1") -> list[str]:
        """The lines of the job's log."""
        logs, group = self.client("logs"), "/aws/sagemaker/TrainingJobs"
        prefix = f"{name}/{instance}-"
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
        (stream,) = streams["logStreams"]
        found = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        return [event["message"] for event in found["events"]]

    def told(self, name: str, code: str, *channels: dict[str, Any], **changes: Any) -> Any:
        """What the script printed last, as JSON, once the job has completed."""
        self.start(name, code, *channels, **changes)
        found = self.ended(name)
        assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
        return json.loads(self.said(name)[-1])


def digest(data: bytes) -> str:
    """What scripts print of much data."""
    return hashlib.sha256(data).hexdigest()
