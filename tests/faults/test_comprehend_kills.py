"""kill -9 of the server and of the process while a job of Comprehend's is at work: topics, which need no
model, in the sandbox."""

from __future__ import annotations

import csv
import io
import os
import random
import signal
import tarfile
from typing import Any

import pytest

from tests.built_environments import built
from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, ROLE, Stand, until

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]
ENDED = ("COMPLETED", "FAILED", "STOPPED")
DOCUMENTS = 6000


def begun(stand: Stand) -> str:
    """The id of a topics job that has just begun to run."""
    built("algorithms")
    chosen = random.Random(1)
    words = [[f"{a}{b}{t}" for a in "bcdfg" for b in "lmnpr"] for t in ("aa", "ee", "oo")]
    lines = (" ".join(chosen.choices(words[n % 3], k=40)) for n in range(DOCUMENTS))
    stand.s3.put_object(Bucket=BUCKET, Key="in/texts.txt", Body="\n".join(lines).encode())
    answer = stand.client("comprehend").start_topics_detection_job(
        InputDataConfig={"S3Uri": f"s3://{BUCKET}/in/"},
        OutputDataConfig={"S3Uri": f"s3://{BUCKET}/out"},
        DataAccessRoleArn=ROLE,
        NumberOfTopics=3,
    )
    job = answer["JobId"]
    until(lambda: told(stand, job)["JobStatus"] == "IN_PROGRESS", "the start of the job", 100)
    return job


def told(stand: Stand, job: str) -> dict[str, Any]:
    found = stand.client("comprehend").describe_topics_detection_job(JobId=job)
    return found["TopicsDetectionJobProperties"]


def ended(stand: Stand, job: str) -> dict[str, Any]:
    until(lambda: told(stand, job)["JobStatus"] in ENDED, "the end of the job", 150)
    return told(stand, job)


@pytest.mark.costs("a process that fits a topic model while its server is killed and starts again")
def test_a_job_outlives_its_server(start: Start) -> None:
    stand = start()
    job = begun(stand)
    stand.kill()
    stand.up()
    found = ended(stand, job)
    assert found["JobStatus"] == "COMPLETED", found
    key = found["OutputDataConfig"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
    body = stand.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        shares = archive.extractfile("doc-topics.csv")
        assert shares is not None
        names = {row["docname"] for row in csv.DictReader(io.StringIO(shares.read().decode()))}
    assert len(names) == DOCUMENTS, "each document once, whatever was killed"


@pytest.mark.costs("a process of a job, which is killed")
def test_a_job_whose_process_is_killed_fails(start: Start) -> None:
    stand = start()
    job = begun(stand)
    (place,) = until(stand.live, "the job's supervisor")
    os.kill(stand.tree(place)[-1], signal.SIGKILL)
    found = ended(stand, job)
    assert found["JobStatus"] == "FAILED"
    assert found["Message"].startswith("INTERNAL_SERVER_ERROR: ")
