"""A data directory on a small disk: a job that fills it fails with a clear error, and all goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import needs
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.services.sagemaker.training.test_training_live import ended, request

SIZE = "120m"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The state of a server whose data directory is a tmpfs that only its process sees."""
    if shutil.which("unshare") is None:
        needs.missing("no unshare command")
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size={SIZE},mode=755 tmpfs {tmp_path} && exec "$@"'
    server = [
        sys.executable,
        str(Path(__file__).parent.with_name("liveserver.py")),
        str(tmp_path / "home"),
        "process",
    ]
    argv = ["unshare", "--mount", *user, "sh", "-c", mount, "sh", *server]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            needs.missing("this host allows no mount of a small disk")
        yield json.loads(line)
        process.kill()


def client(state: dict[str, Any], service: str) -> Any:
    key, secret = state["keys"]
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{state['port']}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_a_job_that_fills_the_disk_fails_clearly_and_the_next_one_runs(
    small: dict[str, Any],
) -> None:
    s3, sagemaker = client(small, "s3"), client(small, "sagemaker")
    s3.create_bucket(Bucket="jobs")

    # its model fits on the disk once, but not twice
    shell = "head -c 70000000 /dev/urandom > /opt/ml/model/m.bin"
    sagemaker.create_training_job(**request("large", shell))
    found = ended(sagemaker, "large")
    assert found["TrainingJobStatus"] == "Failed"
    assert "disk of the Sagebrush data directory is full" in found["FailureReason"]
    assert "Contents" not in s3.list_objects_v2(Bucket="jobs")

    # it writes until nothing is left
    shell = "cat /dev/zero > /opt/ml/model/m.bin"
    sagemaker.create_training_job(**request("greedy", shell))
    found = ended(sagemaker, "greedy")
    assert found["TrainingJobStatus"] == "Failed"
    assert "No space left on device" in found["FailureReason"]

    # input that does not fit is refused before it is copied
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="jobs", Key="too-large", Body=bytes(150 << 20))
    assert caught.value.response["Error"]["Code"] == "StorageFull"
    s3.put_object(Bucket="jobs", Key="in/half", Body=bytes(50 << 20))
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/in/"}}
    channels = [{"ChannelName": "train", "DataSource": source}]
    sagemaker.create_training_job(**request("input", "true", InputDataConfig=channels))
    found = ended(sagemaker, "input")
    assert "No space left on device: the input is 50.0 MiB" in found["FailureReason"]

    s3.delete_object(Bucket="jobs", Key="in/half")
    sagemaker.create_training_job(**request("small", "echo m > /opt/ml/model/m.txt"))
    assert ended(sagemaker, "small")["TrainingJobStatus"] == "Completed"
