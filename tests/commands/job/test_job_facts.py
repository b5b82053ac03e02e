"""What `sagebrush jobs` says of a training job, from descriptions as AWS gives them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.commands.job import facts as job_facts
from sagebrush.compute.base import Limits
from sagebrush.scheduler.instances import instance

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def job(status: str = "Completed", second: str = "", **more: Any) -> dict[str, Any]:
    past = [
        {
            "Status": "Starting",
            "StartTime": NOW - dt.timedelta(minutes=5),
            "StatusMessage": "first",
        },
        {
            "Status": second or status,
            "StartTime": NOW - dt.timedelta(seconds=90),
            "StatusMessage": "waiting for capacity (position 3)",
        },
    ]
    return {
        "TrainingJobName": "job",
        "TrainingJobStatus": status,
        "SecondaryStatus": second or status,
        "SecondaryStatusTransitions": past,
        "CreationTime": NOW - dt.timedelta(minutes=5),
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        **more,
    }


def test_what_waits_tells_its_place() -> None:
    said = job_facts.details(job("InProgress", "Starting"), NOW)
    assert said == "waiting for capacity (position 3)"


def test_what_trains_tells_for_how_long() -> None:
    said = job_facts.details(job("InProgress", "Training"), NOW)
    assert said == "training for 1 min 30 s on 2 × ml.m5.xlarge"


def test_what_ended_tells_time_cost_and_savings() -> None:
    """Billable seconds times instances at the on-demand price (DescribeTrainingJob)."""
    price = instance("ml.m5.xlarge").price
    assert price
    spot = job(
        EnableManagedSpotTraining=True, TrainingTimeInSeconds=7200, BillableTimeInSeconds=1800
    )
    assert job_facts.cost(spot) == pytest.approx(price * 2 / 2)
    cost = job_facts.dollars(price)
    said = f"took 2 h here; {cost} on AWS; managed spot savings 75.0%"
    assert job_facts.details(spot, NOW) == said


def test_a_warm_pool_costs_the_time_that_it_waited() -> None:
    price = instance("ml.m5.xlarge").price
    assert price
    pool = {"Status": "Reused", "ResourceRetainedBillableTimeInSeconds": 1800}
    kept = job(BillableTimeInSeconds=1800, WarmPoolStatus=pool)
    assert job_facts.cost(kept) == pytest.approx(price * 2)


def test_a_group_counts_with_its_own_price() -> None:
    groups = [
        {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 3},
        {"InstanceGroupName": "b", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    ]
    mixed = job(ResourceConfig={"InstanceGroups": groups}, BillableTimeInSeconds=3600)
    small, large = instance("ml.m5.large").price, instance("ml.m5.xlarge").price
    assert small
    assert large
    assert job_facts.cost(mixed) == pytest.approx(3 * small + large)
    assert job_facts.machines(mixed) == "3 × ml.m5.large, ml.m5.xlarge"


def test_a_job_that_never_trained_cost_nothing_that_is_known() -> None:
    never = job("Stopped", TrainingEndTime=NOW)
    assert job_facts.cost(never) is None
    assert job_facts.details(never, NOW) == "took 5 min here"


def test_a_failure_is_told_by_its_last_line() -> None:
    reason = (
        "AlgorithmError: Traceback (most recent call last):\n  File x\nValueError: no such column"
    )
    failed = job("Failed", TrainingTimeInSeconds=4, FailureReason=reason)
    assert job_facts.details(failed, NOW).endswith("; ValueError: no such column")


def test_what_awss_toolkit_tells_is_told_without_its_command() -> None:
    reason = (
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 2\n"
        'ErrorMessage "usage: s.py [-h]\ns.py: error: unrecognized arguments: -x 1"\n'
        'Command "/env/bin/python s.py -x 1", exit code: 2'
    )
    failed = job("Failed", TrainingTimeInSeconds=4, FailureReason=reason)
    assert job_facts.details(failed, NOW).endswith("; s.py: error: unrecognized arguments: -x 1")


def test_only_a_scaled_instance_is_told() -> None:
    whole = instance("ml.m5.xlarge")
    assert job_facts.scaled("ml.m5.xlarge", Limits(whole.cpus, whole.memory)) == ""
    said = job_facts.scaled("ml.m5.xlarge", Limits(2.0, 3 << 29))
    assert said == "2 of 4 vCPU, 1.5 of 16 GiB"
    said = job_facts.scaled("ml.p3.2xlarge", Limits(2.0, 3 << 29))
    assert said.endswith("GiB, no GPU")


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0.0, "$0.0000"), (0.00003, "under $0.0001"), (0.0123, "$0.0123"), (12.345, "$12.35")],
)
def test_money_has_the_digits_that_it_needs(amount: float, said: str) -> None:
    assert job_facts.dollars(amount) == said
