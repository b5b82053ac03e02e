"""Tags of SageMaker resources, by ARN."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jobworld import JobWorld

from sagebrush.services.sagemaker import tags
from sagebrush.world import AwsError, Doc


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
        "arn:aws:sagemaker:eu-west-1:123456789012:training-job/job",
        "arn:aws:sagemaker:us-east-1:123456789012:nonsense",
    ],
)
def test_an_unknown_resource_is_not_found(jobs: JobWorld, arn: str) -> None:
    jobs.create()
    with pytest.raises(AwsError, match="Could not find") as caught:
        tags.list_tags(jobs.ctx, {"ResourceArn": arn})
    assert caught.value.code == "ValidationException"


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
