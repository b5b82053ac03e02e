"""Tags of SageMaker resources, by ARN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.engine import kinds
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker import tags
from sagebrush.store.rows import Row
from tests.services.sagemaker.jobworld import JobWorld


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobWorld]:
    found = JobWorld(tmp_path)
    yield found
    found.db.close()


def pairs(*found: tuple[str, str]) -> list[Doc]:
    return [{"Key": key, "Value": value} for key, value in found]


def test_add_list_delete_by_the_lower_case_arn(jobs: JobWorld) -> None:
    arn = jobs.create("Upper-Job", Tags=pairs(("team", "a")))["TrainingJobArn"]
    assert arn.endswith("training-job/upper-job")
    added = tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": pairs(("x", "1"), ("team", "b"))})
    assert added["Tags"] == pairs(("team", "b"), ("x", "1"))
    tags.delete_tags(jobs.ctx, {"ResourceArn": arn, "TagKeys": ["team", "absent"]})
    assert tags.list_tags(jobs.ctx, {"ResourceArn": arn}) == {"Tags": pairs(("x", "1"))}


def test_tags_are_listed_as_they_came(jobs: JobWorld) -> None:
    arn = jobs.create(Tags=pairs(("z", "1"), ("a", "2")))["TrainingJobArn"]
    tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": pairs(("m", "3"), ("z", "4"))})
    found = tags.list_tags(jobs.ctx, {"ResourceArn": arn})
    assert found["Tags"] == pairs(("z", "4"), ("a", "2"), ("m", "3"))


def test_a_tag_does_not_disturb_a_running_step(jobs: JobWorld) -> None:
    arn = jobs.create()["TrainingJobArn"]
    tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": pairs(("x", "1"))})
    jobs.run()
    assert jobs.describe()["TrainingJobStatus"] == "Completed"
    assert tags.list_tags(jobs.ctx, {"ResourceArn": arn})["Tags"] == pairs(("x", "1"))


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/none",
        "arn:aws:sagemaker:us-east-1:999999999999:training-job/job",
        "arn:aws:sagemaker:us-east-1:123456789012:nonsense",
    ],
)
def test_an_unknown_resource_is_not_found(jobs: JobWorld, arn: str) -> None:
    jobs.create()
    with pytest.raises(AwsError, match="Could not find") as caught:
        tags.list_tags(jobs.ctx, {"ResourceArn": arn})
    assert caught.value.code == "ValidationException"


def test_a_warm_pool_is_no_resource(jobs: JobWorld) -> None:
    """It has a row here; AWS has no such ARN, and answers as for one that does not exist."""
    place = (jobs.ctx.account, jobs.ctx.region, "warm-pool", "w-1")
    pool = jobs.rows.insert(Row(*place, "Available", {}, {}))
    arn = kinds.arn_of(pool)
    for operation, words in (
        (tags.add_tags, {"Tags": pairs(("a", "1"))}),
        (tags.list_tags, {}),
        (tags.delete_tags, {"TagKeys": ["a"]}),
    ):
        with pytest.raises(AwsError, match=f'Could not find warm pool "{arn}"') as caught:
            operation(jobs.ctx, {"ResourceArn": arn, **words})
        assert caught.value.code == "ValidationException"
    found = jobs.rows.by_id(pool.id)
    assert found is not None
    assert "tags" not in found.plan


def test_limits_of_tags(jobs: JobWorld) -> None:
    arn = jobs.create()["TrainingJobArn"]
    fifty = pairs(*((f"k{n}", "v") for n in range(50)))
    tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": fifty})
    with pytest.raises(AwsError) as caught:
        tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": pairs(("one-more", ""))})
    assert caught.value.code == "ResourceLimitExceeded"
    for wrong in (pairs(("a", "1"), ("a", "2")), pairs(("aws:mine", "1"))):
        with pytest.raises(AwsError, match="Tag keys must"):
            tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": wrong})


def test_a_running_job_notices_its_tags_and_an_ended_one_is_kept(jobs: JobWorld) -> None:
    """`sagebrush:interrupt` asks a running job for something; an ended row is due to be removed."""
    arn = jobs.create()["TrainingJobArn"]

    def due() -> float | None:
        row = jobs.world.rows.get(jobs.ctx.account, jobs.ctx.region, "training-job", "job")
        assert row is not None
        return row.due_at

    woken: list[bool] = []
    jobs.world.wake = lambda: woken.append(True)
    jobs.world.rows.update(
        kinds.by_arn(jobs.ctx, arn).id, lambda row: replace(row, due_at=jobs.world.clock() + 60)
    )
    tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": pairs(("sagebrush:interrupt", "now"))})
    assert due() == jobs.world.clock()
    assert woken
    jobs.run()
    assert jobs.describe()["TrainingJobStatus"] == "Completed"
    before = due()
    tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": pairs(("late", "1"))})
    assert due() == before != jobs.world.clock()


def test_a_processing_job_that_waits_notices_its_new_priority(jobs: JobWorld) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/clean"
    later = jobs.world.clock() + 60
    place = (jobs.ctx.account, jobs.ctx.region, "processing-job", "clean")
    row = jobs.world.rows.insert(
        Row(*place, "InProgress", {"ProcessingJobArn": arn}, {"waiting": True}, due_at=later)
    )
    tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": pairs(("sagebrush:priority", "5"))})
    found = jobs.world.rows.by_id(row.id)
    assert found is not None
    assert found.due_at == jobs.world.clock()
