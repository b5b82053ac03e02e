"""Input modes: how fast a training job reads 1 GiB, and when its first bytes are there.

    python benchmarks/input_modes.py [MEBIBYTES]

A job reads a channel of one object in File, Pipe and FastFile mode, and by hand: the same object by a
plain HTTP client outside of any job. Prints for each the seconds from CreateTrainingJob to the first
byte and to the last, and the speed between them.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3.session

from sagebrush.app import build
from sagebrush.compute.local import fuse
from sagebrush.settings import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
PART = 64 << 20
SCRIPT = """
import json, os, time
data = os.environ.get("SAGEBRUSH_ML", "/opt/ml") + "/input/data/"
place = data + "train_0" if os.path.exists(data + "train_0") else data + "train/one"
with open(place, "rb", buffering=0) as file:
    count, first, piece = 0, None, bytearray(1 << 20)
    while n := file.readinto(piece):
        first = first or time.time()
        count += n
print(json.dumps([count, first, time.time()]))
"""


def pieces(size: int) -> Iterator[bytes]:
    """Random bytes, `size` of them."""
    while size > 0:
        yield os.urandom(min(size, PART))
        size -= PART


def put(s3: Any, size: int) -> None:
    """The object `large/one` holds `size` bytes."""
    where = {"Bucket": "jobs", "Key": "large/one"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, piece in enumerate(pieces(size), 1):
        made = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": made["ETag"]})
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})


def channel(name: str, prefix: str, mode: str) -> dict[str, Any]:
    """A channel of the bucket."""
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://jobs/{prefix}"}}
    return {"ChannelName": name, "DataSource": source, "InputMode": mode}


def job(client: Any, mode: str, number: int) -> list[float]:
    """Bytes read; seconds from the request to the first and to the last of them."""
    sagemaker, logs, name = client("sagemaker"), client("logs"), f"{mode.lower()}-{number}"
    begun = time.time()
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/script.py"],
        },
        RoleArn=ROLE,
        InputDataConfig=[channel("code", "code/", "File"), channel("train", "large/", mode)],
        OutputDataConfig={"S3OutputPath": "s3://jobs/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    while True:
        found = sagemaker.describe_training_job(TrainingJobName=name)
        if found["TrainingJobStatus"] in ("Completed", "Failed"):
            break
        time.sleep(0.05)
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
    stream = streams["logStreams"][0]["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    count, first, last = json.loads(events[-1]["message"])
    return [count, first - begun, last - begun]


def by_hand(s3: Any) -> list[float]:
    """The same by an HTTP client outside of any job."""
    url = urlsplit(s3.generate_presigned_url("get_object", {"Bucket": "jobs", "Key": "large/one"}))
    begun = time.time()
    talk = http.client.HTTPConnection(url.netloc)
    talk.request("GET", f"{url.path}?{url.query}")
    answer, piece, count, first = talk.getresponse(), bytearray(1 << 20), 0, 0.0
    while n := answer.readinto(piece):
        first = first or time.time() - begun
        count += n
    return [count, first, time.time() - begun]


def main() -> None:
    """Prints the table and, as its last line, the figures as JSON."""
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) << 20
    with tempfile.TemporaryDirectory(prefix="sagebrush-benchmark-") as place:
        settings = Settings.load({}, None, home=Path(place) / "home", port=0)
        app = build(settings)
        app.start()
        key, secret = app.world.credentials.user_key
        session = boto3.session.Session(key, secret, region_name="us-east-1")

        def client(service: str) -> Any:
            return session.client(service, endpoint_url=f"http://127.0.0.1:{app.port}")

        try:
            s3 = client("s3")
            s3.create_bucket(Bucket="jobs")
            s3.put_object(Bucket="jobs", Key="code/script.py", Body=SCRIPT.encode())
            put(s3, size)
            found: dict[str, list[float]] = {}
            for number in range(3):
                for mode in ("by hand", "File", "Pipe", "FastFile"):
                    told = by_hand(s3) if mode == "by hand" else job(client, mode, number)
                    assert told[0] == size
                    if mode not in found or told[2] < found[mode][2]:
                        found[mode] = told
            lacking = fuse.lacking() if app.backend.isolation == "sandbox" else "no sandbox"
        finally:
            app.stop()
    print(f"{size >> 20} MiB, the best of 3; load {os.getloadavg()[0]:.1f}")
    if lacking:
        print(f"FastFile: no FUSE on this host ({lacking}): it is downloaded first")
    for mode, (_, first, last) in found.items():
        speed = (size >> 20) / (last - first)
        print(f"{mode:9} first byte {first:6.2f} s  last {last:6.2f} s  {speed:7.0f} MiB/s")
    print(json.dumps({mode: [round(x, 3) for x in told[1:]] for mode, told in found.items()}))


if __name__ == "__main__":
    main()
