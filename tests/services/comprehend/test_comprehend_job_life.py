"""The life of asynchronous jobs: begun, followed, stopped; whatever is killed or lost meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.algorithms.comprehend import failures, told
from sagebrush.compute.base import Gone
from sagebrush.errors import AwsError
from sagebrush.services.comprehend import access, work
from sagebrush.services.comprehend.jobs import life, program
from sagebrush.services.sagemaker.processing import operations as processing
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Row
from tests.services.comprehend.comprehend_world import ACCOUNT, REGION, ComprehendWorld, text
from tests.services.sagemaker.jobworld import ROLE

KIND = "sentiment-detection-job"


@pytest.fixture
def world(tmp_path: Path) -> ComprehendWorld:
    return ComprehendWorld(tmp_path)


def row_of(world: ComprehendWorld, job_id: str) -> Row:
    row = world.rows.get(ACCOUNT, REGION, KIND, job_id)
    assert row is not None
    return row


def test_a_job_is_submitted_runs_and_completes(world: ComprehendWorld) -> None:
    job = world.start(JobName="films")
    assert world.told(job)["JobStatus"] == "SUBMITTED"
    world.run(5)
    assert world.told(job)["JobStatus"] == "IN_PROGRESS"
    world.end()
    world.run(2)
    found = world.told(job)
    assert found["JobStatus"] == "COMPLETED"
    assert found["EndTime"] >= found["SubmitTime"]
    assert "Message" not in found
    place = f"s3://bucket/out/{ACCOUNT}-SENTIMENT-{job}/output/output.tar.gz"
    assert found["OutputDataConfig"] == {"S3Uri": place}
    assert world.backend.launches == 1


def test_the_work_is_done_in_comprehends_account_as_the_users_role(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    child, spec = world.child(), world.spec()
    assert child.name == f"sentiment-{job}"
    assert child.parent == f"arn:aws:comprehend:{REGION}:{ACCOUNT}:{KIND}/{job}"
    assert (spec.role, spec.region) == (ROLE, REGION)
    assert spec.argv[:3] == ("python3", "-m", "comprehend.process")
    assert spec.env["PYTHONPATH"].split(":")[-1] == "/opt/sagebrush/algorithms"
    given = told.read(spec.argv[3:])
    assert (given.bucket, given.prefix, given.by_line) == ("bucket", "in/", True)
    assert given.output == ("bucket", f"out/{ACCOUNT}-SENTIMENT-{job}/output/output.tar.gz")
    assert (given.task, given.language, given.results) == ("DetectSentiment", "en", "archive")
    assert given.limits.document == 5120
    assert world.rows.select("processing-job", account=ACCOUNT) == []


def test_topics_are_found_in_the_algorithms_environment(world: ComprehendWorld) -> None:
    world.start("TopicsDetection", LanguageCode=None)
    world.run(5)
    app = world.child().doc["AppSpecification"]
    assert app["ImageUri"] == "lda"
    assert app["ContainerEntrypoint"] == ["python3", "-m", "comprehend.topics"]
    assert told.read(app["ContainerArguments"]).topics == 10


def test_long_places_are_told_whole(world: ComprehendWorld) -> None:
    prefix = "in/" + "/opt/ml/é" * 100
    world.s3.buckets["bucket"][f"{prefix}/a"] = b"text"
    world.start(
        InputDataConfig={"S3Uri": f"s3://bucket/{prefix}", "InputFormat": "ONE_DOC_PER_FILE"}
    )
    world.run(5)
    arguments = world.child().doc["AppSpecification"]["ContainerArguments"]
    assert max(map(len, arguments)) == work.ARGUMENT
    assert not [each for each in arguments if "/" in each]
    assert told.read(arguments).prefix == prefix


# ---- what fails


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: w.s3.buckets["bucket"].clear(), "NO_INPUT_DATA: No object's key begins"),
        (lambda w: w.s3.buckets.clear(), "NO_READ_ACCESS_TO_INPUT: The provided data access role"),
        (lambda w: forget_role(w), "NO_READ_ACCESS_TO_INPUT: The provided data access role"),
    ],
)
def test_what_the_role_cannot_read_starts_nothing(
    spoil: Callable[[ComprehendWorld], object], message: str, world: ComprehendWorld
) -> None:
    job = world.start()
    spoil(world)
    world.run(5)
    assert world.told(job)["JobStatus"] == "SUBMITTED", "as long as AWS's say so"
    world.run(10)
    found = world.told(job)
    assert found["JobStatus"] == "FAILED"
    assert found["Message"].startswith(message)
    assert world.rows.select("processing-job") == []


def test_what_is_there_soon_after_the_job_was_submitted_is_read(world: ComprehendWorld) -> None:
    files = dict(world.s3.buckets["bucket"])
    world.s3.buckets["bucket"].clear()
    job = world.start()
    world.run(5)
    world.s3.buckets["bucket"].update(files)
    world.run(15)
    assert world.told(job)["JobStatus"] == "IN_PROGRESS"


def forget_role(world: ComprehendWorld) -> None:
    row = world.rows.get(ACCOUNT, "", "role", "SagebrushExecutionRole")
    assert row is not None
    world.rows.update(row.id, lambda found: replace(found, status=""))


def test_an_output_bucket_that_is_not_there_starts_nothing(world: ComprehendWorld) -> None:
    job = world.start(OutputDataConfig={"S3Uri": "s3://none"})
    world.run(15)
    found = world.told(job)
    assert (found["JobStatus"], found["Message"][:25]) == ("FAILED", "NO_WRITE_ACCESS_TO_OUTPUT")
    assert found["OutputDataConfig"]["S3Uri"].startswith(f"s3://none/{ACCOUNT}-SENTIMENT-")


def test_the_programs_message_is_the_jobs(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    world.end(1, message="INPUT_LIMIT_EXCEEDED: too much")
    world.run(2)
    found = world.told(job)
    assert (found["JobStatus"], found["Message"]) == ("FAILED", "INPUT_LIMIT_EXCEEDED: too much")


def test_of_a_traceback_nothing_is_told(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    key = world.child().plan["key"]
    world.backend.lines[key] = ["Traceback (most recent call last):", "ValueError: a secret"]
    world.end(1)
    world.run(2)
    assert "secret" in world.child().doc["FailureReason"]
    found = world.told(job)
    assert found["Message"] == "INTERNAL_SERVER_ERROR: The job's program failed."
    assert "secret" not in text(found)


def test_memory_that_is_not_enough_is_told(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    world.end(137, reason="oom")
    world.run(2)
    assert "OutOfMemory: algo-1 exceeded" in world.told(job)["Message"]


def test_a_process_that_is_lost_fails_the_job(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    world.backend.states[world.child().plan["key"]] = Gone()
    world.run(60)
    assert world.told(job)["JobStatus"] == "FAILED"
    assert "lost" in world.told(job)["Message"]


def test_a_processing_job_that_was_deleted_fails_the_job(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    world.rows.delete(world.child().id)
    world.run(60)
    found = world.told(job)
    assert found["JobStatus"] == "FAILED"
    assert found["Message"] == "INTERNAL_SERVER_ERROR: What did the job is gone."


def test_a_quota_is_waited_for(world: ComprehendWorld) -> None:
    world.refused = AwsError("ResourceLimitExceeded", "no more")
    job = world.start()
    world.run(40)
    assert world.told(job)["JobStatus"] == "SUBMITTED"
    world.refused = None
    world.run(40)
    assert world.told(job)["JobStatus"] == "IN_PROGRESS"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ValidationException", "no such type"),
        ("ResourceLimitExceeded", "CapacityError: larger than this host"),  # which no wait mends
    ],
)
def test_what_sagemaker_refuses_fails_the_job(
    world: ComprehendWorld, code: str, message: str
) -> None:
    world.refused = AwsError(code, message)
    job = world.start()
    world.run(5)
    found = world.told(job)
    assert (found["JobStatus"], found["Message"]) == (
        "FAILED",
        f"INTERNAL_SERVER_ERROR: {message}",
    )


# ---- stops


def test_a_stop_ends_the_processing_job(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    assert world.call("StopSentimentDetectionJob", JobId=job) == {
        "JobId": job,
        "JobStatus": "STOP_REQUESTED",
    }
    assert world.call("StopSentimentDetectionJob", JobId=job)["JobStatus"] == "STOP_REQUESTED"
    world.run(10)
    assert world.told(job)["JobStatus"] == "STOPPED"
    assert world.child().status == "Stopped"
    assert len(world.backend.stops) == 1
    assert world.call("StopSentimentDetectionJob", JobId=job)["JobStatus"] == "STOPPED"


def test_a_job_that_never_began_is_stopped_soon(world: ComprehendWorld) -> None:
    job = world.start()
    world.call("StopSentimentDetectionJob", JobId=job)
    world.run(1)
    assert world.told(job)["JobStatus"] == "STOP_REQUESTED"
    world.run(5)
    assert world.told(job)["JobStatus"] == "STOPPED"
    assert world.rows.select("processing-job") == []


def test_a_job_that_completes_before_it_stops_has_completed(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    world.end()
    while world.child().status == "InProgress":
        world.rows.touch(world.child().id)
        (row,) = (r for r in world.rows.claim(30, 9) if r.kind == "processing-job")
        world.rows.apply(row, processing.life.reconcile(world.world, row))
    world.call("StopSentimentDetectionJob", JobId=job)
    world.run(40)
    assert world.told(job)["JobStatus"] == "COMPLETED"


@pytest.mark.parametrize("code", [0, 1])
def test_an_ended_job_cannot_be_stopped(code: int, world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    world.end(code)
    world.run(2)
    with pytest.raises(AwsError, match="cannot be stopped: it is in status") as refused:
        world.call("StopSentimentDetectionJob", JobId=job)
    assert (refused.value.code, refused.value.status) == ("InvalidRequestException", 400)


def test_a_processing_job_that_the_server_stopped_stops_the_job(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    ctx = world.world.service_ctx(region=REGION, account=COMPREHEND)
    ctx.call("sagemaker", "StopProcessingJob", {"ProcessingJobName": world.child().name})
    world.run(5)
    found = world.told(job)
    assert (found["JobStatus"], found["Message"]) == ("STOPPED", life.STOPPED)


# ---- kills


def test_a_step_that_is_lost_starts_nothing_twice(world: ComprehendWorld) -> None:
    job = world.start()
    (row,) = world.rows.claim(30.0, 1)
    life.reconcile(world.world, row)  # the server is killed before it is stored
    first = world.child()
    world.now += 31
    world.open()
    world.run(5)
    assert world.child().id == first.id
    assert world.told(job)["JobStatus"] == "IN_PROGRESS"
    assert world.backend.launches == 1


def test_an_end_while_no_server_runs_is_found_by_the_next(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    world.end()
    world.open()
    world.rows.take_over({kind: facts.ended for kind, facts in world.world.kinds.items()})
    world.run(5)
    assert world.told(job)["JobStatus"] == "COMPLETED"


def test_a_stop_that_comes_while_the_job_is_begun_is_not_lost(world: ComprehendWorld) -> None:
    job = world.start()
    (row,) = world.rows.claim(30.0, 1)
    step = life.reconcile(world.world, row)
    world.call("StopSentimentDetectionJob", JobId=job)
    assert not world.rows.apply(row, step)
    world.run(10)
    assert world.told(job)["JobStatus"] == "STOPPED"
    assert world.child().status == "Stopped"


def test_a_child_that_ends_makes_its_parent_due_in_another_account(world: ComprehendWorld) -> None:
    job = world.start()
    world.run(5)
    due = row_of(world, job).due_at
    assert due is not None
    assert due > world.now + 1
    child = world.child()
    world.rows.update(child.id, lambda found: replace(found, status="Completed"))
    assert row_of(world, job).due_at == world.now
    assert world.rows.parent_of(child) is not None


def test_a_strangers_processing_job_of_that_name_is_not_the_jobs(world: ComprehendWorld) -> None:
    job = world.start()
    row = row_of(world, job)
    other = Row(COMPREHEND, REGION, "processing-job", program.name(row), "Completed", {})
    world.rows.insert(other)
    assert life.find(world.world, row) is None


def test_while_it_waits_the_message_says_for_what(world: ComprehendWorld) -> None:
    world.environments.there, world.environments.does = False, "installing numpy"
    job = world.start()
    world.run(5)
    found = world.told(job)
    assert found["JobStatus"] == "SUBMITTED"
    assert "Preparing the environment comprehend" in found["Message"]


def test_several_jobs_have_each_their_own(world: ComprehendWorld) -> None:
    jobs = [world.start() for _ in range(3)]
    world.run(5)
    names = [row.name for row in world.rows.select("processing-job")]
    assert sorted(names) == sorted(f"sentiment-{job}" for job in jobs)


def test_the_server_and_the_program_say_the_same_of_what_a_role_lacks() -> None:
    """Each has the words of its own: the program imports nothing of the server."""
    for name in ("NO_READ", "NO_WRITE", "NOTHING"):
        assert getattr(failures, name) == getattr(access, name)
